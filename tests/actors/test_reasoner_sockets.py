"""Reasoners on a real server: whose socket closes when a branch is cut, and when all is left."""

from __future__ import annotations

import enum
import traceback
from typing import TYPE_CHECKING, ClassVar, Final

import attrs
import pytest
import trio
from reasoners import collect, look_up

from actors.agents import ReasonerOptions, ReasoningLimits, open_reasoner
from actors.chat import Outcome, Thought
from actors.errors import AnswerFailed, ProviderUnavailable
from actors.providers import Model, Retry, say
from actors.reasoning import (
    CallStatus,
    Command,
    Machine,
    ReAct,
    SelfConsistency,
    Task,
    Transitions,
    TreeOfThoughts,
)
from actors.testing import FakeOpenAI, answer, error, open_fake_openai
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from actors.testing import Received

KEY: Final = "sk-proj/ABC+def=0123456789"
QUICK = answer("Step 1: a\nAnswer: 4")
ENDLESS = answer(say("Step 1: " + "word " * 2_000, pieces=2_000), slow=0.002)


def model_of(server: FakeOpenAI) -> Model:
    retry = Retry(attempts=1)
    return Model("openai-compatible:test", base_url=server.base_url, api_key=KEY, retry=retry)


async def until_closed(received: Received) -> None:
    with trio.fail_after(5):
        await received.closed.wait()
    assert not received.finished


async def test_samples_that_can_change_nothing_have_their_sockets_closed() -> None:
    with assert_no_leaks():
        async with (
            open_fake_openai(QUICK, QUICK, ENDLESS) as server,
            open_reasoner(model_of(server), strategy=SelfConsistency(3)) as reasoner,
        ):
            trace = await reasoner.run("2 + 2?")
            assert trace.answer == "4"
            assert sorted(call.status for call in trace.calls) == ["cancelled", "done", "done"]
            (cut,) = [each for each in server.requests if not each.finished]
            await until_closed(cut)


@attrs.frozen
class Rival:
    """Asks twice; a call that says "no" is cut, and the other answers."""

    name: str = "rival"
    good_for: str = "tests"

    def machine(self, task: Task) -> RivalMachine:
        return RivalMachine(task)


class RivalPhase(enum.StrEnum):
    NEW = "new"
    ASKED = "asked"
    ENDED = "ended"


class RivalMachine(Machine):
    TRANSITIONS: ClassVar[Transitions] = {
        (RivalPhase.NEW, "begin"): {RivalPhase.ASKED},
        (RivalPhase.ASKED, "said"): {RivalPhase.ASKED},
        (RivalPhase.ASKED, "answered"): {RivalPhase.ENDED},
    }

    def __init__(self, task: Task) -> None:
        super().__init__(task, "rival", RivalPhase.NEW)

    def begun(self, now: float) -> list[Command]:
        self.move("begin", RivalPhase.ASKED)
        turns = self.task.turns("Answer.")
        return [*self.ask("rival", turns, now), *self.ask("rival", turns, now)]

    def heard(self, call: str, text: str, thinking: str, now: float) -> list[Command]:
        del thinking
        return self.cut((call,), now) if "no" in text else []

    def concluded(self, call: str, text: str, now: float) -> list[Command]:
        del call
        return self.show_and_finish("answered", RivalPhase.ENDED, text, now)


async def test_a_branch_that_is_cut_closes_its_socket_and_only_its() -> None:
    """With a strategy of one's own, which goes on after the cut."""
    no = answer(say("no " * 2_000, pieces=2_000), slow=0.002)
    slow = answer(say("yes " * 50, pieces=50), slow=0.005)
    with assert_no_leaks():
        async with (
            open_fake_openai(no, slow) as server,
            open_reasoner(model_of(server), strategy=Rival()) as reasoner,
            reasoner.stream("Which?") as run,
        ):
            await collect(run)
            refused, answered = server.requests
            await until_closed(refused)
            assert answered.finished
            assert not answered.closed.is_set()

    assert run.response.text == "yes " * 50
    assert sorted(call.status for call in run.trace.calls) == ["cancelled", "done"]


