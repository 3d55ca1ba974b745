"""A tool that gets pages and other texts over HTTP, from addresses that are anybody's to see."""

from __future__ import annotations

import codecs
import functools
import math
import re
import urllib.parse
from typing import TYPE_CHECKING, Final

import attrs
import trio

from actors.errors import (
    AddressRefused,
    ConfigurationError,
    ProviderError,
    StreamInterrupted,
)
from actors.http import Limits, Reach, checked_reach, is_public, open_client

from ._page import read_page
from ._text import read_text
from ._tool import AnyTool, tool

if TYPE_CHECKING:
    from collections.abc import Collection

    from actors.http import Resolve, TransportStream

    from ._options import Approve

MAX_BYTES: Final = 1_000_000
TIMEOUT: Final = 20.0
MAX_REDIRECTS: Final = 5
MAX_ADDRESS: Final = 4_000  # characters
_CONNECT_SECONDS: Final = 10.0
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = {"accept": "text/html, application/json, text/*;q=0.9, */*;q=0.1"}
_PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})
_TEXTS: Final = re.compile(
    r"text/.*|application/(.*\+)?(json|xml|yaml)|application/(x-)?(javascript|ndjson|toml|yaml|sql)"
    r"|application/x-(sh|www-form-urlencoded)|image/svg\+xml|message/.*"
)
_META: Final = re.compile(
    rb"<meta[^>]{1,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", re.IGNORECASE
)
_META_BYTES: Final = 2_048
# Python also has codecs that are no character sets, and some whose time grows with the square.
_CHARACTER_SETS: Final = re.compile(
    r"ascii|utf-(8|16|32)(-[bl]e)?|utf-8-sig|iso8859-\d+|cp\d+|koi8-[rut]|mac-.*|big5.*|gb.*|hz"
    r"|euc.*|shift_jis.*|iso2022.*|johab|tis-620|kz1048|ptcp154|hp-roman8"
)


def fetch_tool(
    *,
    hosts: Collection[str] | None = None,
    allow_private: bool = False,
    approve: Approve = False,
    max_bytes: int = MAX_BYTES,
    timeout: float = TIMEOUT,
    resolve: Resolve | None = None,
) -> AnyTool:
    """Make the tool `fetch`, which gets a page or another text with GET.

    HTML comes as text with its links, everything else as it is. Only public addresses are asked: a
    host is looked up once, its address is checked, and that address is connected to, for each
    redirect anew. No proxy of the environment is asked, for it would look the host up itself.

    *Not promised:* a model that reads what strangers wrote can be talked into asking for an address
    that tells them what it knows. Where that matters, name the `hosts`.

    Args:
        hosts: The only hosts that may be asked, as in `["docs.python.org"]`; None for any.
        allow_private: Whether private, loopback and link-local addresses may be asked as well:
            there a cloud keeps its metadata, and services live without a password.
        approve: Whether somebody has to approve each address, or which ones; as `tool` says it.
        max_bytes: Of an answer, unpacked; the rest is not read.
        timeout: Seconds for a call, with its redirects.
        resolve: Finds the IP addresses of a host; by default as the system does.

    Raises:
        TypeError: If `hosts` is one string.
        ValueError: If one of them is an address, or a number is out of range.
    """
    _check_hosts(hosts)
    if not 0 < timeout < math.inf:  # also refuses NaN
        raise ValueError(f"timeout must be positive seconds, not {timeout}")
    if max_bytes < 1:
        raise ValueError(f"max_bytes must be 1 byte or more, not {max_bytes}")
    reach = _reach(hosts, resolve, allow_private=allow_private)
    fetcher = _Fetcher(reach, max_bytes)

    async def fetch(url: str) -> str:
        """Get a web page, or another text, and return it as text.

        Args:
            url: Its address, which begins with https:// or http://.
        """
        with trio.move_on_after(timeout):
            try:
                return await fetcher.get(url)
            except AddressRefused as error:
                raise PermissionError(str(error)) from error
            except ConfigurationError as error:
                raise ValueError(str(error)) from error
            except (ProviderError, StreamInterrupted) as error:
                raise ConnectionError(str(error)) from error
        raise TimeoutError(f"it took longer than {timeout} s")

    return tool(fetch, approve=approve)


def _check_hosts(hosts: Collection[str] | None) -> None:
    if isinstance(hosts, str):
        raise TypeError(f"hosts must be names of hosts: write [{hosts!r}]")
    for host in hosts or ():
        if "/" in host:
            raise ValueError(f"{host!r} is an address: write its host, as in 'docs.python.org'")


def _reach(hosts: Collection[str] | None, resolve: Resolve | None, *, allow_private: bool) -> Reach:
    allows = _anything if allow_private else is_public
    checked = (
        checked_reach(allows=allows)
        if resolve is None
        else checked_reach(allows=allows, resolve=resolve)
    )
    if hosts is None:
        return checked
    known = {host.lower() for host in hosts}

    async def reach(host: str, port: int, /) -> trio.SocketStream:
        # Here, where the host is the one that is connected to, and not where an address is read.
        if host.lower().rstrip(".") not in known:
            offered = ", ".join(sorted(known)) or "none"
            raise AddressRefused(f"{host} may not be asked. The hosts are: {offered}")
        return await checked(host, port)

    return reach


