"""Tools in worker processes: what crosses, what a crash costs, that none outlives its call."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import process_tools
import pytest
import trio
from agents_scripted import assert_next_turn_is_accepted, assert_one_truth, collect, scripted
from processes import is_alive as alive
from processes import until

from actors.chat import Outcome, ToolCall, ToolEnd, ToolProgress, ToolResult, ToolStart, ToolStatus
from actors.errors import ConfigurationError
from actors.providers import call, script
from actors.tools import (
    CallLimits,
    Held,
    Progress,
    Terms,
    Toolbox,
    Workers,
    _processes,
    execute,
    tool,
)
from runtime import System, open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from actors.tools import AnyTool


@attrs.frozen
class Bench:
    """Runs tools as an agent would."""

    system: System
    box: Toolbox
    terms: Terms

    async def run(self, name: str, **arguments: object) -> ToolResult:
        return await execute(self.box, ToolCall("1", name, arguments), terms=self.terms)


@asynccontextmanager
async def bench(*tools: AnyTool) -> AsyncGenerator[Bench]:
    async with assert_no_leaks(), open_system() as system:
        box = Toolbox(tools)
        limits = CallLimits(box)
        workers = await system.spawn(Workers, box, limits, name="workers")
        yield Bench(system, box, Terms(held=Held(limits, workers)))


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def appears(note: Path) -> int:
    """Wait for the process id that a tool writes down."""
    path = trio.Path(note)
    with trio.fail_after(20):
        while not await path.exists() or not await path.read_text(encoding="utf-8"):  # noqa: ASYNC110 - another process has no event
            await trio.sleep(0.005)
    return int(await path.read_text(encoding="utf-8"))


async def test_a_tool_runs_in_a_process_that_is_kept_for_the_next_call() -> None:
    async with bench(process_tools.pid) as it:
        first, second = await it.run("pid"), await it.run("pid")

        assert int(first.content) != os.getpid()
        assert first == second
        assert is_alive(int(first.content))
    assert not is_alive(int(first.content))


async def test_arguments_and_results_cross_in_the_types_of_the_signature() -> None:
    async with bench(process_tools.moved) as it:
        result = await it.run("moved", point={"x": 1}, by=2)
        refused = await it.run("moved", point=[], by=2)

    assert (result.status, json.loads(result.content)) == (ToolStatus.OK, {"x": 3, "y": 2})
    assert "argument 'point' must be" in refused.content


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("exit", "the tool's process died: it left with exit code 7"),
        ("killed", "the tool's process died: killed by SIGKILL; the machine may be out of memory"),
        ("segfault", "the tool's process died: killed by SIGSEGV"),
        ("politely", "SystemExit: done here"),
        ("cancelled", "CancelledError: inside"),
    ],
)
async def test_the_end_of_a_process_is_an_error_of_its_call_alone(how: str, text: str) -> None:
    async with bench(process_tools.leaves, process_tools.pid) as it:
        result = await it.run("leaves", how=how)

        assert (result.status, result.content) == (ToolStatus.ERROR, text)
        assert (await it.run("pid")).status is ToolStatus.OK


async def test_a_process_is_heard_while_it_works(tmp_path: Path) -> None:
    note = tmp_path / "go on"
    async with (
        assert_no_leaks(),
        scripted(
            script(call("says_and_waits", note=str(note))),
            script("Fine."),
            tools=(process_tools.says_and_waits,),
        ) as agent,
        agent.stream("Begin") as run,
    ):
        async for event in run:
            if isinstance(event, ToolProgress):
                await trio.Path(note).touch()  # else the tool would wait for ever
        assert run.tool_results[0].status is ToolStatus.OK


@pytest.mark.parametrize("alone", ["alone", ""])
async def test_all_that_a_process_says_arrives_before_its_result(alone: str) -> None:
    heard: list[Progress] = []
    async with bench(process_tools.reports) as it:
        terms = attrs.evolve(it.terms, progress=heard.append, held=None if alone else it.terms.held)
        await execute(it.box, ToolCall("1", "reports", {"number": 20}), terms=terms)

    assert heard[:2] == [Progress("step 0 \N{SNOWMAN}", 0.0), Progress("step 1 \N{SNOWMAN}", 0.05)]
    assert (len(heard), heard[-1]) == (21, Progress("\0" * 500))


async def test_a_process_that_says_more_than_a_pipe_holds_goes_on() -> None:
    heard: list[Progress] = []
    async with bench(process_tools.reports) as it:
        terms = attrs.evolve(it.terms, progress=heard.append)
        result = await execute(it.box, ToolCall("1", "reports", {"number": 20_000}), terms=terms)

    assert result.content == "there"


async def test_an_error_of_the_tool_is_told_like_that_of_any_other() -> None:
    async with bench(process_tools.fails) as it:
        assert (await it.run("fails")).content == "ValueError: no such thing"


async def test_a_result_is_written_and_cut_where_the_tool_runs() -> None:
    async with bench(process_tools.gives) as it:
        unwritable, long = await it.run("gives", what="lock"), await it.run("gives", what="long")
        deep = await it.run("gives", what="deep")

    assert unwritable.content.startswith("the tool ran, but its result (lock) is no JSON")
    assert long.content.endswith("\n[cut: 100000 of 10000000 characters]")
    assert deep.content.startswith("the tool ran, but its result (list) is no JSON")


async def test_a_timeout_kills_the_process() -> None:
    async with bench(process_tools.too_slow) as it:
        result = await it.run("too_slow")

        assert (result.status, result.content) == (
            ToolStatus.ERROR,
            "the tool took longer than its timeout of 0.05 s; no process of it is left",
        )


async def test_a_cancel_returns_when_the_process_is_dead(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    async with bench(process_tools.hang) as it, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: it.run("hang", note=str(note)))
        pid = await appears(note)
        began = trio.current_time()
        nursery.cancel_scope.cancel()
    assert not is_alive(pid)
    assert trio.current_time() - began < 1


async def test_a_call_without_an_agent_has_a_process_of_its_own() -> None:
    async with assert_no_leaks():
        result = await execute(Toolbox([process_tools.pid]), ToolCall("1", "pid"))

    assert not is_alive(int(result.content))


async def test_the_tree_shows_the_processes_and_the_limits() -> None:
    async with bench(process_tools.pid, process_tools.one_at_a_time) as it:
        await it.run("pid")
        assert "one_at_a_time 0/1, 0 busy, 1 idle processes" in str(it.system.tree())


async def test_calls_beyond_a_tools_concurrency_wait() -> None:
    results: list[ToolResult] = []
    async with bench(process_tools.one_at_a_time) as it:

        async def run() -> None:
            results.append(await it.run("one_at_a_time", seconds=0.02))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(run)

    times = sorted(json.loads(result.content) for result in results)
    for (_, ended), (began, _) in itertools.pairwise(times):
        assert began >= ended


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (process_tools.covered, "process_tools.hidden is something else now"),
        (tool(process_tools.plain, isolation="process"), None),
    ],
)
async def test_a_function_that_a_process_would_not_find_is_refused_at_the_start(
    wrong: AnyTool, text: str | None
) -> None:
    if text is None:
        async with bench(wrong) as it:
            assert (await it.run("plain", number=1)).content == "2"
        return
    with pytest.raises(ConfigurationError, match=text):
        async with scripted(script("Hello"), tools=(wrong,)):
            pass


def test_functions_that_no_module_holds_are_refused_when_the_tool_is_made() -> None:
    def inner() -> None:
        """Do it."""

    unnamed: Any = lambda: None  # noqa: E731
    unnamed.__doc__ = "Do it."
    for function in (inner, unnamed):
        with pytest.raises(TypeError, match="write `def` at the top of a module"):
            tool(function, name="it", isolation="process")


async def test_without_trio_parallel_the_agent_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "trio_parallel", None)  # an import fails then
    with pytest.raises(ConfigurationError, match=r'pip install "troupe-runtime\[process\]"'):
        async with scripted(script("Hello"), tools=(process_tools.pid,)):
            pass


async def test_an_interrupted_run_leaves_no_process_and_a_conversation_that_goes_on(
    tmp_path: Path,
) -> None:
    note = tmp_path / "pid"
    async with (
        assert_no_leaks(),
        scripted(
            script(call("hang", note=str(note))), script("Fine."), tools=(process_tools.hang,)
        ) as agent,
    ):
        async with agent.stream("Begin") as run:
            async for event in run:
                if isinstance(event, ToolStart):
                    break
            pid = await appears(note)
        assert not is_alive(pid)
        await assert_one_truth(agent, run, Outcome.CANCELLED)
        await assert_next_turn_is_accepted(agent)
        assert "workers" in str(agent.system.tree())


async def test_a_process_that_dies_is_told_to_the_model_and_the_run_goes_on() -> None:
    async with (
        scripted(
            script(call("leaves", how="killed"), call("moved", point={"x": 1}, by=1)),
            script("One of them."),
            tools=(process_tools.leaves, process_tools.moved),
        ) as agent,
        agent.stream("Begin") as run,
    ):
        ends = {
            e.result.name: e.result.status for e in await collect(run) if isinstance(e, ToolEnd)
        }

    assert ends == {"leaves": ToolStatus.ERROR, "moved": ToolStatus.OK}
    assert run.outcome is Outcome.DONE


async def test_a_call_that_is_cancelled_at_any_checkpoint_leaves_no_process() -> None:
    async def scenario() -> None:
        async with assert_no_leaks():
            result = await execute(Toolbox([process_tools.pid]), ToolCall("1", "pid"))
            assert result.status is ToolStatus.OK

    assert await cancel_everywhere(scenario) > 5


def family(folder: Path) -> list[int]:
    """The worker, what it has forked, and two in another session, whose parent has ended."""
    return [int(pid) for pid in (folder / "started").read_text(encoding="utf-8").split()]


@pytest.mark.parametrize("alone", ["alone", ""])
async def test_a_cancel_ends_all_that_a_process_has_started(tmp_path: Path, alone: str) -> None:
    """What was forked holds the pipes of its worker, which must not be waited for."""
    async with bench(process_tools.has_family) as it:
        terms = Terms() if alone else it.terms
        arguments = {"folder": str(tmp_path), "then": "wait"}
        begun = ToolCall("1", "has_family", arguments)
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: execute(it.box, begun, terms=terms))
                await until((tmp_path / "started").exists)
                assert all(map(alive, family(tmp_path)))
                nursery.cancel_scope.cancel()

        assert len(family(tmp_path)) == 4
        assert not any(map(alive, family(tmp_path)))


async def test_what_a_process_leaves_in_the_background_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_processes, "GRACE", 10)  # so that it leaves by itself
    async with bench(process_tools.has_family) as it:
        result = await it.run("has_family", folder=str(tmp_path), then="return")

        assert result.content == "done"
        assert all(map(alive, family(tmp_path)))  # another call may need it
    assert not any(map(alive, family(tmp_path)))


async def test_a_process_that_dies_takes_its_session_along(tmp_path: Path) -> None:
    async with bench(process_tools.has_family) as it:
        with trio.fail_after(20):
            result = await it.run("has_family", folder=str(tmp_path), then="die")

    assert "it left with exit code 7" in result.content
    worker, forked, elsewhere, below = family(tmp_path)
    await until(lambda: not alive(worker) and not alive(forked))
    for orphan in (elsewhere, below):  # in a session of their own: as the docs say
        os.kill(orphan, signal.SIGKILL)


PROGRAM = """
import sys, trio
from actors.chat import ToolCall
from actors.tools import Toolbox, execute
import process_tools
call = ToolCall("1", "has_family", {"folder": sys.argv[1], "then": sys.argv[2]})
if __name__ == "__main__":
    trio.run(execute, Toolbox([process_tools.has_family]), call)
