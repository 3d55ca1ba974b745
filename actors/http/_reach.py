"""Sockets to hosts that somebody else has chosen.

A name is looked up once, and what was checked is what is connected to: a name server that would
answer differently the second time is not asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

import trio

from actors.errors import AddressRefused

from ._addresses import is_public

if TYPE_CHECKING:
    from ._connection import Reach

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

MOST_ADDRESSES: Final = 4  # of a host that are tried
ADDRESS_SECONDS: Final = 3.0  # for each, but for the last


async def resolve(host: str, port: int) -> Sequence[str]:
    """Look a host up, as the system does: also in whatever way an IP address can be written.

    Raises:
        OSError: There is no such host.
    """
    found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def checked_reach(
    *, allows: Callable[[str], bool] = is_public, resolve: Resolve = resolve
) -> Reach:
    """Make what opens sockets to such addresses alone as are allowed.

    Args:
        allows: Whether an IP address may be connected to.
        resolve: Finds the addresses of a host; awaited once for each socket.
    """

    async def reach(host: str, port: int, /) -> trio.SocketStream:
        """Connect to the first address that answers.

        Raises:
            AddressRefused: None of them is allowed.
            OSError: No connection.
        """
        addresses = [each for each in await resolve(host, port) if allows(each)][:MOST_ADDRESSES]
        if not addresses:
            raise AddressRefused(f"{host} leads to no public address, and no other may be asked")
        for address in addresses[:-1]:
            stream = await _try(address, port)
            if stream is not None:
                return stream
        return await trio.open_tcp_stream(addresses[-1], port)

    return reach


async def _try(address: str, port: int) -> trio.SocketStream | None:
    with trio.move_on_after(ADDRESS_SECONDS):
        try:
            return await trio.open_tcp_stream(address, port)
        except OSError:
            return None  # the error of the last address is the one that is told
    return None
