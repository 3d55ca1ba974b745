"""Which addresses are public, and that what was checked is what is connected to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from actors.errors import AddressRefused
from actors.http import checked_reach, is_public

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.http import Resolve


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "93.184.215.14", "172.15.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808"],
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - nothing is bound to it
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",  # Alibaba's metadata
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",  # Azure's host
        "169.254.169.254",  # the metadata of most clouds
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",  # Oracle's metadata
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",  # Amazon's metadata
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "localhost",
        "2130706433",
        "",
    ],
)
def test_any_other_address_is_not(address: str) -> None:
    assert not is_public(address)


def answers(*given: Sequence[str]) -> Resolve:
    """A name server that answers differently each time, and knows no more than that."""
    left = list(given)

    async def resolve(host: str, port: int) -> Sequence[str]:
        del host, port
        await trio.lowlevel.checkpoint()
        return left.pop(0)

    return resolve


async def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    checked: list[str] = []

    def allows(address: str) -> bool:
        checked.append(address)
        return address == "127.0.0.1"

    reach = checked_reach(allows=allows, resolve=answers(["127.0.0.9", "127.0.0.1"], ["127.0.0.9"]))
    async with await reach("rebinding.test", port) as stream:
        assert stream.socket.getpeername()[0] == "127.0.0.1"
    with pytest.raises(AddressRefused, match=r"rebinding\.test leads to no public address"):
        await reach("rebinding.test", port)
    await listeners[0].aclose()

    assert checked == ["127.0.0.9", "127.0.0.1", "127.0.0.9"]


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]

    reach = checked_reach(allows=lambda _: True, resolve=answers(["127.0.0.2", "127.0.0.1"]))
    async with await reach("two.test", port) as stream:
        assert stream.socket.getpeername()[0] == "127.0.0.1"
    await listeners[0].aclose()


async def test_the_error_of_the_last_address_is_told() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()

    reach = checked_reach(allows=lambda _: True, resolve=answers(["127.0.0.2", "127.0.0.1"]))
    with pytest.raises(OSError, match=r"127\.0\.0\.1"):
        await reach("two.test", port)


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "::1", "::ffff:7f00:1"],
)
async def test_loopback_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(AddressRefused):
        await checked_reach()(host, 80)
