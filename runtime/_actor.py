"""What an actor is to those who write one: a class with handlers, and its context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar, TypeVarTuple

from ._message import Handler, Message, check_interfaces, handlers_of
from ._ref import Ref

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._cell import Cell
    from ._lifecycle import Exit
    from ._options import ChildOptions

T = TypeVar("T", bound="Actor")
Ts = TypeVarTuple("Ts")


class Context(Protocol):
    """What a running incarnation offers to its actor."""

    cell: Cell

    def start_soon(
        self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> None: ...
    async def spawn_below(
        self,
        factory: Callable[..., Actor],
        args: tuple[Any, ...],
        name: str | None,
        options: ChildOptions | None,
    ) -> Cell: ...
    def finish(self) -> None: ...


class Actor:
    """The base of all actors: state of its own, and one handler a message class.

    Handlers run one at a time, in arrival order, unless declared `concurrent`. An error that a
    handler leaves ends this incarnation; the supervisor calls the factory again for the next.

    Attributes:
        default_options: How a supervisor treats actors of this class unless told otherwise.
    """

    default_options: ClassVar[ChildOptions | None] = None
    _handlers: ClassVar[dict[type[Message[Any]], Handler]] = {}
    _checked_at: ClassVar[int] = 0  # how many messages there were at the last check
    _context: Context | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._handlers = handlers_of(cls)
        cls._checked_at = Message.known

    async def started(self) -> None:
        """Prepare this incarnation; it takes messages once this has returned.

        An error here is a failed start and reaches whoever started the actor. `stopped` is
        called only after a start that succeeded: undo a half-made start here.
        """

    async def stopped(self, exit: Exit) -> None:
        """Clean up after this incarnation, cancelled after its `cleanup` seconds."""

    @property
    def ref(self) -> Ref[Self]:
        """The address of this actor, the same for every incarnation."""
        return Ref(self._require_context().cell)

    async def spawn(
        self,
        factory: Callable[[*Ts], T],
        *args: *Ts,
        name: str | None = None,
        options: ChildOptions | None = None,
    ) -> Ref[T]:
        """Start an actor below this one; it ends with this incarnation at the latest."""
        return Ref(await self._require_context().spawn_below(factory, args, name, options))

    def start_soon(self, function: Callable[[*Ts], Awaitable[Any]], *args: *Ts) -> None:
        """Run a task beside the handlers; it ends with this incarnation.

        An error that it leaves crashes the actor. It is cancelled when the actor stops.
        """
        self._require_context().start_soon(function, args)

    def stop(self) -> None:
        """This actor is done: it ends after what it has begun, as `Exit.COMPLETED`."""
        self._require_context().finish()

    def _require_context(self) -> Context:
        if self._context is None:
            raise RuntimeError(
                f"{type(self).__qualname__} is not running: its context is there from "
                "`started` on, not in `__init__`; start it with `await system.spawn(...)`"
            )
        return self._context


def bind(actor: object, context: Context) -> None:
    """Give a new incarnation its context."""
    assert isinstance(actor, Actor)
    actor._context = context  # noqa: SLF001 - the runtime's side of the same class


def handlers_for(factory: object, actor: object) -> dict[type[Message[Any]], Handler]:
    """The handlers of a new incarnation, checked again: messages may have been added since.

    Raises:
        TypeError: If the factory made no actor, or the actor lacks a handler.
    """
    if not isinstance(actor, Actor):
        raise TypeError(f"{factory!r} made {type(actor).__qualname__}, which is no Actor")
    kind = type(actor)
    if kind._checked_at != Message.known:  # noqa: SLF001 - likewise
        check_interfaces(kind, kind._handlers)  # noqa: SLF001
        kind._checked_at = Message.known  # noqa: SLF001
    return kind._handlers  # noqa: SLF001
