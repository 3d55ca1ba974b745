"""The tool that fetches: real sockets on the loopback, and nothing private without leave."""

from __future__ import annotations

import gzip
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.chat import ToolCall, ToolStatus
from actors.tools import AnyTool, Toolbox, execute, fetch_tool
from actors.tools import _fetch as fetch_module
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

HTML = "text/html; charset=utf-8"


def reply(
    body: bytes = b"", kind: str = "text/plain", status: str = "200 OK", **headers: str
) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}"]
    if kind:
        lines.append(f"content-type: {kind}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return reply(status=status, location=location)


class Site:
    """Answers by path; a path without an answer stays silent.

    Attributes:
        requests: The heads of all that was asked.
        looked_up: The hosts that were.
        addresses: What each is told to be.
    """

    def __init__(self, **answers: bytes) -> None:
        self.answers = answers
        self.requests: list[str] = []
        self.looked_up: list[str] = []
        self.addresses: Sequence[str] = ("127.0.0.1",)
        self.port = 0

    def url(self, name: str = "page", host: str = "site.test") -> str:
        return f"http://{host}:{self.port}/{name}"

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        del port
        await trio.lowlevel.checkpoint()
        self.looked_up.append(host)
        return self.addresses

    async def serve(self, stream: trio.SocketStream) -> None:
        try:
            await self._serve(stream)
        except trio.BrokenResourceError:
            return  # the client has left, with or without a word
        finally:
            await trio.aclose_forcefully(stream)

    async def _serve(self, stream: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := await stream.receive_some()):
                return
            head += data
        self.requests.append(head.decode())
        name = head.split()[1].decode().lstrip("/")
        if name in self.answers:
            await stream.send_all(self.answers[name])
        else:
            await stream.receive_some()  # until the client leaves


@asynccontextmanager
async def serving(site: Site) -> AsyncGenerator[Site]:
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        site.port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, site.serve, listeners)
        await wait_all_tasks_blocked()
        yield site
        nursery.cancel_scope.cancel()


def tool_for(site: Site, *, timeout: float = 10.0, max_bytes: int = 1_000_000) -> AnyTool:
    return fetch_tool(
        allow_private=True, resolve=site.resolve, timeout=timeout, max_bytes=max_bytes
    )


async def told(fetch: AnyTool, url: str, status: ToolStatus = ToolStatus.OK) -> str:
    result = await execute(Toolbox([fetch]), ToolCall("1", "fetch", {"url": url}))
    assert result.status is status, result.content
    return result.content


async def refused(fetch: AnyTool, url: str) -> str:
    return await told(fetch, url, ToolStatus.ERROR)


# ---- what it brings


async def test_a_page_comes_as_its_title_and_text_with_links() -> None:
    page = b"""<html><head><title>News &amp; more</title>
    <script>var x = "<p>no</p>";</script></head>
    <body><h1>Today</h1><p>It is <a href="/more">sunny</a>.</p></body></html>"""
    async with serving(Site(page=reply(page, HTML))) as site:
        text = await told(tool_for(site), site.url())

        assert text == (
            f"{site.url()} (status 200, text/html)\n\n"
            f"News & more\n\n# Today\n\nIt is [sunny]({site.url('more')})."
        )
        assert site.requests[0].startswith("GET /page HTTP/1.1\r\n")
        assert f"host: site.test:{site.port}" in site.requests[0].lower()
        assert "accept-encoding: identity" in site.requests[0].lower()


async def test_json_comes_as_it_is_and_so_does_the_page_of_an_error() -> None:
    site = Site(
        data=reply(b'{"a": [1,  2]}', "application/json"),
        none=reply(b"no such page", status="404 Not Found"),
    )
    async with serving(site):
        fetch = tool_for(site)

        assert (await told(fetch, site.url("data"))).endswith('application/json)\n\n{"a": [1,  2]}')
        assert "(status 404, text/plain)\n\nno such page" in await told(fetch, site.url("none"))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain; charset=utf-8", "Grüße".encode()),
        ('text/plain; charset="ISO-8859-1"', "Grüße".encode("latin-1")),
        ("text/plain;charset=shift_jis", "Grüße".encode()),
        ("text/plain; charset=punycode", "Grüße".encode()),
        ("text/plain; charset=nonsense", "Grüße".encode()),
        ("text/plain", "Grüße".encode("cp1252")),
        ("text/plain", "Grüße".encode("utf-16")),
        ("text/html", b"<meta charset='windows-1252'>" + "Grüße".encode("cp1252")),
        ("", "Grüße".encode()),
    ],
)
async def test_the_character_set_is_the_declared_one_or_found_out(kind: str, body: bytes) -> None:
    async with serving(Site(page=reply(body, kind))) as site:
        text = await told(tool_for(site), site.url())

    assert text.endswith("Grüße") or "shift_jis" in kind  # where it is wrong, it is not an error


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("image/png", b"\x89PNG"),
        ("application/octet-stream", b"x"),
        ("", b"\0\1"),
        ("text/a", b"\0"),
    ],
)
async def test_what_is_no_text_is_said_to_be_none(kind: str, body: bytes) -> None:
    async with serving(Site(page=reply(body, kind))) as site:
        assert "is no text" in await refused(tool_for(site), site.url())


