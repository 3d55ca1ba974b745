"""`runtime demo`: the whole path as a story that a person can follow.

A supervised agent streams from a real model on this machine, calls a tool, is interrupted,
loses its model and goes on, and shows what the runtime cost. Nothing is staged: every figure
is measured while it runs. `--offline` plays the same story on a scripted model.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from typing import TYPE_CHECKING, Any, Final

import attrs
import click
import trio
from rich.console import Console
from rich.table import Table

from actors import AgentOptions, open_agent
from actors.chat import AssistantTurn, Settings, Token, ToolEnd, ToolStart
from actors.local import LocalServer, Pid
from actors.providers import Model, call, crash, pause, say, script, usage
from actors.tools import tool
from runtime import Crashed, Restarted, RuntimeFault

from ._render import draw_tree

if TYPE_CHECKING:
    from actors.agents import AgentHandle, AgentRun
    from runtime import System

INSTRUCTIONS: Final = "You are a helpful AI assistant named SmolLM."
STORY: Final = "Write two sentences about a lighthouse keeper and the sea."
SUM: Final = "What is 12 times 31?"
LONG: Final = "Tell me a long story about a ship, a storm and a harbour."
AGAIN: Final = "Hello again! Say one short sentence."
CUT_AFTER: Final = 12  # tokens, then the reader leaves


@tool
def multiply(a: float, b: float) -> float:
    """Multiply two numbers."""
    return a * b


@attrs.define
class Figures:
    """What was measured on the way, in seconds."""

    delays: list[float] = attrs.field(factory=list[float])  # bytes arrived to event in hand
    first: list[float] = attrs.field(factory=list[float])  # request to first token
    left: float = 0.0  # leaving the block
    healed: float = 0.0  # crash to the next answer's first token


class Story:
    """One telling of the demo."""

    def __init__(self, agent: AgentHandle, console: Console) -> None:
        self._agent = agent
        self._console = console
        self._figures = Figures()

    async def tell(self, offline: bool) -> None:  # noqa: FBT001 - a flag of the command line
        await self._stream()
        await self._use_a_tool()
        await self._interrupt()
        await self._crash(offline=offline)
        self._show_tree()
        self._show_figures()

    def _chapter(self, number: int, title: str) -> None:
        self._console.print(f"\n[bold]{number}. {title}[/bold]")

    def _remark(self, text: str) -> None:
        self._console.print(f"   {text}", style="dim", markup=False, highlight=False)

    async def _stream(self) -> None:
        self._chapter(1, "A model streams through provider and agent actors")
        self._ask(STORY)
        async with self._agent.stream(STORY) as run:
            count = await self._print_tokens(run)
        spent = run.response.duration or 0.0
        rate = f", {count / spent:.0f} a second" if spent else ""
        self._remark(f"{count} chunks{rate}; every one of them written by {self._agent.model.name}")

    async def _use_a_tool(self) -> None:
        self._chapter(2, "The model calls a tool while it streams")
        self._ask(SUM)
        async with self._agent.stream(SUM) as run:
            await self._print_tokens(run)
        called = ", ".join(f"{r.name} gave {r.content}" for r in run.tool_results)
        self._remark(called or "the model answered without the tool this time")

    async def _interrupt(self) -> None:
        self._chapter(3, f"The reader leaves after {CUT_AFTER} tokens; everything below stops")
        self._ask(LONG)
        async with self._agent.stream(LONG) as run:
            await self._print_tokens(run, CUT_AFTER)
            leaving = time.perf_counter()
        self._figures.left = time.perf_counter() - leaving
        self._remark(f"outcome: {run.outcome}; control was back after {ms(self._figures.left)}")
        last = (await self._agent.history())[-1]
        kept = last.text if isinstance(last, AssistantTurn) else ""
        same = "the same text" if kept.strip() == run.response.text.strip() else f"{kept!r}"
        self._remark(f"what was shown is kept: the history ends with {same}")

    async def _crash(self, *, offline: bool) -> None:
        what = "The provider crashes" if offline else "The model's server is killed (SIGKILL)"
        self._chapter(4, f"{what}; what depends on it restarts, the conversation stays")
        turns = len(await self._agent.history())
        async with self._agent.system.events() as events:
            began = time.perf_counter()
            if offline:
                await self._let_the_provider_crash()
            else:
                await kill_the_server(self._agent.system)
            with trio.fail_after(60):
                async for fact in events:
                    if isinstance(fact, Crashed):
                        self._remark(f"crashed:   {fact.path}")
                    if isinstance(fact, Restarted):
                        self._remark(f"restarted: {fact.path}")
                        if fact.path == self._agent.ref.path:
                            break
        self._remark(
            f"the history has {len(await self._agent.history())} turns, as before: {turns}"
        )
        self._ask(AGAIN)
        async with self._agent.stream(AGAIN) as run:
            await self._print_tokens(run)
        first = run.response.time_to_first_chunk or 0.0
        self._figures.healed = (
            run.response.started_at + first - (time.time() - time.perf_counter()) - began
        )

    async def _let_the_provider_crash(self) -> None:
        try:
            await self._agent.run("Crash, please.")
        except RuntimeFault as fault:
            self._remark(f"the asker hears of it: {type(fault).__name__}")

    def _ask(self, text: str) -> None:
        self._console.print(f"   > {text}", style="cyan", markup=False, highlight=False)

    async def _print_tokens(self, run: AgentRun, limit: int | None = None) -> int:
        """Print what comes, and note how long each chunk took from the socket to here."""
        count = 0
        self._console.print("   ", end="")
        async for event in run:
            if isinstance(event, Token):
                self._figures.delays.append(time.time() - event.timestamp)
                self._console.print(event.content, end="", markup=False, highlight=False)
                count += 1
                if count == limit:
                    break
            elif isinstance(event, ToolStart):
                arguments = ", ".join(f"{k}={v!r}" for k, v in event.call.arguments.items())
                self._console.print(f"[calls {event.content}({arguments})", end="", markup=False)
            elif isinstance(event, ToolEnd):
                self._console.print(f" = {event.content}] ", end="", markup=False)
        self._console.print(" …" if limit else "")
        first = run.response.time_to_first_chunk
        if first is not None:
            self._figures.first.append(first)
        return count

    def _show_tree(self) -> None:
        self._chapter(5, "The actors, as they are now")
        self._console.print(draw_tree(self._agent.system.tree(), trio.current_time()))

    def _show_figures(self) -> None:
        self._chapter(6, "What the runtime cost")
        figures = self._figures
        table = Table(box=None, pad_edge=False)
        for column in ("measured in this run", "median", "99 %", "n"):
            table.add_column(column, justify="left" if column[0] == "m" else "right")
        for name, values in (
            ("chunk: bytes arrived to event in hand", figures.delays),
            ("request to first token (the model's time)", figures.first),
            ("interruption to control", [figures.left]),
            ("crash to first token of the next answer", [figures.healed]),
        ):
            table.add_row(name, ms(statistics.median(values)), ms(high(values)), str(len(values)))
        self._console.print(table)


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3f} ms" if seconds < 0.1 else f"{seconds * 1e3:,.0f} ms"  # noqa: PLR2004


def high(values: list[float]) -> float:
    """The 99th percentile, or the largest of few."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