"""


@pytest.mark.parametrize("then", ["wait", "hold the interpreter"])
async def test_if_our_program_is_killed_its_workers_end_with_their_sessions(
    tmp_path: Path, then: str
) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    places = os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parents[2])))
    program = subprocess.Popen(  # noqa: ASYNC220, S603 - our own interpreter, our own program
        [sys.executable, str(path), str(tmp_path), then], env={**os.environ, "PYTHONPATH": places}
    )
    try:
        await until((tmp_path / "started").exists)
    finally:
        os.kill(program.pid, signal.SIGKILL)
        program.wait()

    worker, forked, elsewhere, below = family(tmp_path)
    await until(lambda: not alive(worker) and not alive(forked))
    for orphan in (elsewhere, below):
        os.kill(orphan, signal.SIGKILL)


SCRIPT = """
import trio
from actors import open_agent
from actors.providers import Model, call, script
from actors.tools import tool

@tool(isolation="process")
def add(a: int, b: int) -> int:
    "Add."
    return a + b

async def main():
    answers = (script(call("add", a=1, b=2)), script("Done."))
    async with open_agent(Model("scripted:x", script=answers), tools=[add]) as agent:
        print("started")
        await agent.run("Begin")
        print((await agent.history())[2].results[0].content)

{start}
"""


def run_script(tmp_path: Path, start: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "program.py"
    path.write_text(SCRIPT.replace("{start}", start), encoding="utf-8")
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def test_a_tool_of_the_main_program_is_found(tmp_path: Path) -> None:
    ran = run_script(tmp_path, 'if __name__ == "__main__":\n    trio.run(main)')

    assert (ran.stdout, ran.stderr) == ("started\n3\n", "")


def test_a_main_program_without_a_guard_is_not_begun_a_second_time(tmp_path: Path) -> None:
    ran = run_script(tmp_path, "trio.run(main)")

    assert ran.stdout.count("started") == 1
    assert "put the start under `if __name__ == '__main__':`" in ran.stderr
