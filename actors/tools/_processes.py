"""Worker processes, by trio-parallel: the extra `process`, imported when first needed.

One that is told to stop is killed (SIGKILL) with all that it has started, and has been waited for
when the caller gets control back. Idle ones are kept for the next call. Source of what
trio-parallel promises: its docs,
https://trio-parallel.readthedocs.io/en/latest/reference.html.
"""

from __future__ import annotations

import importlib
import logging
import signal
from contextlib import AsyncExitStack
from traceback import clear_frames
from typing import TYPE_CHECKING, Any, Final, Self

import trio

from actors.errors import ConfigurationError

from ._job import carry_out
from ._offspring import begin
from ._tracker import tracker_use

if TYPE_CHECKING:
    from types import TracebackType

    from actors.chat import ToolResult

    from ._job import Job

log = logging.getLogger("actors.tools")

GRACE: Final = 0.2  # seconds that an idle worker gets to leave by itself; it needs about 0.03


def _imported() -> Any:
    """trio-parallel.

    Raises:
        ConfigurationError: If it is not installed.
    """
    try:
        return importlib.import_module("trio_parallel")  # untyped, and an extra
    except ImportError as error:
        raise ConfigurationError(
            "a tool with isolation='process' needs trio-parallel: "
            '`pip install "troupe-runtime[process]"`'
        ) from error


def _refuse_inside_import() -> None:
    """A worker imports the main module, and must not begin the program again."""
    import multiprocessing  # noqa: PLC0415 - where it is wanted

    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ConfigurationError(
            "the program's main module starts an agent when it is imported, and a worker process "
            "imports it: put the start under `if __name__ == '__main__':`"
        )


class Processes:
    """The worker processes of one holder: `async with Processes() as processes`.

    At most as many work at a time as there are CPUs, over all holders of a trio run; see
    `trio_parallel.current_default_worker_limiter()`.

    Raises:
        ConfigurationError: On entering, if trio-parallel is missing, or this is a worker process
            that is about to begin the program again.
    """

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._workers: Any = None

    async def __aenter__(self) -> Self:
        library = _imported()
        _refuse_inside_import()
        tracker_use.begin()
        self._workers = await self._stack.enter_async_context(
            library.open_worker_context(grace_period=GRACE, init=begin)
        )
        from ._worker import Worker  # noqa: PLC0415 - which is made of the library's

        self._workers.__dict__["_worker_class"] = Worker  # private: there is no other way in
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._stack.aclose()
        except _imported().BrokenWorkerError as broken:
            # None is alive, and none had work: a busy machine, or a library that crashes at exit
            log.debug("idle workers did not leave by themselves: %s", str(broken))
            # Whoever still holds the error, such as trio's idle thread, shall not hold the pipes.
            clear_frames(broken.__traceback__)
            broken.args = ()
            getattr(self._workers, "_worker_cache", []).clear()  # private: looked for
        finally:
            self._workers = None
            with trio.CancelScope(shield=True):  # some milliseconds
                await trio.to_thread.run_sync(tracker_use.end)

    async def run(self, job: Job) -> ToolResult:
        """Run a job in an idle worker, or in a new one.

        Cancelled: the worker has been killed and waited for.
        """
        try:
            result: ToolResult = await self._workers.run_sync(carry_out, job, kill_on_cancel=True)
        except _imported().BrokenWorkerError as broken:
            return job.report.failed(f"the tool's process died: {_cause(broken)}")
        except OSError as error:  # the system has no room for a process
            return job.report.failed(f"the tool could not run in a process: {error}")
        except trio.Cancelled as cancelled:
            # Else the pipes of the dead worker are open as long as somebody holds the error.
            clear_frames(cancelled.__traceback__)
            raise
        return result

    @property
    def busy(self) -> int:
        """How many work at present, or wait to."""
        return int(self._workers.statistics().running_workers)

    @property
    def idle(self) -> int:
        return int(self._workers.statistics().idle_workers)


def _cause(broken: BaseException) -> str:
    code = getattr(broken.args[-1], "exitcode", None)  # of a process, by trio-parallel's docs
    if not isinstance(code, int):
        return str(broken)
    if code >= 0:
        return f"it left with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"killed by {name}" + ("; the machine may be out of memory" if name == "SIGKILL" else "")