# ---- bounds


async def test_an_answer_is_read_no_further_than_its_bound_and_says_so() -> None:
    async with serving(Site(page=reply("ü".encode() * 50_000))) as site:
        text = await told(tool_for(site, max_bytes=1_001), site.url())

    assert "cut after 1001 bytes)" in text
    assert text.endswith("\n\n" + "ü" * 500)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
async def test_a_small_answer_that_unpacks_to_a_huge_one_is_bounded_like_any_other(
    pack: type,
) -> None:
    bomb = pack(b"x" * 10_000_000)
    encoding = "gzip" if pack is gzip.compress else "deflate"
    async with serving(Site(page=reply(bomb, content_encoding=encoding))) as site:
        text = await told(tool_for(site, max_bytes=1_000), site.url())

    assert "cut after 1000 bytes)" in text
    assert len(text) < 1_200


async def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 60_000_000)  # 58 kB: one read
    async with serving(Site(page=reply(bomb, content_encoding="gzip"))) as site:
        assert "unpack to over" in await refused(tool_for(site), site.url())


async def test_silence_ends_after_the_time_of_the_call() -> None:
    async with serving(Site()) as site:
        assert await refused(tool_for(site, timeout=0.1), site.url()) == (
            "TimeoutError: it took longer than 0.1 s"
        )


async def test_an_answer_that_is_cut_is_an_error_and_not_half_a_page() -> None:
    async with serving(Site(page=reply(b"x" * 100)[:-1])) as site:
        assert "ended inside the answer" in await refused(tool_for(site), site.url())


async def test_no_server_and_no_http_are_errors_in_words() -> None:
    async with serving(Site(page=b"SSH-2.0-OpenSSH\r\n\r\n")) as site:
        fetch = tool_for(site)
        assert "does not speak HTTP" in await refused(fetch, site.url())
        url = site.url()
    assert f"ConnectionError: no server at {url.removesuffix('/page')}" in await refused(fetch, url)


# ---- redirects


async def test_redirects_are_followed_and_each_host_is_looked_up() -> None:
    site = Site(page=reply(b"here"), moved=redirect("/page", "301 Moved"))
    async with serving(site):
        site.answers["start"] = redirect(site.url("moved", "other.test"))
        text = await told(tool_for(site), site.url("start"))

        assert text.startswith(site.url("page", "other.test"))
        assert site.looked_up == ["site.test", "other.test", "other.test"]


async def test_redirects_have_an_end() -> None:
    async with serving(Site(page=redirect("/page"))) as site:
        assert "more than 5 redirects" in await refused(tool_for(site), site.url())
        assert len(site.requests) == 6


async def test_only_the_hosts_that_are_named_are_asked_also_by_a_redirect() -> None:
    async with serving(Site(secret=reply(b"metadata"))) as site:
        site.answers["page"] = redirect(site.url("secret", "127.0.0.2"))

        fetch = fetch_tool(hosts=["site.test"], allow_private=True, resolve=site.resolve)
        assert "127.0.0.2 may not be asked. The hosts are: site.test" in await refused(
            fetch, site.url()
        )
        assert len(site.requests) == 1


async def test_a_redirect_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Site()) as site:
        site.answers = {"page": redirect(site.url("secret", "127.0.0.2")), "secret": reply(b"x")}
        # The first server stands in for one in the internet; all that follows is real.
        monkeypatch.setattr(fetch_module, "is_public", "127.0.0.1".__eq__)

        assert "127.0.0.2 leads to no public address" in await refused(
            fetch_tool(), site.url(host="127.0.0.1")
        )
        assert len(site.requests) == 1


