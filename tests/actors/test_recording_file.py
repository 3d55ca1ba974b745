"""What a recording's file holds, what it never holds, and what is said of a broken one."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any, Self

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from recordings import HELLO, KEY, lines_of, model_of, record, replay, told, write_lines

from actors.chat import Settings, system, user
from actors.errors import ProviderProtocolError, RecordingUnusable, ReplayMismatch, StreamTruncated
from actors.http import HttpClient, Limits, Transport, TransportStream
from actors.http._matching import differences
from actors.http._recording import Pen, Progress, RecordingClient
from actors.http._secrets import (
    MaskedReads,
    Secrets,
    body_to_keep,
    is_same_text,
    received_headers,
    sent_headers,
    without_secret_fields,
)
from actors.http._tape import Asked, Header
from actors.providers import Model, Recording, Replay, open_provider, say, stall
from actors.testing import FakeAnswer, answer, error, open_fake_openai, raw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

FORMS = [KEY, json.dumps(KEY)[1:-1], KEY.replace("/", "\\/"), KEY.replace("/", "%2F")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def assert_no_key(file: Path) -> None:
    everything = file.read_bytes()
    reads = "".join(line.get("text", "") for line in lines_of(file)).encode()
    for form in FORMS:
        assert form.encode() not in everything
        assert form.encode() not in reads
    assert KEY[:8].encode() not in everything


@pytest.mark.parametrize("split", [None, 1, 3, 8])
@pytest.mark.parametrize("form", FORMS)
def test_a_key_that_the_provider_echoes_is_not_in_the_file(
    file: Path, form: str, split: int | None
) -> None:
    body = f'data: {{"choices":[{{"delta":{{"content":"your key: {form}!"}}}}]}}\n\n'
    given = raw(body.encode() + b"data: [DONE]\n\n", split=split)

    recorded = record(file, given, use=told)
    played = replay(file, use=told)

    assert_no_key(file)
    assert recorded.response.text.startswith("your key: sk-")
    assert played.response.text == "your key: " + "*" * (len(played.response.text) - 11) + "!"
    assert [attrs.evolve(c, content="") for _, c in played.chunks] == [
        attrs.evolve(c, content="") for _, c in recorded.chunks
    ]


def test_a_key_in_errors_and_headers_is_not_in_the_file(file: Path) -> None:
    record(file, error(401, f"wrong key {KEY}", x_request_id=KEY, retry_after=KEY), use=told)

    assert_no_key(file)


def test_a_key_that_is_cut_off_is_not_in_the_file(file: Path) -> None:
    record(file, raw(b"data: " + KEY[:-1].encode()), use=told)

    assert_no_key(file)


def test_a_key_in_what_the_program_sends_is_not_in_the_file_and_does_not_hinder_the_replay(
    file: Path,
) -> None:
    async def ask(model: Model) -> str:
        async with open_provider(model) as provider:
            return (await provider.complete([system(f"The key is {KEY}."), user("Hi")])).text

    assert record(file, answer("Hello"), use=ask) == "Hello"
    assert_no_key(file)
    assert replay(file, use=ask) == "Hello"


def test_secrets_among_the_models_own_fields_are_not_in_the_file(file: Path) -> None:
    extra = {"tools_auth": {"authorization": "hunter2-hunter2"}, "user": KEY}

    async def main() -> None:
        async with open_fake_openai(answer("Hello")) as server:
            model = Model(
                "openai-compatible:m",
                base_url=server.base_url,
                api_key=KEY,
                settings=Settings(extra=extra),
            )
            await told(Recording(model, file))

    trio.run(main)

    assert_no_key(file)
    assert "hunter2" not in file.read_text(encoding="utf-8")
    assert replay(file, use=told).response.text == "Hello"


def test_the_organization_and_the_project_are_not_in_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-private")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-private")

    async def main() -> None:
        given = FakeAnswer(
            headers=(("openai-organization", "org-private"), ("set-cookie", "session=1")),
            body=b'{"error": "org-private may not"}',
            status=400,
        )
        async with open_fake_openai(given) as server:
            model = Model("openai:gpt-4o-mini", base_url=server.base_url, api_key=KEY)
            await told(Recording(model, file))

    trio.run(main)

    text = file.read_text(encoding="utf-8")
    assert "private" not in text
    assert "session" not in text


def test_of_the_headers_only_those_stay_that_are_known_to_be_harmless() -> None:
    secrets = Secrets([KEY])
    sent = {"Authorization": f"Bearer {KEY}", "X-New": "?", "Content-Type": "application/json"}
    received = {
        "set-cookie": "a=b",
        "openai-organization": "org",
        "x-request-id": "r",
        "x-ratelimit-remaining-tokens": "3",
        "location": f"https://host/there?signature={KEY}",
    }

    assert sent_headers(sent, secrets) == {"content-type": "application/json"}
    assert received_headers(received, secrets) == {
        "x-request-id": "r",
        "x-ratelimit-remaining-tokens": "3",
        "location": "https://host/there",
    }


def test_a_date_to_retry_after_is_kept_as_seconds(file: Path) -> None:
    record(file, error(429, retry_after="Fri, 31 Dec 2100 23:59:59 GMT"), use=told)

    (head,) = [line["answer"] for line in lines_of(file) if "answer" in line]
    assert float(head["headers"]["retry-after"]) > 1e9


def test_a_short_key_is_a_word_and_stays() -> None:
    assert Secrets(["none", None]).mask(b"none of it") == b"none of it"


def cut(data: bytes, places: list[int]) -> list[tuple[float, bytes]]:
    ends = sorted({min(place, len(data)) for place in places} | {len(data)})
    starts = [0, *ends]
    return [(float(n), data[starts[n] : end]) for n, end in enumerate(ends)]


PARTS = st.lists(st.sampled_from([b"sk-", b"sk-ve", b"ab", b"sk-vesk-very", b"z", b"\xff"]))
PLACES = st.lists(st.integers(0, 60), max_size=12)


@given(parts=PARTS, places=PLACES)
def test_wherever_the_reads_are_cut_the_same_is_masked_at_the_same_times(
    parts: list[bytes], places: list[int]
) -> None:
    secrets = Secrets(["sk-vesk-very", "zabzab"])
    data = b"".join(parts)
    reads = cut(data, places)

    masked = MaskedReads(secrets)
    written = [pair for at, piece in reads for pair in masked.feed(at, piece)] + masked.finish()

    whole = b"".join(piece for _, piece in written)
    assert [(at, len(piece)) for at, piece in written] == [(at, len(p)) for at, p in reads]
    assert b"sk-vesk-very" not in whole
    assert b"zabzab" not in whole
    expected = secrets.mask(data)
    certain = max(len(data) - len("sk-vesk-ver"), 0)  # what follows may be most of a secret
    assert whole[:certain] == expected[:certain]
    assert all(a in (b, ord("*")) for a, b in zip(whole, expected, strict=True))


def test_a_read_waits_only_while_it_may_end_inside_a_secret() -> None:
    masked = MaskedReads(Secrets(["sk-very-secret"]))

    assert masked.feed(1.0, b"hello\n") == [(1.0, b"hello\n")]
    assert masked.feed(2.0, b"a sk-v") == []
    assert masked.feed(3.0, b"ary") == [(2.0, b"a sk-v"), (3.0, b"ary")]
    assert masked.feed(4.0, b"sk-very-") == []
    assert masked.feed(5.0, b"secret.") == [(4.0, b"********"), (5.0, b"******.")]
    assert masked.finish() == []


@pytest.mark.parametrize(
    ("recorded", "asked", "same"),
    [
        ("key ****** here", "key abcdef here", True),
        ("key ****** here", "key abcdefg here", False),
        ("key ****** here", "kez abcdef here", False),
        ("**bold**", "__bold__", False),
        ("a******", "b******", False),
    ],
)
def test_a_mask_stands_for_any_text_of_its_length(recorded: str, asked: str, *, same: bool) -> None:
    assert is_same_text(recorded, asked) is same


def test_fields_that_are_named_as_secrets_are_masked_at_any_depth() -> None:
    body = {"a": [{"Authorization": "Bearer 1"}], "password": {"type": "string"}, "api_key": "x"}

    assert without_secret_fields(body) == {
        "a": [{"Authorization": "********"}],
        "password": {"type": "string"},  # a parameter's schema
        "api_key": "******",
    }


@pytest.mark.parametrize("depth", [900, 100_000])
def test_a_body_that_is_nested_too_deep_to_be_masked_is_not_written(depth: int) -> None:
    with pytest.raises(RecordingUnusable, match="nested too deep"):
        body_to_keep(b'{"a":' * depth + b"1" + b"}" * depth)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"m": [{"c": "Hallo"}]}, "m[0].c was 'Hello' and is now 'Hallo'"),
        ({"m": [{"c": 1}]}, "m[0].c was 'Hello' and is now 1"),
        ({"m": []}, 'm[0] was {"c":"Hello"} and is not there now'),
        ({"m": [{"c": "Hello"}], "t": True}, "t was not there and is now true"),
        ({}, 'm was [{"c":"Hello"}] and is not there now'),
        ("text", """the body was {"m":[{"c":"Hello"}]} and is now 'text'"""),
        ({"m": [{"c": "Hello"}]}, None),
    ],
)
def test_the_first_difference_is_said_in_words(asked: Any, said: str | None) -> None:
    recorded = Asked("POST", "/v1", body={"m": [{"c": "Hello"}]})

    assert next(differences(recorded, Asked("POST", "/v1", body=asked)), None) == said


def test_of_a_long_text_the_place_that_differs_is_shown() -> None:
    one, other = "x" * 500 + "old" + "y" * 500, "x" * 500 + "new" + "y" * 500
    (said,) = differences(Asked("POST", "/", body=one), Asked("POST", "/", body=other))

    assert "xold" in said
    assert "xnew" in said
    assert len(said) < 250


def test_numbers_and_truth_are_not_the_same() -> None:
    recorded, asked = Asked("POST", "/", body={"n": 1}), Asked("POST", "/", body={"n": True})

    assert list(differences(recorded, asked)) == ["n was 1 and is now true"]


async def ask(model: Model, *words: str) -> list[str]:
    async with open_provider(model) as provider:
        return [(await provider.complete([user(word)])).text for word in words]


def test_a_request_that_was_not_recorded_is_refused_with_the_difference(file: Path) -> None:
    record(file, answer("Hello"), use=told)

    with pytest.raises(ReplayMismatch) as caught:
        replay(file, use=lambda model: ask(model, "Hullo"))

    assert str(caught.value) == (
        f"the program asks what {file} does not have; compared with line 2, the next request "
        "there: messages[0].content was 'Hello' and is now 'Hullo'"
    )


def test_a_request_too_many_is_refused(file: Path) -> None:
    record(file, answer("Hello"), use=told)

    with pytest.raises(ReplayMismatch, match="has 1 exchanges and all are played"):
        replay(file, use=lambda model: ask(model, "Hello", "Hello"))


def test_a_refused_request_uses_up_no_exchange(file: Path) -> None:
    record(file, answer("Hello"), use=told)

    async def wrong_then_right(model: Model) -> list[str]:
        async with open_provider(model) as provider:
            with pytest.raises(ReplayMismatch):
                await provider.complete([user("Hullo")])
            return [(await provider.complete(HELLO)).text]

    assert replay(file, use=wrong_then_right) == ["Hello"]


def test_equal_requests_get_their_answers_in_order(file: Path) -> None:
    words = ("Hello", "Hello")
    record(file, answer("one"), answer("two"), use=lambda model: ask(model, *words))

    assert replay(file, use=lambda model: ask(model, *words)) == ["one", "two"]


Lines = list[dict[str, Any]]


def change(index: int, **fields: Any) -> Callable[[Lines], None]:
    return lambda lines: lines[index].update(fields)


def leave_out(index: int) -> Callable[[Lines], None]:
    return lambda lines: lines.__delitem__(index)


def repeat(index: int, place: int) -> Callable[[Lines], None]:
    return lambda lines: lines.insert(place, lines[index])


HEAD = "first line does not begin"


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (change(0, troupe_recording=2), "version 2, and this program reads version 1"),
        (change(0, wire="telepathy"), "wire format 'telepathy'"),
        (change(0, model={"name": "openai-compatible:m", "colour": 1}), "line 1.*'colour'"),
        (change(0, model={"name": 3}), "line 1"),
        (change(0, model={}), "line 1.*name"),
        (change(0, model={"name": "openai-compatible:m", "base_url": "ftp://x"}), "line 1"),
        (change(0, model={"name": "m", "limits": {"idle": -1}}), "line 1.*idle is -1"),
        (change(0, model={"name": "m", "limits": 3}), "line 1"),
        (leave_out(0), HEAD),
        (leave_out(1), r"line 2: exchange 1 has no request above"),
        (leave_out(2), r"line 3: exchange 1 has no answer above"),
        (repeat(1, 2), "line 3: exchange 1 has two requests"),
        (repeat(2, 3), "line 4: exchange 1 has two answers"),
        (repeat(3, 1000), "line [0-9]+: exchange 1 has ended above"),
        (change(2, answer={"status": "good"}), r"line 3: Expected `int`.*\$\.answer\.status"),
        (change(3, end={"kind": "clean"}), "line 4: a line has one of"),
        (change(3, at=-1), "line 4: `at` is -1"),
        (change(-1, end={"kind": "happy"}), "Invalid enum value 'happy'"),
        (change(3, n=None), "line 4.*`n`|line 4: Expected `int`, got `null`"),
    ],
)
def test_a_broken_file_is_refused_with_the_line(file: Path, break_it: Any, said: str) -> None:
    record(file, answer("Hello"), use=told)
    lines = lines_of(file)
    break_it(lines)
    write_lines(file, lines)

    with pytest.raises(RecordingUnusable, match=said) as caught:
        replay(file, use=told)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", HEAD),
        (b"\x00\xff\n", HEAD),
        (b'{"troupe_recording": 1}\n', "line 1: Object missing required field `model`"),
        (b'{"troupe_recording":1,\n', "line 1"),
        (b'{"troupe_recording":1,"model":{},"wire":"\xff"}\n', "line 1"),
        (b'{"troupe_recording":1,"model":{"name":"openai-compatible:m"}}', "line 1.*wire"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(file: Path, data: bytes, said: str) -> None:
    file.write_bytes(data)

    with pytest.raises(RecordingUnusable, match=said):
        Replay(file)


def test_a_file_that_is_not_there_is_refused_at_once(file: Path) -> None:
    with pytest.raises(RecordingUnusable, match=r"no recording to play at .*: No such file"):
        Replay(file)


def test_bytes_of_any_kind_are_refused_with_a_line_or_played(file: Path) -> None:
    record(file, answer(say("Hello", pieces=2)), use=told)
    good = file.read_bytes()
    chance = random.Random(4)  # noqa: S311 - a seed, not a secret
    refusals: list[str] = []
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(chance.choice((1, 1, 3))):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        file.write_bytes(bad)
        try:
            played = replay(file, use=told)
        except (RecordingUnusable, ReplayMismatch) as error:
            refusals.append(str(error))
        else:
            assert played.failure is not None or played.response.is_complete
    assert len(refusals) > 100
    assert [refusal for refusal in refusals if str(file) not in refusal] == []


def test_a_file_may_be_read_while_it_is_written(file: Path) -> None:
    async def main() -> None:
        async with (
            open_fake_openai(answer("Hello")) as server,
            open_provider(Recording(model_of(server), file)) as provider,
        ):
            await provider.complete(HELLO)
            assert (await told(Replay(file))).response.text == "Hello"

    trio.run(main)


async def test_a_disk_that_is_full_in_mid_answer_fails_the_answer_and_closes_its_socket(
    file: Path,
) -> None:
    header = Header(1, {"name": "openai-compatible:m"}, "openai-chat")
    async with open_fake_openai(answer("Hello", stall())) as server:
        pen = Pen(file, Secrets([]), Progress())
        pen.open(header)
        client = RecordingClient(HttpClient(Limits(), secure=False), pen)
        stream = client.stream("POST", f"{server.base_url}/x", {}, b"{}")
        async with stream:
            fill_the_disk(pen)
            with pytest.raises(RecordingUnusable, match="No space left"):
                await stream.read()
            with pytest.raises(RecordingUnusable, match="No space left"):
                await stream.__aexit__(None, None, None)
        with trio.fail_after(5):
            await server.requests[0].closed.wait()
        await client.aclose()


class Complaining(TransportStream):
    """An exchange that ends with an error which quotes the key; `begins` is called on entering."""

    def __init__(self, begins: Callable[[], None]) -> None:
        self.status = 200
        self.headers = {}
        self.was_left = False
        self._begins = begins

    async def read(self) -> bytes:
        await trio.lowlevel.checkpoint()
        raise ProviderProtocolError(f"no HTTP: {KEY}")

    async def __aenter__(self) -> Self:
        self._begins()
        return self

    async def __aexit__(self, *ending: object) -> None:
        self.was_left = True


class Complainer(Transport):
    def __init__(self, begins: Callable[[], None] = lambda: None) -> None:
        self.only = Complaining(begins)

    def stream(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> TransportStream:
        del method, url, headers, content
        return self.only

    async def aclose(self) -> None:
        pass


def fill_the_disk(pen: Pen) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, pen._descriptor)  # noqa: SLF001 - a disk cannot be filled in a test
    os.close(full)


async def test_a_disk_that_is_full_before_the_head_leaves_the_exchange(file: Path) -> None:
    pen = Pen(file, Secrets([]), Progress())
    pen.open(Header(1, {}, "openai-chat"))
    inner = Complainer(lambda: fill_the_disk(pen))
    client = RecordingClient(inner, pen)
    with pytest.raises(RecordingUnusable, match="No space left"):
        await client.stream("POST", "http://host/v1", {}, b"{}").__aenter__()
    await client.aclose()

    assert inner.only.was_left


async def test_a_key_in_an_errors_own_words_is_not_in_the_file(file: Path) -> None:
    pen = Pen(file, Secrets([KEY]), Progress())
    pen.open(Header(1, {}, "openai-chat"))
    client = RecordingClient(Complainer(), pen)
    with pytest.raises(ProviderProtocolError):
        async with client.stream("POST", f"http://host/v1?key={KEY}", {}, b"{}") as stream:
            await stream.read()
    await client.aclose()

    assert_no_key(file)
    assert lines_of(file)[-1]["end"] == {"kind": "not-http", "error": "no HTTP: " + "*" * len(KEY)}


def test_what_is_no_text_is_kept_as_it_is(file: Path) -> None:
    body = b'data: {"choices":[{"delta":{"content":"\xc3\xa9\xff"}}]}\n\n'
    recorded = record(file, raw(body, split=40), use=told)

    assert any("base64" in line for line in lines_of(file))
    played = replay(file, use=told)
    assert str(played.failure) == str(recorded.failure)


def test_a_file_without_its_end_plays_to_a_cut(file: Path) -> None:
    record(file, answer("Hello"), use=told)
    lines = lines_of(file)
    write_lines(file, lines[:4])

    assert isinstance(replay(file, use=told).failure, StreamTruncated)
