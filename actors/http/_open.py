"""The usual transport, imported when it is first needed: httpx2 takes half as long as trio."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._connection import Reach
    from ._limits import Limits
    from ._transport import Transport


def open_client(
    limits: Limits | None = None,
    *,
    connections: int = 100,
    secure: bool = True,
    reach: Reach | None = None,
) -> Transport:
    """Make an `HttpClient`, which says what the arguments mean; `aclose` when done."""
    from ._client import HttpClient  # noqa: PLC0415 - see above

    return HttpClient(limits, connections=connections, secure=secure, reach=reach)
