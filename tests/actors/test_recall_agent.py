"""Agents with memories: what their models get, what their readers hear, what is paid for once."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from agents_parts import agent_of, until_it_is_back
from agents_scripted import (
    Choosing,
    assert_one_truth,
    assert_sendable,
    collect,
    entries_of,
    requests_of,
    scripted,
)
from strict_history import refusals

from actors import AgentOptions, open_agent
from actors.agents import AgentSetup
from actors.chat import (
    Event,
    FinishReason,
    Outcome,
    Recalled,
    Request,
    SystemTurn,
    ToolTurn,
    Usage,
    UserTurn,
)
from actors.errors import ConfigurationError, ProviderUnavailable
from actors.journal import SummedUp, from_json_lines
from actors.providers import (
    Capabilities,
    Embed,
    EmbedderApi,
    Embeddings,
    Model,
    Requests,
    call,
    crash,
    fail,
    finish,
    pause,
    say,
    script,
    start_provider,
    truncate,
    usage,
)
from actors.recall import (
    Choice,
    Consult,
    Note,
    Recall,
    Selective,
    Situation,
    Summary,
    SumUp,
    Window,
)
from actors.tools import Toolbox, tool
from runtime import Actor, ActorCrashed, Ask, Ref, RuntimeFault, open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from pathlib import Path

    from trio.testing import MockClock

    from actors.agents import AgentHandle
    from actors.providers import Script, ScriptedApi
    from actors.recall import Command


def users(request: Request) -> list[str]:
    """What a request has the user say."""
    return [turn.text for turn in request.turns if isinstance(turn, UserTurn)]


def told(events: Iterable[Event]) -> list[Recalled]:
    return [event for event in events if isinstance(event, Recalled)]


async def hold(agent: AgentHandle, *texts: str) -> None:
    for text in texts:
        await agent.run(text)


async def events_of(agent: AgentHandle, text: str) -> list[Event]:
    async with agent.stream(text) as run:
        return await collect(run)


FINE = script("Fine.", repeat=True)


async def test_only_the_window_is_sent_the_reader_is_told_and_the_journal_keeps_all() -> None:
    async with scripted(FINE, options=AgentOptions(memory=Window(turns=2))) as agent:
        await hold(agent, "one", "two")
        async with agent.stream("three") as run:
            events = await collect(run)
        sent = [users(request) for request in await requests_of(agent)]
        history = await agent.history()
        entries = await entries_of(agent)

    assert sent == [["one"], ["one", "two"], ["two", "three"]]
    assert len(history) == 6
    assert events[0] is run.recalled
    assert run.recalled is not None
    assert run.recalled.left_out == (entries[0].run,)
    assert run.recalled.content.startswith("2 of 3 turns are sent, some ")
    assert len(told(events)) == 1


async def test_nothing_is_told_where_nothing_is_left_out() -> None:
    async with scripted(FINE, options=AgentOptions(memory=Window(turns=9))) as agent:
        assert told(await events_of(agent, "one")) == []


async def test_the_instructions_and_what_the_user_says_are_always_sent() -> None:
    options = AgentOptions(memory=Window(tokens=1))
    model = Model("scripted:test", script=(FINE,))
    async with open_agent(model, instructions="Be kind.", options=options) as agent:
        await hold(agent, "one", "two " * 500)
        request = (await requests_of(agent))[-1]

    assert request.turns == (SystemTurn("Be kind."), UserTurn("two " * 500))


@pytest.mark.parametrize("taken", range(1, 6))
async def test_a_run_that_is_left_keeps_just_what_was_taken(taken: int) -> None:
    scripts = (script("Fine."), script(say("a b c d e", pieces=9), repeat=True))
    async with scripted(*scripts, options=AgentOptions(memory=Window(turns=1))) as agent:
        await hold(agent, "one")
        async with agent.stream("two") as run:
            for _ in range(taken):
                await anext(run)
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        assert len(run.response.chunks) == max(0, taken - 1)


@tool(isolation="inline")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def test_rounds_of_tools_are_never_torn_apart_and_the_first_go() -> None:
    rounds = [script(call("add", a=number, b=1)) for number in range(6)]
    options = AgentOptions(memory=Window(tokens=70))
    async with scripted(*rounds, script("Done."), tools=(add,), options=options) as agent:
        async with agent.stream("Add a lot") as run:
            events = await collect(run)
        requests = await requests_of(agent)

    assert all(refusals(request.turns) == [] for request in requests)
    assert [users(request) for request in requests] == [["Add a lot"]] * 7
    sizes = [sum(isinstance(turn, ToolTurn) for turn in each.turns) for each in requests]
    assert sizes[:3] == [0, 1, 2]
    assert max(sizes) < 6
    assert run.recalled is not None
    assert "rounds of tools are left out" in run.recalled.content
    assert run.response.text == "Done."
    assert len(told(events)) == sum(size < number for number, size in enumerate(sizes))


# What the model takes


def small(*scripts: Script, context: int = 400) -> Model:
    return Model(
        "scripted:small", script=scripts, capabilities=Capabilities(context_tokens=context)
    )


async def test_a_conversation_that_outgrows_its_model_goes_on_without_its_beginning() -> None:
    async with open_agent(small(script("word " * 20, repeat=True))) as agent:
        events = [await events_of(agent, f"{number} " + "word " * 20) for number in range(20)]
        requests = await requests_of(agent)
        history = await agent.history()

    sizes = [len(request.turns) for request in requests]
    assert max(sizes) < 15
    assert len(history) == 40
    assert all(users(each)[-1].startswith(f"{number} ") for number, each in enumerate(requests))
    last = told(events[-1])[0]
    assert "the conversation is longer than the model's context" in last.content
    assert last.tokens < 400
    assert told(events[0]) == []


async def test_the_cut_stays_for_a_while_so_that_caches_are_of_use() -> None:
    async with open_agent(small(script("word " * 20, repeat=True))) as agent:
        for number in range(20):
            await agent.run(f"{number} " + "word " * 20)
        first = [users(request)[0] for request in await requests_of(agent)]

    assert len(set(first)) < 12


async def test_what_the_provider_counts_corrects_the_estimate() -> None:
    """A provider that counts several times as many tokens as estimated."""
    counting = script("Fine.", usage(800, 1), repeat=True)
    async with open_agent(small(counting, context=1_000)) as agent:
        for number in range(12):
            await agent.run(f"{number} " + "word " * 60)
        strict = [len(request.turns) for request in await requests_of(agent)]
    async with open_agent(small(FINE, context=1_000)) as agent:
        for number in range(12):
            await agent.run(f"{number} " + "word " * 60)
        easy = [len(request.turns) for request in await requests_of(agent)]

    assert max(strict) < max(easy)


async def test_another_model_that_takes_more_gets_more() -> None:
    async with open_agent(small(FINE)) as agent:
        await hold(agent, *(["word " * 50] * 9))
        await agent.use(small(FINE, context=100_000))
        assert told(await events_of(agent, "Now")) == []


# Pins and exports


async def test_a_pinned_run_is_sent_whatever_the_window_and_over_restarts(tmp_path: Path) -> None:
    options = AgentOptions(memory=Window(turns=1), journal=tmp_path / "chats.db")
    async with scripted(FINE, options=options) as agent:
        async with agent.stream("My name is Ada.") as run:
            await collect(run)
        await agent.pin(run.id)
        await hold(agent, "two")
    async with scripted(FINE, options=options) as agent:
        await hold(agent, "three")
        await agent.pin(run.id, pinned=False)
        await hold(agent, "four")
        sent = [users(request) for request in await requests_of(agent)]

    assert sent == [["My name is Ada.", "three"], ["four"]]


async def test_what_is_summed_up_is_sent_as_it_was_if_it_is_pinned(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with summing(script("They counted.")) as (agent, _):
        async with agent.stream("one") as run:
            await collect(run)
        await agent.pin(run.id)
        await hold(agent, "two", "three", "four")
        await trio.sleep(1)
        await hold(agent, "five")
        sent = users((await requests_of(agent))[-1])

    assert sent == [f"{SUMMARY}\n\none", "three", "four", "five"]


async def test_a_run_that_is_not_there_cannot_be_pinned() -> None:
    async with scripted(FINE) as agent:
        with pytest.raises(ConfigurationError, match=r"has no run 'x': pin one by its"):
            await agent.pin("x")


async def test_a_conversation_is_exported_whole_whatever_is_sent_of_it() -> None:
    async with scripted(FINE, options=AgentOptions(memory=Window(turns=1))) as agent:
        await hold(agent, "one", "two")
        markdown = await agent.to_markdown()
        lines = await agent.to_json_lines()
        entries = await agent.entries()

    assert markdown.startswith("## User\n\none\n\n## Assistant\n\nFine.\n\n## User\n\ntwo")
    assert from_json_lines(lines) == entries
    assert len(entries) == 8


# Summaries

SUMMARY = "(What was said before, summed up: They counted.)"
SHORT = Summary(turns=2, every=2)


@asynccontextmanager
async def summing(
    *scripts: Script, seconds: float = 55.0, **options: Any
) -> AsyncGenerator[tuple[AgentHandle, Ref[ScriptedApi]]]:
    """An agent, and the model that sums up for it."""
    async with open_system() as system:
        cheap: Any = await start_provider(system, Model("scripted:cheap", script=scripts))
        memory = attrs.evolve(SHORT, provider=cheap, seconds=seconds)
        settings = AgentOptions(memory=memory, **options)
        async with scripted(FINE, options=settings, system=system) as agent:
            yield agent, cheap


async def summaries_of(agent: AgentHandle) -> list[str]:
    return [entry.text for entry in await agent.entries() if isinstance(entry, SummedUp)]


async def test_older_turns_are_summed_up_by_the_agents_own_model_and_sent_so(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    scripts = (*[script("Fine.")] * 4, script("They counted.", usage(50, 3)), FINE)
    async with scripted(*scripts, options=AgentOptions(memory=SHORT)) as agent:
        await hold(agent, "one", "two", "three", "four")
        await trio.sleep(1)
        (event,) = told(await events_of(agent, "five"))
        (summary,) = [each for each in await agent.entries() if isinstance(each, SummedUp)]
        *_, asked, sent = await requests_of(agent)

    assert (summary.text, summary.usage) == ("They counted.", Usage(50, 3))
    assert "User: one\nAssistant: Fine.\nUser: two" in users(asked)[0]
    assert asked.tools == ()
    assert len(event.told_of) == 2
    assert event.told_of == event.left_out
    assert event.notes == (SUMMARY,)
    assert event.content.endswith("; 2 are summed up")
    assert users(sent) == [f"{SUMMARY}\n\nthree", "four", "five"]


async def until_summed_up(agent: AgentHandle) -> None:
    with trio.fail_after(5):
        while not await summaries_of(agent):  # noqa: ASYNC110 - a file has no event
            await trio.sleep(0.01)


async def test_a_summary_is_paid_once_and_survives_the_program(tmp_path: Path) -> None:
    asked = 0
    for texts in (["one", "two", "three", "four"], ["five"]):
        async with summing(script("They counted."), journal=tmp_path / "chats.db") as parts:
            agent, cheap = parts
            await hold(agent, *texts[:-1])
            events = await events_of(agent, texts[-1])
            await until_summed_up(agent)
            asked += len(await cheap.ask(Requests()))
            assert await summaries_of(agent) == ["They counted."]

    assert asked == 1
    assert told(events)[0].notes == (SUMMARY,)


async def test_no_answer_waits_for_a_summary(autojump_clock: MockClock) -> None:
    async with summing(script(pause(50), "They counted.", repeat=True)) as (agent, cheap):
        began = autojump_clock.current_time()
        await hold(agent, "one", "two", "three", "four", "five")
        events = await events_of(agent, "six")
        assert autojump_clock.current_time() - began < 1
        assert told(events) == []  # all is sent meanwhile
        assert len(await cheap.ask(Requests())) == 1

        await trio.sleep(60)
        await hold(agent, "seven")
        assert users((await requests_of(agent))[-1])[0] == f"{SUMMARY}\n\nthree"


async def test_a_conversation_that_runs_ahead_of_its_summary_is_sent_as_a_window(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    async with summing(script(pause(50), "They counted.", repeat=True)) as (agent, _):
        await hold(agent, "1", "2", "3", "4", "5", "6", "7")
        (event,) = told(await events_of(agent, "8"))

    assert len(event.left_out) == 2
    assert event.told_of == ()
    assert event.reasons == ("2 turns are not summed up yet",)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (script(fail(ProviderUnavailable("out of order"))), "out of order"),
        (script("  "), "the model wrote no summary"),
        (script("No.", finish(FinishReason.REFUSAL)), "the model wrote no summary"),
        (script("They", truncate()), "SumUp failed"),
        (script(pause(40), "They counted."), "SumUp took longer than 30.0 s"),
    ],
)
async def test_a_summary_that_fails_is_said_once_and_tried_again(
    bad: Script,
    why: str,
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    good = script("They counted.", repeat=True)
    async with summing(bad, good, seconds=30.0) as (agent, _):
        await hold(agent, "one", "two", "three", "four")
        await trio.sleep(130)
        (event,) = told(await events_of(agent, "five"))
        assert why in event.reasons[0]
        assert event.left_out == ()
        await trio.sleep(1)
        assert await summaries_of(agent) == ["They counted."]
        (event,) = told(await events_of(agent, "six"))
        assert event.reasons == ()


async def test_a_summary_that_is_cut_short_by_the_end_leaves_nothing_and_is_made_later(
    tmp_path: Path,
) -> None:
    path = tmp_path / "chats.db"
    with assert_no_leaks():
        async with summing(script(pause(50), "Never."), journal=path) as (agent, cheap):
            await hold(agent, "one", "two", "three", "four")
            with trio.fail_after(5):
                while not await cheap.ask(Requests()):  # noqa: ASYNC110 - likewise
                    await trio.sleep(0.01)
        async with summing(script("They counted."), journal=path) as (agent, _):
            assert await summaries_of(agent) == []
            await hold(agent, "five")
            await until_summed_up(agent)


async def test_a_crash_of_the_agent_costs_no_summary(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    scripts = (*[script("Fine.")] * 4, script("They counted."), script(crash()), FINE)
    async with scripted(*scripts, options=AgentOptions(memory=SHORT)) as agent:
        await hold(agent, "one", "two", "three", "four")
        await trio.sleep(1)
        with pytest.raises(RuntimeFault):
            await agent.run("five")
        await until_it_is_back(agent)
        (event,) = told(await events_of(agent, "six"))

    assert event.notes == (SUMMARY,)


# Selection


class ByLetters(Actor, EmbedderApi):
    """Vectors that say whether a text speaks of cats, of dogs, or of neither."""

    def __init__(self, asked: list[tuple[str, ...]], seconds: float = 0.0) -> None:
        self._asked = asked
        self._seconds = seconds

    @Embed.handles
    async def embed(self, message: Embed) -> Embeddings:
        self._asked.append(message.texts)
        await trio.sleep(self._seconds)
        return Embeddings(tuple(map(self._vector, message.texts)), "letters")

    def _vector(self, text: str) -> tuple[float, ...]:
        if "broken" in text:
            raise ProviderUnavailable("out of order")
        return (float("cat" in text), float("hound" in text or "dog" in text), 0.1)


@asynccontextmanager
async def selecting(
    asked: list[tuple[str, ...]], *, seconds: float = 0.0
) -> AsyncGenerator[AgentHandle]:
    async with open_system() as system:
        embedder: Ref[EmbedderApi] = await system.spawn(ByLetters, asked, seconds)
        memory = Selective(turns=1, related=1, embedder=embedder, least=0.5)
        async with scripted(FINE, options=AgentOptions(memory=memory), system=system) as agent:
            yield agent


async def test_turns_are_picked_by_their_words() -> None:
    memory = Selective(turns=2, related=1)
    async with scripted(FINE, options=AgentOptions(memory=memory)) as agent:
        await hold(agent, "My dog is Bello", "It rains", "Two and two?")
        (event,) = told(await events_of(agent, "Who is my dog?"))
        sent = users((await requests_of(agent))[-1])

    assert sent == ["My dog is Bello", "Two and two?", "Who is my dog?"]
    assert len(event.scores) == 1


async def test_turns_are_picked_by_their_meaning_and_each_is_asked_for_once(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    asked: list[tuple[str, ...]] = []
    async with selecting(asked) as agent:
        for text in ("A cat sat", "A dog ran", "It rains"):
            await agent.run(text)
            await trio.sleep(1)
        before = len(asked)
        (event,) = told(await events_of(agent, "Where is the hound?"))
        sent = users((await requests_of(agent))[-1])
        texts = [text for few in asked for text in few]

    assert sent == ["A dog ran", "Where is the hound?"]
    assert list(event.scores.values()) == [pytest.approx(1.0, abs=0.01)]
    assert len(texts) == len(set(texts))
    assert asked[before] == ("Where is the hound?",)  # what is older was ready


@pytest.mark.parametrize(
    ("text", "seconds", "why"),
    [("broken dog", 0.0, "Vectorise failed"), ("dog", 3.0, "Vectorise took longer than 2.0 s")],
)
async def test_without_its_embedder_it_goes_by_words_and_says_so(
    text: str, seconds: float, why: str, autojump_clock: MockClock
) -> None:
    asked: list[tuple[str, ...]] = []
    async with selecting(asked, seconds=seconds) as agent:
        await hold(agent, "My dog is Bello", "It rains")
        began = autojump_clock.current_time()
        (event,) = told(await events_of(agent, text))
        sent = users((await requests_of(agent))[-1])

    assert autojump_clock.current_time() - began < 2.5
    assert sent == ["My dog is Bello", text]
    assert "turns were picked by their words, without the embedder" in event.reasons
    assert any(why in reason for reason in event.reasons)


async def test_an_embedder_that_fails_is_waited_for_once_a_run(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        embedder: Ref[EmbedderApi] = await system.spawn(lambda: ByLetters([], 60.0))
        memory = Selective(turns=1, embedder=embedder)
        scripts = (script("Fine."), *[script(call("add", a=1, b=1))] * 5, FINE)
        options = AgentOptions(memory=memory)
        async with scripted(*scripts, tools=(add,), options=options, system=system) as agent:
            await hold(agent, "one")
            began = autojump_clock.current_time()
            await hold(agent, "two")
            assert autojump_clock.current_time() - began < 2.5


# Memories of one's own


class Notebook:
    """The interface of a store, as one of a later day may have it."""


@attrs.frozen
class LookUp(Ask[Notebook, tuple[str, ...]]):
    question: str


@attrs.frozen
class WriteDown(Ask[Notebook, None]):
    text: str


class PaperNotebook(Actor, Notebook):
    def __init__(self, pages: list[str]) -> None:
        self._pages = pages

    @LookUp.handles
    async def look_up(self, message: LookUp) -> tuple[str, ...]:
        if message.question == "Crash":
            raise ProviderUnavailable("no paper")
        return tuple(
            page for page in self._pages if set(page.split()) & {*message.question.split()}
        )

    @WriteDown.handles
    async def write_down(self, message: WriteDown) -> None:
        self._pages.append(message.text)


@attrs.frozen
class FromNotebook(Recall):
    """Recalls before an answer, and remembers after it."""

    notebook: Ref[Notebook]

    def before(self, situation: Situation) -> Iterable[Command]:
        return [Consult(self.notebook, LookUp(situation.message))]

    def choose(self, situation: Situation) -> Choice:
        found = situation.answers.get(LookUp(situation.message), ())
        notes = tuple(Note(f"(From the notebook: {page})", first=False) for page in found)
        return Choice(notes=notes)

    def after(self, situation: Situation) -> Iterable[Command]:
        return [Consult(self.notebook, WriteDown(situation.exchanges[-1].user))]


async def test_a_store_recalls_before_an_answer_and_remembers_after_it_beside_a_window(
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    pages = ["Bello is a dog"]
    async with open_system() as system:
        notebook: Ref[Notebook] = await system.spawn(PaperNotebook, pages)
        options = AgentOptions(memory=[Window(turns=1), FromNotebook(notebook)])
        async with scripted(FINE, options=options, system=system) as agent:
            await hold(agent, "Hello")
            (event,) = told(await events_of(agent, "Who is Bello"))
            sent = users((await requests_of(agent))[-1])
            (failed,) = told(await events_of(agent, "Crash"))
            await trio.sleep(1)

    assert sent == ["(From the notebook: Bello is a dog)\n\nWho is Bello"]
    assert event.notes == ("(From the notebook: Bello is a dog)",)
    assert len(event.left_out) == 1
    assert "Consult failed: no paper" in failed.reasons
    assert pages == ["Bello is a dog", "Hello", "Who is Bello", "Crash"]


class Odd(Recall):
    """One that leaves out what must not be."""

    def choose(self, situation: Situation) -> Choice:
        return Choice(frozenset(each.run for each in situation.exchanges), rounds_left_out=9)


async def test_no_memory_can_leave_out_what_the_user_says_now() -> None:
    rounds = (script(call("add", a=1, b=1)), FINE)
    async with scripted(*rounds, tools=(add,), options=AgentOptions(memory=Odd())) as agent:
        async with agent.stream("one") as run:
            (event,) = told(await collect(run)) or (None,)
        requests = await requests_of(agent)

    assert event is None
    assert [users(request) for request in requests] == [["one"], ["one"]]
    assert all(refusals(request.turns) == [] for request in requests)


class Wrong(Recall):
    """One that cannot decide."""


class Waiting(Recall):
    def before(self, situation: Situation) -> Iterable[Command]:
        return [SumUp(situation.exchanges[0].run, Request(()))]


@pytest.mark.parametrize(
    ("memory", "error", "text"),
    [
        (Wrong(), NotImplementedError, r"Wrong has no `choose\(situation\)`"),
        (Waiting(), TypeError, "SumUp is a command for `after`"),
    ],
)
async def test_a_fault_of_a_memory_is_no_secret(
    memory: Recall, error: type[Exception], text: str
) -> None:
    async with scripted(FINE, options=AgentOptions(memory=memory)) as agent:
        with pytest.raises(ActorCrashed) as caught:
            await agent.run("one")
    cause = caught.value.__cause__
    assert isinstance(cause, error)
    assert re.search(text, str(cause))


# Cancels


async def test_wherever_a_run_with_memories_is_cancelled_the_conversation_goes_on() -> None:
    requests: list[Request] = []

    def choose(request: Request) -> Script:
        last = request.turns[-1]
        return script("Fine.") if isinstance(last, ToolTurn) else script(call("add", a=1, b=1))

    async with open_system() as system:
        embedder: Ref[EmbedderApi] = await system.spawn(lambda: ByLetters([]))
        memory: Any = [Window(turns=4), Selective(turns=2, embedder=embedder), SHORT]
        setup = AgentSetup(None, Toolbox((add,)), AgentOptions(memory=memory))
        async with agent_of(provider=lambda: Choosing(choose, requests), setup=setup) as agent:
            await hold(agent, "one", "two")

            async def scenario() -> None:
                await agent.run("three")

            async def check() -> None:
                assert agent.ref.statistics().handling == ()
                assert_sendable(await agent.history())

            await cancel_everywhere(scenario, check=check)
            await hold(agent, "four")

    assert len(requests) > 20
    assert all(refusals(request.turns[is_summing_up(request) :]) == [] for request in requests)


def is_summing_up(request: Request) -> bool:
    return isinstance(request.turns[0], SystemTurn)