async def kill_the_server(system: System) -> None:
    """Kill the process of the local model as a stranger would."""
    server = system.whereis("/agent/provider-server", LocalServer)
    assert server is not None
    os.kill(await server.ask(Pid()), signal.SIGKILL)


def offline_model() -> Model:
    """The same story, told by a script with a model's pace."""
    pace = 0.004

    def slowly(text: str) -> list[Any]:
        steps: list[Any] = []
        for word in text.split(" "):
            steps += [say(f"{word} "), pause(pace)]
        return [pause(0.05), *steps, usage(24, len(steps) // 2)]

    return Model(
        "scripted:demo",
        script=(
            script(*slowly("The keeper lit the lamp at dusk. All night the sea asked for it.")),
            script(pause(0.05), call("multiply", a=12, b=31), usage(60, 20)),
            script(*slowly("12 times 31 is 372.")),
            script(*slowly("Once a ship left the harbour under a clear sky, and " * 6)),
            script(pause(0.02), crash("the demo wants it so")),
            script(*slowly("Hello, I am still here.")),
        ),
    )


async def run_demo(*, offline: bool, console: Console) -> None:
    """Tell the story once."""
    model: str | Model = offline_model() if offline else "local:smollm2"
    began = time.perf_counter()
    options = AgentOptions(settings=Settings(temperature=0.0, max_tokens=120, seed=1))
    async with open_agent(
        model, tools=[multiply], instructions=INSTRUCTIONS, options=options
    ) as agent:
        ready = time.perf_counter() - began
        console.print(f"Troupe: a supervised agent on {agent.model.name}, ready in {ms(ready)}")
        await Story(agent, console).tell(offline)
    console.print("\nAll of it has ended: no task, thread, socket or process is left.")


@click.command()
@click.option("--offline", is_flag=True, help="Play it on a scripted model, in a few seconds.")
def demo(*, offline: bool) -> None:
    """Show the whole path: stream, tool, interruption, crash and what it cost."""
    trio.run(lambda: run_demo(offline=offline, console=Console(highlight=False)))
