"""Fallback and round robin: who is asked when, what falls through, and what reaches the reader."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import trio
from several_models import HELLO, complete, failing, first_word, model, nodes, requests_of, speaker

from actors import open_agent
from actors.chat import StreamChunk
from actors.errors import (
    ConfigurationError,
    MissingKey,
    NoModelAnswered,
    ProviderError,
    ProviderProtocolError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
    StreamStalled,
    StreamTruncated,
    UnknownModel,
)
from actors.http import Limits
from actors.providers import (
    Candidate,
    Fallback,
    FallbackProvider,
    Generate,
    Hedge,
    Model,
    ProviderApi,
    ProviderHandle,
    Race,
    RoundRobin,
    Several,
    crash,
    fail,
    open_provider,
    pause,
    say,
    script,
    stall,
    start_provider,
    truncate,
)
from runtime import Actor, Sink, open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from trio.testing import MockClock

GOOD = speaker("good")


async def test_the_first_model_answers_and_the_others_are_not_asked() -> None:
    async with (
        open_system() as system,
        open_provider(Fallback(GOOD, speaker("spare")), system=system) as provider,
    ):
        response = await provider.complete(HELLO)
        assert await requests_of(system, "spare") == ()

    assert response.text == "good one two"
    assert response.metadata["answered_by"] == "scripted:good"
    assert [chunk.index for chunk in response.chunks] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "error",
    [
        ProviderUnavailable("busy", status=503),
        ProviderRateLimited("slower", status=429, retry_after=3),
        ProviderUnauthorized("who?", status=401),
        ProviderProtocolError("no JSON"),
        ProviderRejected("no credit", status=402),
        ProviderRejected("no such model", status=404),
    ],
    ids=lambda error: f"{type(error).__name__}-{error.status}",
)
async def test_what_concerns_one_model_falls_through_to_the_next(error: ProviderError) -> None:
    response, _ = await complete(Fallback(failing("bad", error), GOOD))

    assert response.text == "good one two"


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_request_that_is_wrong_is_not_sent_to_the_next(status: int) -> None:
    wrong = ProviderRejected("no messages", status=status)
    async with (
        open_system() as system,
        open_provider(Fallback(failing("bad", wrong), GOOD), system=system) as provider,
    ):
        with pytest.raises(ProviderRejected, match="no messages"):
            await provider.complete(HELLO)
        assert await requests_of(system, "good") == ()


async def test_a_request_that_cannot_be_written_is_not_sent_to_the_next() -> None:
    spent = Model("scripted:spent", script=script())  # a script's end is a ConfigurationError
    async with (
        open_system() as system,
        open_provider(Fallback(spent, GOOD), system=system) as provider,
    ):
        await provider.complete(HELLO)
        with pytest.raises(ConfigurationError, match="the script has 1 answers"):
            await provider.complete(HELLO)
        assert await requests_of(system, "good") == ()


async def test_silence_and_a_cut_before_the_first_word_fall_through(
    autojump_clock: MockClock,
) -> None:
    mute = Model("scripted:mute", script=script(stall()), limits=Limits(first_byte=2.0))

    response, seconds = await complete(Fallback(mute, model("cut", truncate()), GOOD))

    assert (response.text, seconds) == ("good one two", 2.0)


async def test_after_the_first_word_an_error_is_the_answers_own() -> None:
    async with (
        open_system() as system,
        open_provider(
            Fallback(model("half", say("Hel", pieces=2), truncate()), GOOD), system=system
        ) as provider,
    ):
        async with provider.stream(HELLO) as stream:
            with pytest.raises(StreamTruncated) as caught:
                [chunk async for chunk in stream]
        assert await requests_of(system, "good") == ()

    assert caught.value.partial.text == stream.response.text == "Hel"


async def test_when_all_fail_the_error_says_why_each_did_and_is_no_group() -> None:
    several = Fallback(
        failing("a", ProviderRateLimited("slower", retry_after=7.0)),
        failing("b", ProviderUnauthorized("wrong key")),
        failing("c", ProviderRateLimited("later", retry_after=3.0)),
    )
    with pytest.raises(NoModelAnswered) as caught:
        await complete(several)

    error = caught.value
    assert str(error) == (
        "none of 3 models answered: scripted:a: ProviderRateLimited: slower; "
        "scripted:b: ProviderUnauthorized: wrong key; scripted:c: ProviderRateLimited: later"
    )
    assert error.__cause__ is error.failures[-1]
    assert [type(each).__name__ for each in error.failures] == [
        "ProviderRateLimited",
        "ProviderUnauthorized",
        "ProviderRateLimited",
    ]
    assert (error.retryable, error.retry_after) == (True, 3.0)
    assert not error.partial.chunks


@pytest.mark.parametrize("kind", [Fallback, Race])
async def test_errors_leave_no_garbage(kind: type[Several]) -> None:
    async with open_provider(kind(model("a", truncate()), model("b", truncate()))) as provider:

        async def fail_once() -> list[weakref.ref[BaseException]]:
            try:
                await provider.complete(HELLO)
            except NoModelAnswered as error:
                return [weakref.ref(each) for each in (error, *error.failures)]
            raise AssertionError

        gc.collect()
        gc.disable()
        try:
            assert [ref() for ref in await fail_once()] == [None, None, None]
        finally:
            gc.enable()


async def test_it_is_not_worth_a_retry_if_no_failure_is() -> None:
    with pytest.raises(NoModelAnswered) as caught:
        await complete(Fallback(failing("a", ProviderUnauthorized("wrong key"))))

    assert (caught.value.retryable, caught.value.retry_after) == (False, None)


async def test_a_long_complaint_is_cut_short() -> None:
    with pytest.raises(NoModelAnswered) as caught:
        await complete(Fallback(failing("a", ProviderUnavailable("long " * 200)), failing("b")))

    assert len(str(caught.value)) < 400
    assert str(caught.value).endswith("b is busy")


async def test_a_model_that_crashes_is_passed_over_and_comes_back(
    autojump_clock: MockClock,
) -> None:
    """However often: it takes neither the others nor whoever is above down with it."""
    first = Model("scripted:first", script=[*[script(crash())] * 6, script("back", repeat=True)])
    async with (
        open_system() as system,
        open_provider(Fallback(first, GOOD), system=system) as provider,
    ):
        with trio.fail_after(20):
            while (await provider.complete(HELLO)).text == "good one two":  # noqa: ASYNC110 - there is no event
                await trio.sleep(0.1)
        assert [
            (each.kind, each.statistics.restarts)
            for each in nodes(system.tree())
            if each.statistics is not None
        ] == [("Scripted", 6), ("Scripted", 0), ("FallbackProvider", 0)]


async def test_a_crash_in_a_run_costs_neither_the_run_nor_the_agent(
    autojump_clock: MockClock,
) -> None:
    async with open_agent(Fallback(model("first", crash()), GOOD)) as agent:
        for _ in range(20):
            assert (await agent.run("Hi")).text == "good one two"
        assert agent.ref.statistics().restarts == 0


class Silent(Actor, ProviderApi):
    """A provider of somebody else's, which returns without a word."""

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        del message
        await out.send(StreamChunk(metadata={"id": "silent"}))


