"""One call of a tool as it crosses into a worker process, and what is done with it there.

What crosses is where the function is found, its checked arguments, and the finished result: its
text has been written and cut over there, so that a result of any size costs what the model gets.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pickle
import sys
from typing import TYPE_CHECKING, Any, Self

import attrs

from actors.errors import ConfigurationError

from ._attempt import Report
from ._progress import Progress, heard_by
from ._tool import AnyTool, BoundCall, Tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.chat import ToolResult


@attrs.frozen
class Job:
    """A call of a function that a new process can import.

    Attributes:
        module: Of the function.
        function: Its name there.
        data: The pickled arguments.
        report: What writes the result.
        pipe: Where it says what progress it makes; None if nobody listens.
    """

    module: str
    function: str
    data: bytes = attrs.field(repr=False)
    report: Report
    pipe: str | None = None

    @classmethod
    def of(cls, tool: AnyTool, bound: BoundCall, report: Report) -> Self:
        """Pack a call.

        Raises:
            Exception: Whatever pickle raises when an argument cannot be sent.
        """
        module, name = _place(tool)
        return cls(module, name, pickle.dumps(dict(bound.arguments)), report)


def _place(tool: AnyTool) -> tuple[str, str]:
    return tool.function.__module__, tool.function.__name__


def _found(module: str, name: str) -> Callable[..., Any]:
    """The function; where it is decorated its name stands for the tool."""
    found = getattr(importlib.import_module(module), name)
    return found.function if isinstance(found, Tool) else found


class Writer:
    """In the worker process: writes reports into the pipe of its call.

    Args:
        path: Of the pipe.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._pipe: int | None = None

    def __call__(self, progress: Progress) -> None:
        line = json.dumps([progress.content, progress.fraction], ensure_ascii=False) + "\n"
        with contextlib.suppress(OSError):  # full, or nobody reads any more: it is but a report
            if self._pipe is None:
                self._pipe = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            os.write(self._pipe, line.encode())  # all or nothing, since it is short: pipe(7)

    def close(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)


def carry_out(job: Job) -> ToolResult:
    """In the worker process: run the function; whatever it raises is a result."""
    try:
        bound = BoundCall(_found(job.module, job.function), pickle.loads(job.data))  # noqa: S301 - our own
    except BaseException as error:  # noqa: BLE001 (the model hears of it; a module may even exit)
        why = job.report.raised(error).content
        return job.report.failed(f"the tool cannot be loaded in its process: {why}")
    writer = None if job.pipe is None else Writer(job.pipe)
    try:
        with heard_by(writer):
            return job.report.attempt(bound)
    except BaseException as error:  # noqa: BLE001 - ends the call; the worker is good for more
        return job.report.raised(error)
    finally:
        if writer is not None:
            writer.close()


def check_importable(tool: AnyTool) -> None:
    """Make sure that a new process will find the function of a tool.

    Raises:
        ConfigurationError: If it will not; the text says what to write instead.
    """
    module, name = _place(tool)
    main = sys.modules.get("__main__")
    if module == "__main__" and not hasattr(main, "__file__"):
        raise ConfigurationError(
            f"{tool.name} cannot run in a process: it is defined in an interactive session, which "
            "a new process cannot import. Put the function into a module of its own"
        )
    try:
        found = _found(module, name)
    except Exception as error:
        raise ConfigurationError(
            f"{tool.name} cannot run in a process: {module}.{name} cannot be imported ({error})"
        ) from error
    if found is not tool.function:
        raise ConfigurationError(
            f"{tool.name} cannot run in a process: {module}.{name} is something else now. Make "
            "@tool(...) the outermost decorator, and keep the function's own name"
        )
