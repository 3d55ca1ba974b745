"""The bodies of HTTP/1.1: whole however they are cut, and as strict as h11."""

from __future__ import annotations

import gzip
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.http._body import (
    MAX_INFLATED_BYTES,
    MAX_LINE_BYTES,
    Body,
    Chunked,
    Inflated,
    Sized,
    UntilClosed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
EXAMPLE = b"5\r\nHello\r\n7;name=value\r\n, world\r\n0\r\nx-sum: 1\r\n\r\n"

payloads = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
cuts = st.lists(st.integers(0, 400), max_size=12)


def chunked(pieces: list[bytes]) -> bytes:
    return b"".join(b"%X\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def split(data: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(data) + 1) for place in at), len(data)]
    return [data[start:stop] for start, stop in pairwise(places)]


def fed(body: Body, parts: list[bytes]) -> bytes:
    return b"".join([body.feed(part) for part in parts if part])


def read_by_h11(parts: list[bytes]) -> tuple[bytes, bool, bool]:
    """The payload, whether it is complete, whether it is broken."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(HEAD)
    assert isinstance(client.next_event(), h11.Response)
    payload = b""
    for part in parts:
        client.receive_data(part)
        try:
            while isinstance(event := client.next_event(), h11.Data):
                payload += bytes(event.data)
        except h11.RemoteProtocolError:
            return payload, False, True
        if isinstance(event, h11.EndOfMessage):
            return payload, True, False
    return payload, False, False


@given(payloads, cuts)
def test_a_chunked_body_is_whole_wherever_it_is_cut(pieces: list[bytes], at: list[int]) -> None:
    body = Chunked()
    assert fed(body, split(chunked(pieces), at)) == b"".join(pieces)
    assert (body.done, body.excess, body.failure) == (True, False, None)


@pytest.mark.parametrize("size", range(1, len(EXAMPLE)))
def test_extensions_and_trailers_are_left_out(size: int) -> None:
    body = Chunked()
    parts = [EXAMPLE[at : at + size] for at in range(0, len(EXAMPLE), size)]
    assert fed(body, parts) == b"Hello, world"
    assert body.done


@given(payloads, cuts, st.integers(0, 300), st.binary(min_size=1, max_size=3))
def test_what_h11_refuses_is_refused_and_what_we_take_is_read_as_h11_does(
    pieces: list[bytes], at: list[int], place: int, noise: bytes
) -> None:
    data = chunked(pieces)
    place %= len(data)
    parts = [part for part in split(data[:place] + noise + data[place:], at) if part]
    payload, is_complete, is_broken = read_by_h11(parts)

    body = Chunked()
    read = fed(body, parts)
    if is_broken:
        assert not body.done
    if body.done:
        assert is_complete
        assert read == payload
    elif body.failure is None:
        assert (read, is_complete) == (payload, False)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"x\r\n",
        b"-5\r\nHello\r\n",
        b"0x5\r\nHello\r\n",
        b"5\nHello\n0\n\n",
        b"5 5\r\nHello\r\n",
        b"5\r\nHelloX\r\n0\r\n\r\n",
        b"5\r\nHello\r0\r\n\r\n",
        b"5\r\nHello0\r\n\r\n",
        b"11111111111111111\r\n",
        b"5" + b" " * (MAX_LINE_BYTES + 1),
        b"0\r\nno trailer\r\n\r\n",
        b"0\r\n" + b"a: b\r\n" * MAX_LINE_BYTES,
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1_000_000])
def test_what_is_not_a_chunk_is_refused(data: bytes, size: int) -> None:
    body = Chunked()
    fed(body, [data[at : at + size] for at in range(0, len(data), size)])
    assert body.failure is not None
    assert not body.done


def test_what_came_before_a_broken_chunk_is_not_lost() -> None:
    body = Chunked()
    assert body.feed(b"5\r\nHello\r\nno size\r\n") == b"Hello"
    assert body.failure is not None
    assert body.feed(b"5\r\nHello\r\n") == b""


def test_bytes_beyond_the_end_are_noticed_and_not_read() -> None:
    for body, data in ((Chunked(), b"2\r\nhi\r\n0\r\n\r\nmore"), (Sized(2), b"himore")):
        assert body.feed(data) == b"hi"
        assert (body.done, body.excess) == (True, True)


def test_a_sized_body_ends_by_its_size_alone() -> None:
    body = Sized(5)
    assert body.feed(b"Hel") == b"Hel"
    body.end()
    assert not body.done
    assert body.feed(b"lo") == b"lo"
    assert (body.done, body.excess) == (True, False)
    assert Sized(0).done


def test_a_body_without_a_size_ends_with_its_connection() -> None:
    body = UntilClosed()
    assert body.feed(b"Hello") == b"Hello"
    assert not body.done
    body.end()
    assert body.done


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_compressed_body_is_inflated_as_it_comes(
    pack: Callable[[bytes], bytes], size: int
) -> None:
    data: bytes = chunked([pack(b"Hello, world" * 9)])
    body = Inflated(Chunked())
    assert fed(body, [data[at : at + size] for at in range(0, len(data), size)]) == (
        b"Hello, world" * 9
    )
    assert (body.done, body.excess) == (True, False)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_small_body_that_unpacks_to_a_huge_one_is_a_failure(
    pack: Callable[[bytes], bytes],
) -> None:
    bomb = pack(bytes(MAX_INFLATED_BYTES + 1))
    body = Inflated(Sized(len(bomb)))
    assert body.feed(bomb) == b""
    assert body.failure == f"{len(bomb)} bytes of it unpack to over {MAX_INFLATED_BYTES}"
    assert not body.done


def test_what_is_not_compressed_though_it_says_so_is_a_failure() -> None:
    body = Inflated(Sized(5))
    assert body.feed(b"Hello") == b""
    assert body.failure is not None
    assert not body.done
