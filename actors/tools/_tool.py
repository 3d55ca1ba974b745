"""A tool: a function, what the model is told of it, and how it runs.

Pure: nothing is run here. `tool` reads the signature and the docstring once, when the module
is loaded, and refuses what a model could not use.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, cast, overload

import attrs

from actors.chat import ToolSpec
from actors.schema import Docstring, read_docstring

from ._options import Approve, Isolation, Options, ToolOptions, check_name, read_options
from ._schema import Parameter, Refused, object_schema, read_arguments, read_parameters

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@attrs.frozen
class BoundCall:
    """A tool with checked arguments; calling it runs the function here and now."""

    function: Callable[..., object]
    arguments: Mapping[str, Any]

    def __call__(self) -> object:
        return self.function(**self.arguments)


@attrs.frozen(eq=False)
class Tool(Generic[P, R_co]):
    """A function that a model may call. Made by `tool`; still callable as the function it was.

    Attributes:
        function: The function itself.
        spec: Name, description and JSON schema, as a model sees them.
        parameters: One for each parameter of the function.
        isolation: "inline" on the event loop, "thread" or "process".
        timeout: Seconds after which a call is stopped and the model told so; None for no limit.
        max_result: Characters of a result that the model gets to see.
        effect: Whether a call changes something in the world.
        approve: Whether its calls need approval: all, none, or by their checked arguments.
        concurrency: How many of its calls may run at a time; None for any number.
    """

    function: Callable[P, R_co]
    spec: ToolSpec = attrs.field(repr=lambda spec: repr(spec.name))
    parameters: tuple[Parameter, ...] = attrs.field(repr=False)
    isolation: Isolation
    timeout: float | None
    max_result: int
    effect: bool = False
    approve: Approve = False
    concurrency: int | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self.function(*args, **kwargs)

    @property
    def __wrapped__(self) -> Callable[P, R_co]:
        return self.function

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(_documented(self.function))

    def bind(self, arguments: Mapping[str, Any]) -> BoundCall | Refused:
        """Check a model's arguments and turn them into what the function takes.

        Checking is strict: "3" is no integer. An integer is good for a float.

        Args:
            arguments: Plain JSON values by parameter name.

        Returns:
            The call, ready to run; or every mistake and what would be right, for the model.
        """
        values = read_arguments(self.parameters, arguments)
        return values if isinstance(values, Refused) else BoundCall(self.function, values)


AnyTool = Tool[..., Any]


@overload
def tool(function: Callable[P, R], /, **options: Unpack[ToolOptions]) -> Tool[P, R]: ...
@overload
def tool(**options: Unpack[ToolOptions]) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(
    function: Callable[P, R] | None = None, /, **options: Unpack[ToolOptions]
) -> Tool[P, R] | Callable[[Callable[P, R]], Tool[P, R]]:
    """Turn a function, sync or async, into a tool: `@tool` or `@tool(timeout=5)`.

    The first paragraph of the docstring is the description; entries under `Args:` describe the
    parameters, and so does a string in `Annotated[int, "how many"]`. A method is turned into a
    tool when it is bound: `tool(account.deposit)`.

    Args:
        function: Every parameter needs a type that JSON can carry.
        options: By keyword; each may be left out.

            name: What the model calls it; the function's own name by default.

            isolation: "inline" runs on the event loop: right for async functions (their
            default) and for quick pure ones. "thread" is the default of sync functions.
            "process" runs a function of a module in a worker process, which is killed when the
            call is cancelled or too slow, and whose crash is the call's error alone. What it
            takes must be picklable. It needs `pip install "troupe-runtime[process]"`.

            timeout: Seconds that a call may take; waiting for a thread, for a process and for
            its start included.

            concurrency: How many calls of it one agent runs at a time; the others wait. None
            for any number.

            max_result: Characters of a result that the model gets to see; the rest is cut.

            effect: True if it changes something in the world, so that a call that is made
            twice, or too early, is no small matter. Guards and approval go by it.

            approve: Whether somebody has to approve a call before it runs: True for every
            call, or a function that is given the checked arguments by name and says so. It
            must be quick, and must not wait; arguments left out by the model are not there.

    Raises:
        TypeError: If the function cannot be offered to a model, or an option does not suit it;
            the text says what to write instead.
        ValueError: If an option is out of range.
    """
    chosen = read_options(options)
    if function is None:
        return lambda decorated: _made(decorated, chosen)
    return _made(function, chosen)


def _made(function: Callable[P, R], options: Options) -> Tool[P, R]:
    title = options.name or _own_name(function)
    try:
        doc = _described(function)
        parameters = read_parameters(function, doc)
        isolation = _isolation(function, options)
    except TypeError as error:
        raise TypeError(f"{title} cannot be a tool: {error}") from error
    check_name(title)
    return Tool(
        function,
        ToolSpec(title, doc.description, object_schema(parameters)),
        parameters,
        isolation,
        options.timeout,
        options.max_result,
        options.effect,
        options.approve,
        options.concurrency,
    )


def _documented(function: Callable[..., object]) -> Callable[..., object]:
    """What carries the docstring: the function, or the `__call__` of an object."""
    if inspect.isroutine(function):
        return function
    return cast("Callable[..., object]", type(function).__call__)


def _described(function: Callable[..., object]) -> Docstring:
    doc = read_docstring(_documented(function).__doc__)
    if not doc.description:
        raise TypeError('it has no docstring: write what it does, for example """Add."""')
    return doc


def _own_name(function: Callable[..., object]) -> str:
    if isinstance(function, Tool):
        raise TypeError(f"{function.name} is a tool already: pass the function it was made from")
    if isinstance(function, functools.partial | type) or not callable(function):
        raise TypeError(
            f"{function!r:.200} cannot be a tool: write a function that calls it, with a docstring,"
            " or `agent_tool(...)` for an agent"
        )
    name = getattr(function, "__name__", None)
    if name is None:
        raise TypeError(f'{function!r} has no name: write tool(..., name="...")')
    return str(name)


def _isolation(function: Callable[..., object], options: Options) -> Isolation:
    isolation = options.isolation
    if isolation not in {None, "inline", "thread", "process"}:
        raise TypeError(f"isolation must be 'inline', 'thread' or 'process', not {isolation!r}")
    code = _documented(function)
    if inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code):
        raise TypeError("a generator has no one result: return a list or a string")
    if inspect.iscoroutinefunction(code):
        if isolation not in {None, "inline"}:
            raise TypeError("an async function runs inline: drop isolation, or make it sync")
        return "inline"
    if isolation == "inline":
        _check_inline(options)
    if isolation == "process":
        _check_for_process(function)
    return isolation or "thread"


def _check_inline(options: Options) -> None:
    if options.timeout is not None:
        raise TypeError(
            "nothing can stop a sync function that holds the event loop: drop the timeout, or "
            'write isolation="thread"'
        )
    if options.concurrency is not None:
        raise TypeError(
            "a sync function that holds the event loop runs alone: drop concurrency, or write "
            'isolation="thread"'
        )


def _check_for_process(function: Callable[..., object]) -> None:
    """A process imports its function, so that it must be in a module under its own name."""
    if not inspect.isfunction(function) or function.__qualname__ != function.__name__:
        raise TypeError(
            "a process can import functions of a module only, no lambda, closure or method: write "
            '`def` at the top of a module, or isolation="thread"'
        )
    if function.__name__ == "<lambda>":
        raise TypeError("a process cannot import a lambda: write `def` at the top of a module")


def _as_tools(offered: Iterable[AnyTool | Callable[..., object]]) -> tuple[AnyTool, ...]:
    if isinstance(offered, Tool) or not isinstance(offered, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - not all are type-checked
        name = getattr(offered, "__name__", None) or getattr(offered, "name", repr(offered))
        raise TypeError(f"tools are given in a list: write tools=[{name}]")
    return tuple(
        cast("AnyTool", each) if isinstance(each, Tool) else tool(each) for each in offered
    )


@attrs.frozen
class Toolbox:
    """The tools of an agent, by name.

    Attributes:
        tools: Tools, or plain functions, which become tools with the default options.

    Raises:
        TypeError: If a function cannot be a tool.
        ValueError: If two tools have the same name.
    """

    tools: tuple[AnyTool, ...] = attrs.field(default=(), converter=_as_tools)

    def __attrs_post_init__(self) -> None:
        names = self.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two tools are called {twice[0]!r}: give one another name=...")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.tools)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(each.spec for each in self.tools)

    def get(self, name: str) -> AnyTool | None:
        return next((each for each in self.tools if each.name == name), None)

    def __iter__(self) -> Iterator[AnyTool]:
        return iter(self.tools)

    def __len__(self) -> int:
        return len(self.tools)