def _anything(address: str) -> bool:
    del address
    return True


@attrs.frozen
class _Fetcher:
    """Gets one address at a time, over a connection of its own."""

    reach: Reach
    max_bytes: int

    async def get(self, url: str) -> str:
        for _ in range(MAX_REDIRECTS + 1):
            _check_address(url)
            told = await self._ask(url)
            if not isinstance(told, _Redirect):
                return told
            url = told.url
        raise ConnectionError(f"more than {MAX_REDIRECTS} redirects, the last to {url}")

    async def _ask(self, url: str) -> str | _Redirect:
        limits = Limits(_CONNECT_SECONDS, math.inf, math.inf, math.inf)  # the call has its own
        is_secure = url.lower().startswith("https:")
        client = open_client(limits, connections=1, secure=is_secure, reach=self.reach)
        try:
            async with client.stream("GET", url, _HEADERS) as answer:
                location = answer.headers.get("location")
                if answer.status in _REDIRECTS and location:
                    return _Redirect(_joined(url, location))
                return await self._told(url, answer)
        finally:
            with trio.CancelScope(shield=True):  # closes sockets, and waits for nothing
                await client.aclose()

    async def _told(self, url: str, answer: TransportStream) -> str:
        kind, _, parameters = answer.headers.get("content-type", "").lower().partition(";")
        kind = kind.strip()
        head = f"{url} (status {answer.status}, {kind or 'no type said'}"
        if kind and kind not in _PAGES and not _TEXTS.fullmatch(kind):
            size = answer.headers.get("content-length")
            raise ValueError(f"{head}{f', {size} bytes' if size else ''}) is no text")
        data = await answer.read_at_most(self.max_bytes + 1)
        if len(data) > self.max_bytes:
            data = _whole_characters(data[: self.max_bytes])
            head = f"{head}, cut after {self.max_bytes} bytes"
        text = _decoded(data, _declared(parameters) or _declared_inside(kind, data))
        if text is None:
            raise ValueError(f"{head}) is no text")
        if kind in _PAGES:
            text = await _as_page(text, url)
        return f"{head})\n\n{text.strip() or '(nothing)'}"


@attrs.frozen
class _Redirect:
    url: str


def _check_address(url: str) -> None:
    if len(url) > MAX_ADDRESS:
        raise ValueError(f"the address is longer than {MAX_ADDRESS} characters")
    # Parsers differ in what they make of these, or drop them.
    if not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("there is a space, a backslash or a control character: percent-encode it")
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is no web address: write https://example.org/page")
    if parts.port == 0:  # looking at it raises for what is no port
        raise ValueError("port 0 is no port")
    if "@" in parts.netloc:
        raise ValueError("there is a name or a password in the address: leave it out")


def _joined(url: str, location: str) -> str:
    try:
        return urllib.parse.urldefrag(urllib.parse.urljoin(url, location.strip())).url
    except ValueError as error:
        raise ConnectionError(f"{url} redirects to {location!r}, which is no address") from error


def _declared(parameters: str) -> str:
    """The character set of a content type."""
    found = re.search(r"charset\s*=\s*\"?([^\s\";]+)", parameters)
    return found[1] if found else ""


def _declared_inside(kind: str, data: bytes) -> str:
    """The character set that a page says of itself."""
    found = _META.search(data[:_META_BYTES]) if kind in _PAGES else None
    return found[1].decode("ascii") if found else ""


def _decoded(data: bytes, charset: str) -> str | None:
    """The text; None if it is none. A character set that nobody knows is guessed at."""
    try:
        name = codecs.lookup(charset).name if charset else ""
    except (LookupError, ValueError):
        name = ""
    if name and _CHARACTER_SETS.fullmatch(name):
        # What HTTP calls Latin-1 is Windows' superset of it, says the WHATWG.
        name = "cp1252" if name in {"iso8859-1", "ascii"} else name
        return data.decode(name, "replace")
    found = read_text(data)
    return None if found is None else found.text


def _whole_characters(data: bytes) -> bytes:
    """Leave out the bytes of a UTF-8 character that was cut, so that it is still known as UTF-8."""
    for left_out in range(1, 4):
        if data[-left_out] >= 0xC0:  # noqa: PLR2004 - such a byte begins a character, and no other
            return data[:-left_out]
        if data[-left_out] < 0x80:  # noqa: PLR2004 - ASCII
            break
    return data


async def _as_page(text: str, url: str) -> str:
    """In a thread, for it may take a second; it looks out for a cancel."""
    page = await trio.to_thread.run_sync(
        functools.partial(read_page, text, url, check=trio.from_thread.check_cancelled)
    )
    return f"{page.title}\n\n{page.text}" if page.title else page.text