async def test_facts_without_a_word_are_held_back_and_forgotten_with_their_model() -> None:
    async with open_system() as system:
        silent = await system.spawn(Silent)
        good = await start_provider(system, GOOD)
        both = (Candidate("silent", silent), Candidate("good", good))
        provider = ProviderHandle(await system.spawn(FallbackProvider, both))
        response = await provider.complete(HELLO)
        alone = ProviderHandle(await system.spawn(FallbackProvider, both[:1]))
        with pytest.raises(NoModelAnswered, match="before it had said anything"):
            await alone.complete(HELLO)

    assert response.metadata == {"answered_by": "good"}


async def test_an_answer_without_a_word_is_an_answer() -> None:
    response, _ = await complete(Fallback(model("empty"), GOOD))

    assert (response.text, response.is_complete) == ("", True)
    assert response.metadata["answered_by"] == "scripted:empty"


async def test_round_robin_begins_with_the_next_model_each_time() -> None:
    models = [speaker(name) for name in "abc"]
    async with open_provider(RoundRobin(*models)) as provider:
        words = [await first_word(provider) for _ in range(7)]

    assert words == ["a", "b", "c", "a", "b", "c", "a"]


async def test_round_robin_goes_on_to_the_others_when_its_turn_fails() -> None:
    models = [speaker("a"), failing("b"), speaker("c")]
    async with open_provider(RoundRobin(*models)) as provider:
        words = [await first_word(provider) for _ in range(6)]

    assert words == ["a", "c", "c", "a", "c", "c"]


async def test_choices_nest_to_any_depth() -> None:
    bad = failing("bad")
    deep = Fallback(Race(bad, Fallback(bad, bad)), RoundRobin(bad, Hedge(bad, Race(GOOD), after=1)))
    response, _ = await complete(deep)

    assert response.text == "good one two"
    assert response.metadata["answered_by"] == "scripted:good"
    assert deep.name == (
        "Fallback(Race(scripted:bad, Fallback(scripted:bad, scripted:bad)), "
        "RoundRobin(scripted:bad, Hedge(scripted:bad, Race(scripted:good))))"
    )


async def test_all_that_is_chosen_from_is_in_the_tree_and_ends_with_the_block() -> None:
    async with open_system() as system:
        async with open_provider(Fallback("scripted:echo", Race(GOOD)), system=system) as provider:
            paths = [each.path.removeprefix("/provider-") for each in nodes(system.tree())[2:]]
            assert [path.partition("/")[2] for path in paths] == [
                "provider-models",
                "provider-models/1-scripted:echo",
                "provider-models/2-race-models",
                "provider-models/2-race-models/1-scripted:good",
                "provider-models/2-race",
                "provider",
            ]
            assert provider.ref.path.endswith("/provider")
        assert system.tree().children == ()