async def test_a_model_that_goes_on_behind_its_action_is_cut_off() -> None:
    invents = answer(
        say("Action: look_up[cat]\nObservation: " + "no " * 2_000, pieces=2_000), slow=0.002
    )
    async with (
        open_fake_openai(invents, answer("Final Answer: an animal")) as server,
        open_reasoner(model_of(server), strategy=ReAct(), tools=[look_up]) as reasoner,
    ):
        trace = await reasoner.run("What is a cat?")
        await until_closed(server.requests[0])

    assert trace.answer == "an animal"
    assert [call.status for call in trace.calls] == [CallStatus.CANCELLED, CallStatus.DONE]


async def test_leaving_a_tree_closes_the_sockets_of_all_branches() -> None:
    with assert_no_leaks():
        async with (
            open_fake_openai(ENDLESS) as server,
            open_reasoner(model_of(server), strategy=TreeOfThoughts(breadth=5)) as reasoner,
        ):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reasoner.run, "What?")
                with trio.fail_after(10):
                    while len(server.requests) < 5:  # noqa: ASYNC110 - there is no event
                        await trio.sleep(0.01)
                nursery.cancel_scope.cancel()
            for received in server.requests:
                await until_closed(received)


async def test_one_problem_that_is_left_does_not_disturb_another() -> None:
    slow = answer(say("Step 1: a\nAnswer: 4", pieces=20), slow=0.01)
    async with (
        open_fake_openai(ENDLESS, slow) as server,
        open_reasoner(model_of(server)) as reasoner,
        reasoner.stream("First?") as first,
    ):
        async for event in first:
            if isinstance(event, Thought):
                break
        async with reasoner.stream("Second?") as second:
            await anext(second)
            await first.__aexit__(None, None, None)
            await until_closed(server.requests[0])
            await collect(second)
        assert second.trace.answer == "4"
        assert server.requests[1].finished
    assert (first.outcome, second.outcome) == (Outcome.CANCELLED, Outcome.DONE)


async def test_a_branch_that_fails_closes_the_sockets_of_the_others() -> None:
    with assert_no_leaks():
        async with (
            open_fake_openai(ENDLESS, ENDLESS, error(503, "busy")) as server,
            open_reasoner(model_of(server), strategy=SelfConsistency(3)) as reasoner,
        ):
            async with reasoner.stream("What?") as run:
                with pytest.raises(ProviderUnavailable, match="busy"):
                    await collect(run)
            for received in server.requests:
                if not received.finished:
                    await until_closed(received)

    assert run.outcome is Outcome.FAILED
    assert [call.status for call in run.trace.calls].count(CallStatus.FAILED) == 1


async def test_no_more_sockets_are_open_than_calls_may_run_at_once() -> None:
    options = ReasonerOptions(ReasoningLimits(at_once=2))
    async with (
        open_fake_openai(QUICK) as server,
        open_reasoner(model_of(server), strategy=SelfConsistency(8), options=options) as reasoner,
    ):
        assert (await reasoner.run("2 + 2?")).answer == "4"
        assert server.connections <= 2


async def test_a_key_is_in_no_error_no_trace_and_no_tree() -> None:
    async with (
        open_fake_openai(error(401, f"the key {KEY} is wrong")) as server,
        open_reasoner(model_of(server)) as reasoner,
        reasoner.stream("What?") as run,
    ):
        with pytest.raises(AnswerFailed) as caught:
            await collect(run)
        said = [
            *traceback.format_exception(caught.value),
            repr((caught.value, run, run.trace, reasoner, reasoner.ref)),
            repr(reasoner.system.tree()),
            run.trace.outline(),
        ]
    assert "401" in said[-4] + said[-3]
    assert [text for text in said if KEY[:8] in text or KEY[-8:] in text] == []
