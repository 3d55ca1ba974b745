"""`runtime demo`: the whole path as a story that a person can follow.

A supervised agent streams from a real model on this machine, calls a tool, is interrupted,
loses its model and goes on; a program is killed, and the next one remembers; then what the runtime
cost. Nothing is staged: every figure is measured while it runs. `--offline` plays the same story on
a scripted model.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import signal
import statistics
import time
from typing import TYPE_CHECKING, Final

import attrs
import click
import trio
from rich.table import Table

from actors import AgentOptions, open_agent
from actors.chat import AssistantTurn, Settings
from actors.http import open_client
from actors.local import Address, LocalServer, Pid
from actors.providers import Model, call, crash, pause, say, script, usage
from actors.tools import tool
from runtime import Crashed, Restarted, RuntimeFault, open_system

from ._demo_life import remember
from ._demo_page import Page, ms
from ._interrupts import Interrupts
from ._render import draw_tree

if TYPE_CHECKING:
    from actors.agents import AgentHandle, AgentRun
    from actors.providers import Step
    from runtime import Ref

STORY: Final = "Write two sentences about a lighthouse keeper and the sea."
SUM: Final = "What is 12 times 31?"
LONG: Final = "Tell me a long story about a ship, a storm and a harbour."
AGAIN: Final = "Thank you. Write one more sentence about the sea."
CUT_AFTER: Final = 16  # tokens, then the reader leaves
SAMPLING: Final = AgentOptions(settings=Settings(temperature=0.0, max_tokens=100, seed=1))


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


@attrs.define
class Figures:
    """What was measured on the way, in seconds."""

    delays: list[float] = attrs.field(factory=list[float])  # bytes arrived to event in hand
    first: list[float] = attrs.field(factory=list[float])  # request to first token
    left: float = 0.0  # leaving the block
    idle: float | None = None  # leaving the block to the server's word that it stopped
    healed: float = 0.0  # crash to the next answer's first token


class Story:
    """One telling of the demo."""

    def __init__(self, agent: AgentHandle, calculating: Model | str, page: Page) -> None:
        self._agent = agent
        self._calculating = calculating
        self._page = page
        self._figures = Figures()
        self._server = agent.system.whereis("/agent/provider-server", LocalServer)

    async def tell(self) -> None:
        await self._stream()
        await self._use_a_tool()
        await self._interrupt()
        await self._crash()
        await self._remember()
        self._show_tree()
        self._show_figures()

    async def _stream(self) -> None:
        self._page.chapter(1, "A model streams through provider and agent actors")
        async with self._agent.stream(self._page.ask(STORY)) as run:
            count = await self._print_run(run)
        spent = run.response.duration or 1.0
        self._page.remark(
            f"{count} chunks, {count / spent:.0f} a second, all written by {self._agent.model.name}"
        )

    async def _use_a_tool(self) -> None:
        self._page.chapter(2, "A second agent joins the system; its model calls a tool")
        async with (
            open_agent(
                self._calculating, tools=[multiply], options=SAMPLING, system=self._agent.system
            ) as agent,
            agent.stream(self._page.ask(SUM)) as run,
        ):
            await self._print_run(run)
        if not run.tool_results:
            self._page.remark("the model answered without the tool this time")

    async def _interrupt(self) -> None:
        self._page.chapter(3, f"The reader leaves after {CUT_AFTER} tokens; everything below stops")
        async with self._agent.stream(self._page.ask(LONG)) as run:
            await self._print_run(run, CUT_AFTER)
            leaving = time.perf_counter()
        self._figures.left = time.perf_counter() - leaving
        self._page.remark(
            f"outcome: {run.outcome}; control was back after {ms(self._figures.left)}"
        )
        if self._server is not None:
            await wait_until_idle(self._server)
            self._figures.idle = time.perf_counter() - leaving
            self._page.remark(f"the server says it is idle {ms(self._figures.idle)} after")
        last = (await self._agent.history())[-1]
        kept = last.text if isinstance(last, AssistantTurn) else ""
        same = "exactly that text" if kept == run.response.text else f"another text: {kept!r}"
        self._page.remark(f"what was shown is kept: the history ends with {same}")

    async def _crash(self) -> None:
        what = "The model's server is killed" if self._server else "The provider crashes"
        self._page.chapter(4, f"{what}; what depends on it restarts")
        before = await self._agent.history()
        async with self._agent.system.events() as events:
            began = time.perf_counter()
            await self._do_harm()
            with trio.fail_after(60):
                async for fact in events:
                    if isinstance(fact, Crashed):
                        self._page.remark(f"crashed:   {fact.path}")
                    if isinstance(fact, Restarted):
                        self._page.remark(f"restarted: {fact.path}")
                        if fact.path == self._agent.ref.path:
                            break
        after = await self._agent.history()
        kept = sum(old == new for old, new in zip(before, after, strict=False))
        self._page.remark(f"of the {len(before)} turns of the conversation before, {kept} are kept")
        asked = time.perf_counter()
        async with self._agent.stream(self._page.ask(AGAIN)) as run:
            await self._print_run(run)
        self._figures.healed = asked - began + (run.response.time_to_first_chunk or 0.0)

    async def _do_harm(self) -> None:
        if self._server is not None:
            os.kill(await self._server.ask(Pid()), signal.SIGKILL)  # as a stranger would
            return
        try:
            await self._agent.run(self._page.ask("Crash, please."))
        except RuntimeFault as fault:
            self._page.remark(f"the asker hears of it: {type(fault).__name__}")

    async def _remember(self) -> None:
        self._page.chapter(5, "A program is killed; the next one remembers what it was told")
        offline = self._server is None
        await remember(self._page, self._agent.system, offline=offline)

    async def _print_run(self, run: AgentRun, limit: int | None = None) -> int:
        """Print what comes, and note how long it took; how many tokens it was."""
        shown = await self._page.print_run(run, limit)
        self._figures.delays += shown.delays
        if shown.first is not None:
            self._figures.first.append(shown.first)
        return len(shown.delays)

    def _show_tree(self) -> None:
        self._page.chapter(6, "The actors, as they are now")
        self._page.console.print(draw_tree(self._agent.system.tree(), trio.current_time()))

    def _show_figures(self) -> None:
        self._page.chapter(7, "What the runtime cost")
        figures = self._figures
        table = Table(box=None, pad_edge=False)
        table.add_column("measured in this run")
        for column in ("median", "99 %", "n"):
            table.add_column(column, justify="right")
        idle = [] if figures.idle is None else [figures.idle]
        for name, values in (
            ("a chunk, from its bytes read to its event in hand", figures.delays),
            ("the interruption, to control", [figures.left]),
            ("the interruption, to an idle server", idle),
            ("the crash, to the first token of the next answer", [figures.healed]),
            ("the model itself: request to first token", figures.first),
        ):
            if values:
                median = ms(statistics.median(values))
                most = ms(high(values)) if len(values) > 1 else ""
                table.add_row(name, median, most, str(len(values)))
        self._page.console.print(table)


def high(values: list[float]) -> float:
    """The 99th percentile, or the largest of few."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