async def test_the_tree_tells_who_answered_how_often() -> None:
    several = Fallback(
        RoundRobin(failing("bad"), failing("worse")), Race(GOOD), Model("scripted:echo")
    )
    async with open_system() as system, open_provider(several, system=system) as provider:
        for _ in range(3):
            await provider.complete(HELLO)
        told = [(each.kind, each.details) for each in nodes(system.tree()) if each.details]

    assert told == [
        ("FallbackProvider", "3 by none"),
        ("RaceProvider", "3 answered by scripted:good"),
        (
            "FallbackProvider",
            "3 answered by Race(scripted:good)",
        ),
    ]


async def test_a_model_that_cannot_be_had_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with open_system() as system:
        for wrong, error in (
            (Fallback(GOOD, "openai:gpt-4o"), MissingKey),
            (Race(GOOD, Fallback("nonsense:x")), UnknownModel),
        ):
            with pytest.raises(error):
                await start_provider(system, wrong)
            with pytest.raises(error):
                async with open_agent(wrong, system=system):
                    pass
        assert system.tree().children == ()


async def test_a_model_that_does_not_start_takes_back_those_before_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("TROUPE_CACHE", str(tmp_path))
    async with open_system() as system:
        with pytest.raises(ConfigurationError, match="runtime pull"):
            await start_provider(system, Fallback(GOOD, "local:smollm2"))
        assert system.tree().children == ()


def test_what_is_no_model_is_told_what_is() -> None:
    wrong: Any = ["scripted:echo", "scripted:echo"]
    with pytest.raises(ConfigurationError, match="one argument for each model"):
        Fallback(wrong)
    with pytest.raises(ConfigurationError, match="name at least one model"):
        Race()


def test_a_record_says_what_it_is_and_never_a_key() -> None:
    several = RoundRobin(*(Model("openai:gpt-4o", api_key=key) for key in ("sk-1", "sk-2")))

    assert several.name == "RoundRobin(openai:gpt-4o, openai:gpt-4o)"
    assert "sk-" not in repr(several)
    assert Fallback("scripted:echo") == Fallback(Model("scripted:echo"))
    assert Fallback("scripted:echo") != Race("scripted:echo")


async def test_leaving_stops_whoever_answers(autojump_clock: MockClock) -> None:
    async with open_provider(Fallback(failing("bad"), speaker("slow", slow=100))) as provider:
        assert await first_word(provider) == "slow"
        assert trio.current_time() == 0


async def test_cancelled_anywhere_nothing_is_left() -> None:
    several = Fallback(failing("bad"), RoundRobin(failing("worse"), GOOD))

    async def scenario() -> None:
        async with assert_no_leaks(), open_system() as system:
            ref = await start_provider(system, several)
            assert (await ProviderHandle(ref).complete(HELLO)).text == "good one two"

    assert await cancel_everywhere(scenario) > 20


async def test_a_stalled_answer_that_had_begun_stalls(autojump_clock: MockClock) -> None:
    with pytest.raises(StreamStalled) as caught:
        await complete(Fallback(model("half", say("Hel"), stall()), GOOD))

    assert (caught.value.limit, caught.value.partial.text) == ("idle", "Hel")


async def test_a_fault_of_ours_crashes_nobody(autojump_clock: MockClock) -> None:
    """One error of a model after the other: the one who chooses goes on."""
    async with open_provider(Fallback(model("bad", pause(1), fail(ProviderError("no"))))) as it:
        for _ in range(3):
            with pytest.raises(NoModelAnswered):
                await it.complete(HELLO)
        assert it.ref.statistics().restarts == 0


@pytest.mark.parametrize("depth", [1, 4])
async def test_a_choice_costs_no_steps_per_chunk(depth: int) -> None:
    async def steps(chunks: int) -> int:
        class Counting(trio.abc.Instrument):
            count = 0

            def after_task_step(self, task: trio.lowlevel.Task) -> None:
                del task  # whose step it was does not matter
                self.count += 1

        several = Fallback(model("long", say("x" * chunks, pieces=chunks)))
        for _ in range(depth // 2):
            several = Fallback(failing("bad"), Race(several))
        counting = Counting()
        async with open_provider(several) as provider, provider.stream(HELLO) as stream:
            assert (await anext(stream)).content == "x"
            trio.lowlevel.add_instrument(counting)
            assert len([chunk async for chunk in stream]) == chunks
            trio.lowlevel.remove_instrument(counting)
        return counting.count

    grown = await steps(200) - await steps(100)
    assert grown <= 110  # one switch between the one who answers and the reader for each chunk