@pytest.mark.parametrize("location", ["ftp://site.test/", "file:///etc/passwd", "http://[", "//@/"])
async def test_a_redirect_to_no_web_address_is_an_error(location: str) -> None:
    async with serving(Site(page=redirect(location))) as site:
        await refused(tool_for(site), site.url())
        assert len(site.requests) == 1


# ---- nothing private


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1"])
async def test_a_name_that_leads_to_a_private_address_is_refused(address: str) -> None:
    async with serving(Site(page=reply(b"secret"))) as site:
        site.addresses = [address]
        text = await refused(fetch_tool(resolve=site.resolve), site.url())

        assert text == (
            "PermissionError: site.test leads to no public address, and no other may be asked"
        )
        assert site.requests == []


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]"]
)
async def test_the_loopback_is_refused_however_it_is_written(host: str) -> None:
    async with serving(Site(page=reply(b"secret"))) as site:
        assert "PermissionError" in await refused(fetch_tool(), site.url(host=host))
        assert site.requests == []


async def test_the_loopback_is_asked_where_that_is_allowed() -> None:
    async with serving(Site(page=reply(b"hello"))) as site:
        fetch = fetch_tool(allow_private=True)

        assert (await told(fetch, site.url(host="127.0.0.1"))).endswith("hello")


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Site(page=reply(b"hello"))) as site:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{site.port}")
        site.addresses = ["10.0.0.1"]

        assert "PermissionError" in await refused(fetch_tool(resolve=site.resolve), site.url())
        assert site.requests == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("site.test", "write https://example.org/page"),
        ("ftp://site.test/", "write https://example.org/page"),
        ("file:///etc/passwd", "write https://example.org/page"),
        ("http://", "write https://example.org/page"),
        ("http:///page", "write https://example.org/page"),
        ("http://user:word@site.test/", "leave it out"),
        ("http://site.test@127.0.0.1/", "leave it out"),
        ("http://site.test\\@127.0.0.1/", "percent-encode"),
        ("http://site.test/a b", "percent-encode"),
        ("http://site.test/\r\nX-Header: 1", "percent-encode"),
        ("http://site.test:99999/", "out of range"),
        ("http://site.test:0/", "port 0"),
        ("http://site.test:x/", "could not be cast"),
        ("http://[::1/", "ValueError"),
        ("http://" + "a" * 4_000, "longer than 4000"),
    ],
)
async def test_an_address_that_is_none_is_refused_before_anything_is_looked_up(
    url: str, says: str
) -> None:
    site = Site()

    assert says in await refused(tool_for(site), url)
    assert site.looked_up == []


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(TypeError, match=r"write \['example.org'\]"):
        fetch_tool(hosts="example.org")
    with pytest.raises(ValueError, match="is an address: write its host"):
        fetch_tool(hosts=["https://example.org/"])
    with pytest.raises(ValueError, match="timeout must be positive"):
        fetch_tool(timeout=0)
    with pytest.raises(ValueError, match="max_bytes must be 1"):
        fetch_tool(max_bytes=0)


# ---- a cancel


async def test_a_cancel_at_any_step_leaves_no_socket_and_no_thread() -> None:
    page = reply(b"<title>t</title>" + b"<p>x</p>" * 3_000, HTML)
    async with serving(Site(page=page, start=redirect("/page"))) as site:
        fetch = tool_for(site)
        await told(fetch, site.url("start"))  # what is made once

        async def scenario() -> None:
            async with assert_no_leaks():
                try:
                    await fetch(site.url("start"))
                finally:
                    with trio.CancelScope(shield=True):
                        await wait_all_tasks_blocked(0.01)  # the server notices that we have left

        assert await cancel_everywhere(scenario) > 10


async def test_a_cancel_while_a_page_is_read_ends_the_thread() -> None:
    page = reply(b"<p>x</p>" * 200_000, HTML)  # takes more than a second
    async with serving(Site(page=page)) as site:
        fetch = tool_for(site, max_bytes=2_000_000)
        async with assert_no_leaks():
            with trio.move_on_after(0.3) as scope:
                await fetch(site.url())
            with trio.CancelScope(shield=True):
                await wait_all_tasks_blocked(0.01)

    assert scope.cancelled_caught