async def wait_until_idle(server: Ref[LocalServer]) -> None:
    """Ask llama.cpp's `/slots` until it generates nothing."""
    root = (await server.ask(Address())).removesuffix("/v1")
    client = open_client(connections=1)
    try:
        with trio.move_on_after(10):
            while True:
                async with client.stream("GET", f"{root}/slots") as answer:
                    slots = json.loads(await answer.read_at_most(1_000_000))
                if not any(slot["is_processing"] for slot in slots):
                    return
                await trio.sleep(0.002)
    finally:
        await client.aclose()


def words(text: str) -> list[Step]:
    """A text at a small model's pace."""
    said = [step for word in text.split() for step in (pause(0.008), say(f"{word} "))]
    return [pause(0.05), *said, usage(24, len(said) // 2)]


def offline_models() -> tuple[Model, Model]:
    """The same story, told by scripts."""
    telling = Model(
        "scripted:demo",
        script=(
            script(*words("The keeper lit the lamp at dusk. All night the sea asked for it.")),
            script(
                *words("Once a ship left its harbour under a clear sky, and a storm rose. " * 3)
            ),
            script(pause(0.02), crash("the demo wants it so")),
            script(*words("The sea kept its own diary, and never let anybody read it.")),
        ),
    )
    calculating = Model(
        "scripted:calculator",
        script=(
            script(pause(0.05), call("multiply", a=12, b=31), usage(60, 20)),
            script(*words("12 times 31 is 372.")),
        ),
    )
    return telling, calculating


async def run_demo(page: Page, *, offline: bool) -> int:
    """Tell the story once; returns the exit code."""
    telling: Model | str = "local:smollm2"
    calculating: Model | str = telling
    if offline:
        telling, calculating = offline_models()
    began = time.perf_counter()
    interrupts = Interrupts(spare_conversation=False)
    async with interrupts.conversation(), open_system() as system:
        async with open_agent(telling, options=SAMPLING, system=system) as agent:
            ready = ms(time.perf_counter() - began)
            page.console.print(
                f"Troupe: a supervised agent on {agent.model.name}, ready in {ready}"
            )
            await Story(agent, calculating, page).tell()
        left = [node.path for node in system.tree().children]
        page.console.print(f"\nThe agent has ended; actors left in the system: {len(left)}.")
    return interrupts.exit_code


@click.command()
@click.option("--offline", is_flag=True, help="Play it on a scripted model, in a few seconds.")
def command(*, offline: bool) -> int:
    """Show the whole path: stream, tool, interruption, crash, memory, and what it all cost."""
    logging.getLogger("runtime").setLevel(logging.CRITICAL)  # the story tells of its crash itself
    return trio.run(functools.partial(run_demo, Page(), offline=offline))
