"""Race and hedge: whose word counts, when the others start and stop, and what is left of them."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import pytest
import trio
from several_models import HELLO, complete, failing, first_word, model, nodes, requests_of, speaker

from actors import open_agent
from actors.budget import Budget, fail_after_calls
from actors.chat import Outcome, StreamChunk
from actors.errors import (
    BudgetSpent,
    ConfigurationError,
    NoModelAnswered,
    ProviderRejected,
    StreamTruncated,
)
from actors.providers import (
    Candidate,
    Fallback,
    Generate,
    Hedge,
    Model,
    ProviderApi,
    ProviderHandle,
    Race,
    RaceProvider,
    Several,
    Step,
    call,
    open_provider,
    pause,
    say,
    script,
    start_provider,
    think,
    truncate,
)
from runtime import Actor, Node, Sink, open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from trio.testing import MockClock


def busy(node: Node) -> list[str]:
    """The last names of all that handle a message now."""
    return [
        each.path.rpartition(":")[2].rpartition("/")[2]
        for each in nodes(node)
        if each.statistics is not None and each.statistics.handling
    ]


@pytest.mark.parametrize("order", [(1, 0.5, 2), (0.5, 1, 2), (2, 1, 0.5)])
async def test_the_first_word_wins_wherever_its_model_stands(
    order: tuple[float, ...], autojump_clock: MockClock
) -> None:
    response, seconds = await complete(Race(*(speaker(f"{at}", after=at) for at in order)))

    assert (response.text, seconds) == ("0.5 one two", 0.5)
    assert response.metadata["answered_by"] == "scripted:0.5"
    assert [chunk.index for chunk in response.chunks] == [0, 1, 2, 3]


@pytest.mark.parametrize("word", [say("a"), think("a"), call("look", at=1)])
async def test_text_thinking_and_calls_are_words(word: Step, autojump_clock: MockClock) -> None:
    fast = model("fast", pause(1), word, pause(9))

    response, _ = await complete(Race(fast, speaker("slow", after=5)))

    assert response.metadata["answered_by"] == "scripted:fast"
    assert response.text + response.thinking + "".join(c.name for c in response.tool_calls)


async def test_the_others_have_ended_when_the_first_word_is_read(
    autojump_clock: MockClock,
) -> None:
    racers = [speaker(name, after=after, slow=9) for name, after in (("a", 2), ("b", 1), ("c", 3))]
    async with open_system() as system, open_provider(Race(*racers), system=system) as provider:
        async with provider.stream(HELLO) as stream:
            await trio.testing.wait_all_tasks_blocked()
            assert busy(system.tree()) == ["a", "b", "c", "provider"]
            assert (await anext(stream)).content == "b"
            await trio.testing.wait_all_tasks_blocked()
            assert busy(system.tree()) == ["b", "provider"]
        assert busy(system.tree()) == []
        assert trio.current_time() == 1


async def test_a_failure_is_ignored_while_another_runs(autojump_clock: MockClock) -> None:
    wrong = failing("wrong", ProviderRejected("no", status=400), after=0.5)

    response, seconds = await complete(Race(failing("bad"), wrong, speaker("good", after=3)))

    assert (response.text, seconds) == ("good one two", 3)


async def test_when_all_fail_the_error_says_why_each_did(autojump_clock: MockClock) -> None:
    with pytest.raises(NoModelAnswered) as caught:
        await complete(Race(failing("late", after=2), failing("early", after=1)))

    assert str(caught.value) == (
        "none of 2 models answered: scripted:early: ProviderUnavailable: early is busy; "
        "scripted:late: ProviderUnavailable: late is busy"
    )
    assert caught.value.__cause__ is caught.value.failures[-1]


async def test_when_all_fail_and_one_says_that_the_request_is_wrong_that_is_the_error(
    autojump_clock: MockClock,
) -> None:
    wrong = failing("wrong", ProviderRejected("no messages", status=400), after=1)

    for several in (Race(wrong, failing("bad", after=2)), Race(failing("bad"), wrong)):
        with pytest.raises(ProviderRejected, match="no messages"):
            await complete(Fallback(several, speaker("not asked")))


async def test_after_its_first_word_the_winner_alone_answers_for_the_rest(
    autojump_clock: MockClock,
) -> None:
    half = model("half", say("Hel", pieces=2), truncate())
    async with open_provider(Race(half, speaker("other", after=1))) as provider:
        async with provider.stream(HELLO) as stream:
            with pytest.raises(StreamTruncated) as caught:
                [chunk async for chunk in stream]
        assert trio.current_time() == 0

    assert caught.value.partial.text == stream.response.text == "Hel"


@pytest.mark.parametrize("kind", [Race, Fallback])
async def test_what_came_before_an_error_says_whose_it_is(
    kind: type[Several], autojump_clock: MockClock
) -> None:
    half = model("half", say("Hel"), truncate())
    async with open_provider(kind(half)) as provider, provider.stream(HELLO) as stream:
        with pytest.raises(StreamTruncated) as caught:
            async for _ in stream:
                pass

    assert stream.response.metadata["answered_by"] == "scripted:half"
    assert caught.value.partial.metadata == stream.response.metadata


async def test_two_that_speak_in_the_same_moment_are_not_mixed(autojump_clock: MockClock) -> None:
    racers = [speaker(name, after=1) for name in "abcde"]

    for _ in range(20):
        response, _ = await complete(Race(*racers))
        assert response.text[1:] == " one two"


class Stubborn(Actor, ProviderApi):
    """Takes its time to end, and goes on to speak while it does."""

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        del message
        try:
            await trio.sleep(100)
        finally:
            with trio.CancelScope(shield=True):
                await out.send(StreamChunk("too late"))
                await trio.sleep(3)


async def test_a_loser_that_is_slow_to_end_delays_the_end_and_not_the_first_word(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        slow = await system.spawn(Stubborn)
        fast = await start_provider(system, speaker("fast", after=1))
        racers = (Candidate("slow", slow), Candidate("fast", fast))
        provider = ProviderHandle(await system.spawn(RaceProvider, racers))
        async with provider.stream(HELLO) as stream:
            assert (await anext(stream)).content == "fast"
            assert trio.current_time() == 1
            words = [chunk.content async for chunk in stream]
        assert (words, trio.current_time()) == ([" one", " two", ""], 4)
        assert slow.statistics().handling == ()


# Hedge


async def test_a_hedge_asks_the_second_only_if_the_first_is_slow(
    autojump_clock: MockClock,
) -> None:
    quick, slow = speaker("quick", after=0.7), speaker("slow", after=5)
    spare = speaker("spare", after=1)
    async with open_system() as system:
        async with open_provider(Hedge(quick, spare, after=0.8), system=system) as provider:
            assert (await provider.complete(HELLO)).text == "quick one two"
            await trio.sleep(10)
            assert await requests_of(system, "spare") == ()
        async with open_provider(Hedge(slow, spare, after=0.8), system=system) as provider:
            started = trio.current_time()
            assert await first_word(provider) == "spare"
            assert trio.current_time() - started == pytest.approx(1.8)


async def test_a_first_that_is_slow_may_still_win(autojump_clock: MockClock) -> None:
    response, seconds = await complete(
        Hedge(speaker("first", after=2), speaker("second", after=9), after=1)
    )

    assert (response.text, seconds) == ("first one two", 2)


async def test_each_further_model_starts_so_much_later(autojump_clock: MockClock) -> None:
    racers = [speaker("a", after=9), speaker("b", after=9), speaker("c", after=1), speaker("d")]

    response, seconds = await complete(Hedge(*racers, after=1.5))

    assert (response.text, seconds) == ("c one two", 4)


async def test_a_failure_starts_the_next_at_once(autojump_clock: MockClock) -> None:
    racers = [failing("a", after=1), failing("b", after=1), speaker("c", after=1)]

    response, seconds = await complete(Hedge(*racers, after=60))

    assert (response.text, seconds) == ("c one two", 3)


async def test_a_hedge_does_not_send_a_wrong_request_again(autojump_clock: MockClock) -> None:
    wrong = failing("wrong", ProviderRejected("no messages", status=422), after=1)
    async with (
        open_system() as system,
        open_provider(Hedge(wrong, speaker("spare"), after=60), system=system) as provider,
    ):
        with pytest.raises(ProviderRejected):
            await provider.complete(HELLO)
        assert await requests_of(system, "spare") == ()
        assert trio.current_time() == 1


async def test_when_all_of_a_hedge_fail_the_error_comes_at_once(autojump_clock: MockClock) -> None:
    with pytest.raises(NoModelAnswered, match="none of 2 models"):
        await complete(Hedge(failing("a"), failing("b", after=1), after=60))
    assert trio.current_time() == 1


@pytest.mark.parametrize("after", [0, -1, math.nan, math.inf, "1", True])
def test_a_delay_that_is_none_is_told_what_one_is(after: Any) -> None:
    with pytest.raises(ConfigurationError, match="seconds above 0"):
        Hedge("scripted:echo", after=after)


# In an agent, and cancelled


async def test_an_agent_knows_nothing_of_a_race(autojump_clock: MockClock) -> None:
    def tool(word: str) -> str:
        """Say it again."""
        return word

    def answers(name: str, after: float) -> Model:
        calling = script(pause(after), say("Let me see. "), call("tool", word=name))
        return Model(f"scripted:{name}", script=(calling, script(pause(2 - after), say(name))))

    async with open_agent(Race(answers("a", 0.5), answers("b", 1)), tools=[tool]) as agent:
        async with agent.stream("Go") as run:
            events = [event.type async for event in run]
        history = await agent.history()

    assert run.outcome is Outcome.DONE
    assert run.response.text == "Let me see. b"
    assert events == ["token", "tool_start", "tool_end", "token", "answer", "complete"]
    assert [type(turn).__name__ for turn in history] == [
        "UserTurn",
        "AssistantTurn",
        "ToolTurn",
        "AssistantTurn",
    ]


@pytest.mark.parametrize("winner", [0, 1])
async def test_cancelled_anywhere_nothing_is_left(winner: int) -> None:
    racers = [speaker("a"), speaker("b")]
    several = Race(racers[winner], Fallback(failing("bad"), racers[1 - winner]))

    async def scenario() -> None:
        async with assert_no_leaks(), open_system() as system:
            ref = await start_provider(system, several)
            assert (await ProviderHandle(ref).complete(HELLO)).text.endswith(" one two")
            await trio.testing.wait_all_tasks_blocked()
            assert busy(system.tree()) == []

    assert await cancel_everywhere(scenario) > 30


async def test_a_thousand_races_that_are_left_at_random_leave_nothing(
    autojump_clock: MockClock,
) -> None:
    dice = random.Random(7)  # noqa: S311 - dice
    racers = [
        speaker("a", after=1, slow=1),
        failing("b", after=1.5),
        Hedge(speaker("c", after=1, slow=0.5), failing("d"), speaker("e", after=0.25), after=0.5),
    ]
    async with open_system() as system, open_provider(Race(*racers), system=system) as provider:
        for _ in range(1000):
            with trio.move_on_after(dice.choice([0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 9])):
                await provider.complete(HELLO)
            assert busy(system.tree()) == []
        assert (await provider.complete(HELLO)).text == "e one two"
        assert all(
            each.statistics is None or not each.statistics.restarts for each in nodes(system.tree())
        )


# Under a budget


async def test_every_runner_of_a_race_counts_and_a_spent_budget_stops_them_all(
    autojump_clock: MockClock,
) -> None:
    racers = [speaker("a", slow=1), speaker("b", after=5), speaker("c", after=5)]
    async with open_system() as system, open_provider(Race(*racers), system=system) as provider:
        with Budget(calls=3) as enough:
            assert (await provider.complete(HELLO)).text == "a one two"
        assert (enough.used.calls, enough.spent) == (3, False)
        with Budget(calls=2) as few:
            await provider.complete(HELLO)
        assert (few.spent, few.cancelled_caught) == (True, True)
        assert busy(system.tree()) == []


async def test_a_spent_budget_is_no_failure_that_falls_through(autojump_clock: MockClock) -> None:
    several = Fallback(failing("bad", after=1), speaker("good"))
    async with open_provider(several) as provider:
        with pytest.raises(BudgetSpent), fail_after_calls(1):
            await provider.complete(HELLO)
        with fail_after_calls(2):
            assert (await provider.complete(HELLO)).text == "good one two"
