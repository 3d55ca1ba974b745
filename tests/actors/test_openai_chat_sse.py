"""The framing of server-sent events, apart from what the events say."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import ProviderProtocolError
from actors.providers.codecs import OpenAIChat
from actors.providers.codecs._framing import EventFraming, WireEvent

NEWLINES = st.sampled_from(["\n", "\r", "\r\n"])
LINES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)


def events(body: bytes, cuts: list[int] | None = None) -> list[WireEvent]:
    framing = EventFraming()
    borders = [0, *(cuts or []), len(body)]
    pairs = itertools.pairwise(borders)
    found = [event for start, end in pairs for event in framing.feed(body[start:end])]
    return found + framing.finish()


@given(
    payloads=st.lists(st.lists(LINES, min_size=1, max_size=3), min_size=1, max_size=5),
    newline=NEWLINES,
    mark=st.sampled_from(["data: ", "data:"]),
    data=st.data(),
)
def test_what_is_framed_comes_out_whatever_the_newline_and_the_cuts(
    payloads: list[list[str]],
    newline: str,
    mark: str,
    data: st.DataObject,
) -> None:
    # without the space, a blank at the front of a line belongs to the mark
    lines = [[x if mark[-1:] == " " else x.lstrip(" ") for x in payload] for payload in payloads]
    text = "".join("".join(f"{mark}{x}{newline}" for x in payload) + newline for payload in lines)
    body = text.encode()
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=10).map(sorted))

    said = ["\n".join(payload) for payload in lines if any(payload)]
    assert [event.data.decode() for event in events(body, cuts)] == said


def test_an_event_may_have_a_name_and_fields_that_nobody_needs() -> None:
    body = b"event: error\nid: 7\nretry: 10\nunknown\ndata: x\n\n"

    assert events(body) == [WireEvent(b"x", "error")]


def test_comments_and_events_without_data_are_nothing() -> None:
    assert events(b": ping\n\nevent: ping\n\n\n\n:\n\n") == []


@pytest.mark.parametrize("beat", ["data:", "data: ", "data", "data:\ndata:", "event: x\ndata: "])
def test_an_event_whose_data_is_empty_keeps_a_connection_alive_and_says_nothing(beat: str) -> None:
    assert events(f"{beat}\n\ndata: x\n\n{beat}".encode()) == [WireEvent(b"x")]


def test_a_line_with_data_and_no_colon_is_an_empty_line_of_data() -> None:
    assert events(b"data\ndata: x\n\n") == [WireEvent(b"\nx")]


def test_the_end_of_the_connection_ends_an_event() -> None:
    assert events(b"data: x") == [WireEvent(b"x")]


def test_a_crlf_that_is_cut_in_two_is_one_newline() -> None:
    framing = EventFraming()

    assert framing.feed(b"data: a\r") == []
    assert framing.feed(b"") == []
    assert framing.feed(b"\ndata: b\r") == []
    assert framing.feed(b"\n\r") == [WireEvent(b"a\nb")]
    assert framing.feed(b"\ndata: c\n\n") == [WireEvent(b"c")]


def test_a_byte_order_mark_is_dropped_also_when_it_is_cut() -> None:
    body = b"\xef\xbb\xbfdata: x\n\n"

    assert events(body) == events(body, [1, 2]) == [WireEvent(b"x")]


def test_a_byte_order_mark_after_a_blank_line_is_none_wherever_it_is_cut() -> None:
    body = b"\n\xef\xbb\xbfdata: x\n\n"

    assert events(body) == events(body, list(range(len(body)))) == []


def test_an_event_above_the_bound_is_refused() -> None:
    framing = EventFraming(max_event_bytes=10)

    with pytest.raises(ProviderProtocolError, match="more than 10 bytes"):
        framing.feed(b"data: 12345")


@pytest.mark.parametrize(
    ("body", "known"),
    [(b"data: x\n\n", True), (b"\r\n: ping\n\n", True), (b"<html>", False), (b"dada: x", False)],
)
def test_whether_it_is_a_stream_of_events_does_not_depend_on_cuts(
    body: bytes,
    known: bool,  # noqa: FBT001
) -> None:
    for cut in range(len(body)):
        framing = EventFraming()
        framing.feed(body[:cut])
        framing.feed(body[cut:])
        framing.finish()
        assert framing.knows_fields is known


def test_a_complaint_shows_the_same_beginning_wherever_it_is_cut() -> None:
    page = b"  <html><body>Welcome to the portal</body></html>"
    said: set[str] = set()
    for cut in range(len(page)):
        decoder = OpenAIChat().decoder()
        decoder.feed(page[:cut], 0.0)
        decoder.feed(page[cut:], 0.0)
        with pytest.raises(ProviderProtocolError) as caught:
            decoder.finish(0.0)
        said.add(str(caught.value))

    assert said == {f"the answer is neither a stream of events nor JSON: {page.decode().strip()!r}"}


@pytest.mark.parametrize("blanks", [b"\n", b"  \r\n", b"\xef\xbb\xbf" + b" " * 60])
def test_a_server_may_send_blanks_for_as_long_as_it_thinks(blanks: bytes) -> None:
    body = b'{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}'
    decoder = OpenAIChat().decoder()
    for _ in range(10_000):
        assert decoder.feed(blanks, 0.0) == []
        blanks = blanks.removeprefix(b"\xef\xbb\xbf")
    decoder.feed(body, 0.0)

    assert "".join(chunk.content for chunk in decoder.finish(0.0)) == "Hello"
