"""What passes over a real socket is written down, and plays again on virtual time."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio
from recordings import (
    HELLO,
    KEY,
    PATIENT,
    SHORT,
    Told,
    lines_of,
    model_of,
    record,
    replay,
    told,
    write_lines,
)

from actors import open_agent
from actors.chat import Request, Settings, user
from actors.errors import (
    ConfigurationError,
    ProviderError,
    ProviderRateLimited,
    ProviderUnavailable,
    RecordingUnusable,
    StreamInterrupted,
    StreamStalled,
    StreamTruncated,
)
from actors.providers import (
    Fallback,
    Generate,
    Limits,
    Model,
    Recording,
    Replay,
    call,
    open_provider,
    pause,
    reset,
    say,
    stall,
    think,
    truncate,
    usage,
)
from actors.testing import FakeAnswer, answer, error, open_fake_openai, raw
from runtime import ActorCrashed, ActorRestarting
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from pathlib import Path

    from actors.agents import AgentHandle
    from actors.chat import StreamResponse
    from actors.providers import ProviderHandle

EXACT = 1e-3  # seconds: times are written to the microsecond


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def assert_same(file: Path, recorded: Told, played: Told) -> None:
    """The same chunks, each at the time of the read that brought it, and the same end.

    The reader saw it at that time or later, as busy as the machine was.
    """
    reads = [line["at"] for line in lines_of(file)[1:] if line["n"] == 1]
    assert [chunk for _, chunk in played.chunks] == [chunk for _, chunk in recorded.chunks]
    for (was, _), (now, _) in zip(recorded.chunks, played.chunks, strict=True):
        assert min(abs(now - at) for at in reads) < EXACT
        assert now < was + EXACT
    assert type(played.failure) is type(recorded.failure)
    assert str(played.failure) == str(recorded.failure)


@pytest.mark.parametrize("split", [None, 1, 7])
def test_a_recorded_answer_plays_to_the_same_chunks_at_the_same_times(
    file: Path, split: int | None
) -> None:
    given = answer(
        think("Let me see.", pieces=2),
        pause(0.1),
        say("It is \u00e9\u00e8\U0001f600", pieces=3),
        pause(0.1),
        call("multiply", a=2, b=3),
        usage(11, 7, cached=3),
        split=split,
    )

    recorded = record(file, given, use=told)
    played = replay(file, use=told)

    assert recorded.response.is_complete
    assert_same(file, recorded, played)
    assert played.chunks[-1][0] - played.chunks[0][0] > 0.18  # both pauses
    assert played.response.usage == recorded.response.usage


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(say("It is", pieces=2), truncate()), StreamTruncated),
        (answer(say("It is", pieces=2), reset()), StreamTruncated),
        (answer(reset()), StreamTruncated),
        (answer(say("It is", pieces=2), stall()), StreamStalled),
        (answer(stall()), StreamStalled),
        (error(429, "slow down", retry_after="2"), ProviderRateLimited),
        (error(503, "not now"), ProviderUnavailable),
        (FakeAnswer(head_after=5.0), StreamStalled),
        (raw(b"data: {broken\n\n"), ProviderError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_a_recorded_fault_plays_to_the_same_error(
    file: Path, given: FakeAnswer, kind: type[Exception]
) -> None:
    limits = SHORT if kind is StreamStalled else PATIENT
    recorded = record(file, given, use=told, limits=limits)
    played = replay(file, use=told)

    assert isinstance(recorded.failure, kind)
    assert_same(file, recorded, played)


def test_an_error_keeps_what_the_provider_said_of_it(file: Path) -> None:
    record(file, error(429, "slow down", retry_after="2"), use=told)

    failure = replay(file, use=told).failure

    assert isinstance(failure, ProviderRateLimited)
    assert (failure.status, failure.request_id, failure.retry_after) == (429, "fake-0", 2.0)


def test_a_stall_plays_with_its_limit_and_its_length(file: Path) -> None:
    record(file, answer("Well", stall()), use=told, limits=SHORT)

    async def timed(model: Model) -> tuple[Told, float]:
        began = trio.current_time()
        return await told(model), trio.current_time() - began

    played, seconds = replay(file, use=timed)

    assert isinstance(played.failure, StreamStalled)
    assert (played.failure.limit, played.failure.seconds) == ("idle", 0.2)
    assert played.failure.partial.text == "Well"
    assert seconds == pytest.approx(lines_of(file)[-1]["at"])
    assert seconds >= 0.2


def test_no_server_plays_to_no_server(file: Path) -> None:
    nobody = Model("openai-compatible:m", base_url="http://127.0.0.1:1/v1")

    async def main() -> Told:
        return await told(Recording(nobody, file))

    recorded = trio.run(main)
    played = replay(file, use=told)

    assert isinstance(recorded.failure, ProviderUnavailable)
    assert_same(file, recorded, played)


async def multiply(a: float, b: float) -> float:
    """Multiply two numbers."""
    await trio.sleep(0.05)
    return a * b


async def run_agent(model: Any) -> tuple[list[tuple[float, str, str]], Any, str]:
    async with open_agent(model, tools=[multiply], instructions="Be brief.") as agent:
        async with agent.stream("What is 6 times 7?") as run:
            began = run.response.started_at or 0.0
            seen = [(e.timestamp - began, e.type, str(e.content)) async for e in run]
        return seen, run.outcome, run.response.text


def test_a_recorded_run_with_a_tool_plays_to_the_same_events(file: Path) -> None:
    answers = (
        answer(think("Hm."), call("multiply", a=6, b=7), usage(5, 6)),
        answer(pause(0.05), say("It is 42.", pieces=4), usage(9, 3)),
    )

    recorded, outcome, text = record(file, *answers, use=run_agent)
    played, played_outcome, played_text = replay(file, use=run_agent)

    assert text.endswith("It is 42.")
    assert (played_outcome, played_text) == (outcome, text)
    assert [event[1:] for event in played] == [event[1:] for event in recorded]
    for (was, *_), (now, *_) in zip(recorded, played, strict=True):
        assert now < was + EXACT
    assert played[-1][0] > 0.09  # the tool's pause, and the model's


def test_a_replay_takes_no_real_time(file: Path) -> None:
    record(file, answer(say("one two", pieces=2)), use=told)
    lines = lines_of(file)
    for line in lines:
        if set(line) & {"text", "end"}:
            line["at"] += 86400.0  # a day of thought
    write_lines(file, lines)

    began = time.perf_counter()
    played = replay(file, use=told)

    assert played.chunks[0][0] > 86400
    assert played.response.text == "one two"
    assert time.perf_counter() - began < 5


def test_requests_at_the_same_time_get_their_own_answers_in_any_order(file: Path) -> None:
    async def ask(model: Model, words: list[str]) -> dict[str, str]:
        answers: dict[str, str] = {}
        async with open_provider(model) as provider, trio.open_nursery() as nursery:

            async def one(word: str) -> None:
                answers[word] = (await provider.complete([user(word)])).text

            for word in words:
                nursery.start_soon(one, word)
        return answers

    words = ["a", "b", "c", "d"]
    given = [answer(f"answer {number}", slow=0.01) for number in range(4)]
    recorded = record(file, *given, use=lambda model: ask(model, words))
    played = replay(file, use=lambda model: ask(model, words[::-1]))

    assert sorted(recorded.values()) == [f"answer {number}" for number in range(4)]
    assert played == recorded


def test_a_recording_works_inside_a_fallback_and_so_does_its_replay(file: Path) -> None:
    async def first_or_second(model: Model) -> str:
        nobody = Model("openai-compatible:m", base_url="http://127.0.0.1:1/v1")
        async with open_provider(Fallback(nobody, model)) as provider:
            return (await provider.complete(HELLO)).text

    assert record(file, answer("Hello"), use=first_or_second) == "Hello"
    assert replay(file, use=first_or_second) == "Hello"


def test_a_replay_sends_the_recorded_models_settings(file: Path) -> None:
    async def main() -> None:
        async with open_fake_openai() as server:
            base = Model(
                "openai-compatible:m",
                base_url=server.base_url,
                settings=Settings(temperature=0.25, extra={"top_k": 3}),
                limits=Limits(total=float("inf")),
            )
            assert (await told(Recording(base, file))).failure is None

    trio.run(main)

    model = Replay(file)
    assert model.settings == Settings(temperature=0.25, extra={"top_k": 3})
    assert model.limits == Limits(total=float("inf"))
    assert replay(file, use=told).failure is None


def test_a_replay_needs_no_key(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with open_fake_openai(answer("Hello")) as server:
            model = Model("openai:gpt-4o-mini", base_url=server.base_url, api_key=KEY)
            await told(Recording(model, file))

    trio.run(main)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    assert replay(file, use=told).response.text == "Hello"


async def cancel_after(line: str, file: Path, scope: trio.CancelScope) -> None:
    """Cancel as soon as the file has such a line."""
    with trio.fail_after(10):
        while not any(line in written for written in lines_of(file)):  # noqa: ASYNC110 - nobody tells us
            await trio.sleep(0.01)
    scope.cancel()


@pytest.mark.parametrize("after", [0, 2])
def test_a_cancelled_exchange_plays_up_to_its_cut(file: Path, after: int) -> None:
    async def read_some(model: Model) -> str:
        async with open_provider(model) as provider, trio.open_nursery() as nursery:
            async with provider.stream(HELLO) as stream:
                with trio.CancelScope() as scope:
                    if not after:
                        nursery.start_soon(cancel_after, "answer", file, scope)
                    async for _ in stream:
                        if stream.response.text == "one two ":
                            scope.cancel()
            return stream.response.text

    steps = [say("one two ", pieces=after)] if after else []
    shown = record(file, answer(*steps, stall()), use=read_some)
    played = replay(file, use=told)

    assert lines_of(file)[-1]["end"]["kind"] == "cancelled"
    assert isinstance(played.failure, StreamTruncated)
    assert str(played.failure) == "the recording is cut: whoever recorded it was cancelled here"
    assert played.response.text == shown == ("one two " if after else "")
    assert replay(file, use=read_some) == shown  # who cancels again sees what was seen then


def test_a_cancel_before_the_head_leaves_a_request_without_an_answer(file: Path) -> None:
    async def give_up(model: Model) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(told, model)
            await cancel_after("request", file, nursery.cancel_scope)

    file.touch()
    record(file, FakeAnswer(head_after=60.0), use=give_up)

    assert [set(line) for line in lines_of(file)[1:]] == [
        {"n", "at", "request"},
        {"n", "at", "end"},
    ]
    assert isinstance(replay(file, use=told).failure, StreamTruncated)


def test_a_reader_that_leaves_a_run_leaves_the_same_when_it_is_played(file: Path) -> None:
    async def leave(agent: AgentHandle) -> str:
        async with agent.stream("Go on") as run:
            async for _ in run:
                if len(run.response.text) > 5:
                    break
        return run.response.text

    async def twice(model: Model) -> list[str]:
        async with open_agent(model) as agent:
            return [await leave(agent), await leave(agent)]

    async def without_leaks(model: Model) -> list[str]:
        async with assert_no_leaks():
            return await twice(model)

    given = answer(say("one two three four five", pieces=5), stall())
    recorded = record(file, given, use=twice)

    assert replay(file, use=without_leaks) == recorded


def test_a_file_is_for_its_owner_only(file: Path) -> None:
    record(file, answer("Hello"), use=told)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_recording_replaces_the_one_before(file: Path) -> None:
    record(file, answer("first"), use=told)
    record(file, answer("second"), use=told)

    assert replay(file, use=told).response.text == "second"


async def answer_after_a_crash(provider: ProviderHandle) -> StreamResponse:
    nowhere: Any = None  # no sink: the handler breaks when it has something to hand on
    with pytest.raises(ActorCrashed):
        await provider.ref.stream_into(Generate(Request(tuple(HELLO))), nowhere)
    with trio.fail_after(10):
        while True:
            try:
                return await provider.complete(HELLO)
            except ActorRestarting:
                await trio.sleep(0.01)


async def test_a_restarted_provider_goes_on_in_the_same_file(file: Path) -> None:
    async with (
        open_fake_openai(answer("one"), answer("lost"), answer("two")) as server,
        open_provider(Recording(model_of(server), file)) as provider,
    ):
        assert (await provider.complete(HELLO)).text == "one"
        assert (await answer_after_a_crash(provider)).text == "two"

    async with open_provider(Replay(file)) as provider:
        assert (await provider.complete(HELLO)).text == "one"
        assert (await answer_after_a_crash(provider)).text == "two"
    assert [line["n"] for line in lines_of(file) if "request" in line] == [1, 2, 3]


async def test_two_models_cannot_be_recorded_into_one_file(file: Path) -> None:
    async with open_fake_openai() as server:
        model = Recording(model_of(server), file)
        async with open_provider(model):
            with pytest.raises(RecordingUnusable, match="a file of its own"):
                async with open_provider(model):
                    pass
        async with open_provider(model):  # the first has let go of it
            pass


async def test_a_file_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    async with open_fake_openai() as server:
        model = Recording(model_of(server), tmp_path / "none" / "run.jsonl")
        with pytest.raises(RecordingUnusable, match="cannot be written: No such file"):
            async with open_provider(model):
                pass


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device here")  # noqa: PTH110 - no pathlib in a decorator
async def test_a_device_is_no_file_to_record_to() -> None:
    async with open_fake_openai() as server:
        with pytest.raises(RecordingUnusable):
            async with open_provider(Recording(model_of(server), "/dev/full")):
                pass


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("scripted:echo", "no wire"),
        (Fallback("scripted:echo"), "a file of its own"),
        (3, "3 is not one model"),
    ],
)
def test_what_cannot_be_recorded_is_refused(model: Any, said: str, file: Path) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Recording(model, file)


def test_what_is_recorded_is_not_recorded_again(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="already"):
        Recording(Recording("openai-compatible:m", file), file)


def test_each_end_is_an_interruption_that_says_so(file: Path) -> None:
    record(file, answer("one two three"), use=told)
    kept = file.read_bytes().split(b"\n")
    file.write_bytes(b"\n".join(kept[:4]) + b"\n" + kept[4][:10])  # a crash in mid-line

    failure = replay(file, use=told).failure

    assert isinstance(failure, StreamInterrupted)
    assert str(failure) == "the recording is cut: the file ends here"
