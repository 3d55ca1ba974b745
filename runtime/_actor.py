"""What an actor is to those who write one: a class with handlers, and its context."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, TypeVarTuple, overload

from ._envelope import Envelope
from ._errors import LinkBroken, MailboxFull
from ._lifecycle import Exit, unwrapped
from ._lookout import Lookout
from ._message import Handler, Kind, Message, check_behaviour, check_interfaces, handlers_of
from ._ref import Ref, cell_of
from ._timers import Timers
from ._waits import PARTY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from ._cell import Cell
    from ._message import Ask, Behaviour, Sink, Stream, Tell
    from ._options import ChildOptions
    from ._surroundings import Context

T = TypeVar("T", bound="Actor")
A = TypeVar("A")
C = TypeVar("C")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


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
    _timers: Timers | None = None
    _lookout: Lookout | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._handlers = handlers_of(cls)
        cls._checked_at = Message.known

    async def started(self) -> None:
        """Prepare this incarnation; it takes messages once this has returned.

        An error here is a failed start and reaches whoever started the actor. `stopped` is
        called only after a start that succeeded: undo a half-made start here.
        """

    def stopping(self) -> None:
        """Let concurrent handlers that would go on for ever come to their end.

        Called when the actor stops with grace, once its serial handlers are done. It gets the
        rest of its `grace` for them; then they are cancelled.
        """

    async def stopped(self, exit: Exit) -> None:
        """Clean up after this incarnation, cancelled after its `cleanup` seconds."""

    def described(self) -> str:
        """A few words on this actor's own state, for its line in `system.tree()`.

        Called for every snapshot while it runs, at any moment, between two lines of a handler
        and from a signal handler, too: look, and change nothing.
        """
        return ""

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

    # Messages to itself

    def after(self, seconds: float, message: Tell[Self], *, key: Hashable | None = None) -> None:
        """Tell this actor something in so many seconds; an ordinary message, in its turn.

        It ends with this incarnation at the latest.

        Args:
            seconds: On trio's clock, 0 or more.
            message: What to tell.
            key: Replaces the timer with this key, also one whose message waits already.

        Raises:
            ValueError: If `seconds` is negative or no number.
        """
        self._opened_timers().start(seconds, message, key, repeats=False)

    def every(self, seconds: float, message: Tell[Self], *, key: Hashable | None = None) -> None:
        """Tell this actor something every so many seconds, first after so many.

        Never two at a time: while one waits or is handled, those that fall due are left out.
        It ends with this incarnation at the latest.

        Args:
            seconds: On trio's clock, more than 0.
            message: What to tell.
            key: As for `after`.

        Raises:
            ValueError: If `seconds` is not positive.
        """
        self._opened_timers().start(seconds, message, key, repeats=True)

    def cancel_timer(self, key: Hashable) -> bool:
        """End the timer with this key, also if its message waits in the mailbox already.

        Returns:
            Whether that kept a message back: False if no timer has the key, or the message of
            `after` is being handled or has been.
        """
        return self._opened_timers().cancel(key)

    def pipe_to_self(
        self,
        function: Callable[[*Ts], Awaitable[R]],
        *args: *Ts,
        to: Callable[[R], Tell[Self]],
        on_error: Callable[[Exception], Tell[Self]] | None = None,
    ) -> None:
        """Run a task beside the handlers, and have what it returns told to this actor.

        The message waits for room in the mailbox; one that the mailbox refuses is a dead letter.

        Args:
            function: What to run; it is cancelled at the end of this incarnation.
            args: For it.
            to: Makes the message from what it returned.
            on_error: Makes the message from the error that it left; if None, an error
                crashes the actor.
        """

        @functools.wraps(function)
        async def pipe() -> None:
            try:
                result = await function(*args)
            except Exception as error:
                if on_error is None:
                    raise
                message = on_error(_bare(error))
            else:
                message = to(result)
            try:
                await self.ref.tell(message)
            except MailboxFull as full:
                cell_of(self.ref).undelivered(message, str(full))

        self.start_soon(pipe)

    # Messages that are not answered here and now

    @overload
    def forward(self, ref: Ref[A], message: Ask[A, R], /) -> R: ...
    @overload
    def forward(self, ref: Ref[A], message: Stream[A, C], out: Sink[C], /) -> None: ...
    def forward(self, ref: Ref[Any], message: Any, out: object = None, /) -> Any:
        """Let another actor answer the message that is being handled, and be done with it.

        `return self.forward(ref, message)`: when this handler has returned, the asker waits
        for that actor instead, and this one goes on. What is returned is for the type checker
        only. The asker's deadline, cancel, scopes and trace go on to that actor; those that
        this handler added do not. What keeps the message from being taken in there goes to the
        asker: `path` and `message` of the error are then of that actor.

        Args:
            ref: Who is to answer.
            message: What it is sent; of the same kind as the one that is being handled.
            out: The sink of this handler, where it has one.

        Raises:
            RuntimeError: If no handler runs, or its message has been put elsewhere already.
            TypeError: If that actor does not handle such a message, or this one is a tell:
                send that on with `await ref.tell(message)`.
        """
        del out  # the type checker has seen that its items are of the right type
        turn, to = self._turn(), cell_of(ref)
        to.hub.check_run(to.path)
        if turn.kind is Kind.TELL:
            raise TypeError("nobody waits for the end of a tell: send it on, `await ref.tell(...)`")
        to.check(message, turn.kind)
        turn.detour = functools.partial(to.pass_on, message=message)

    @overload
    def stash(self) -> Any: ...
    @overload
    def stash(self, message: Ask[Any, R], /) -> R: ...
    @overload
    def stash(self, message: Tell[Any] | Stream[Any, Any], /) -> None: ...
    def stash(self, message: Any = None) -> Any:
        """Put the message that is being handled aside until `unstash`; its sender waits on.

        `return self.stash(message)`: what is returned is for the type checker only, and so is
        the message, which may be left out where nobody checks types. At most as many
        are put aside as the mailbox holds. It counts as not started again, and what happens to
        the mailbox at a crash or an end happens to it; a stop that drains does not wait for it.

        Raises:
            MailboxFull: If that many have been put aside.
            RuntimeError: If no handler runs, or its message has been put elsewhere already.
            ValueError: If `message` is another one.
        """
        turn, cell = self._turn(), self._require_context().cell
        if message is not None and message is not turn.message:
            raise ValueError(f"stash() puts the message aside that is handled, not {message!r}")
        if len(cell.stash or ()) >= cell.mailbox.capacity:
            raise MailboxFull(
                f"{cell.path} has put {cell.mailbox.capacity} messages aside, as many as its "
                "mailbox holds",
                path=cell.path,
                message=turn.message,
            )
        turn.detour = cell.put_aside

    def unstash(self) -> None:
        """Take what was put aside as the next messages, in the order of their arrival."""
        self._require_context().cell.unstash()

    def become(self, *behaviours: Behaviour) -> None:
        """From the next message on, let these methods handle their messages.

        `self.become(Knock.handled_by(self.knock_while_open))`. Whatever is not named is
        handled by the class's own method, so `self.become()` goes back to those. A new
        incarnation begins with those, too.

        Raises:
            TypeError: If this actor does not handle such a message, or one is named twice.
        """
        context = self._require_context()
        methods: dict[type[Any], Callable[..., Awaitable[Any]]] = {}
        for behaviour in behaviours:
            check_behaviour(behaviour, context.cell.handlers)
            if behaviour.message in methods:
                raise TypeError(f"become() names {behaviour.message.__qualname__} twice")
            methods[behaviour.message] = behaviour.method
        context.behaviours = methods or None

    # Others

    def watch(self, ref: Ref[Any], notice: Callable[[Exit], Tell[Self]]) -> None:
        """Tell this actor when another has ended for good, once, also if it already has.

        The message overtakes all that are queued; several come in the order of the ends. A
        restart is not an end. The watch ends with this incarnation.

        Args:
            ref: Whose end.
            notice: Makes the message from how it ended.

        Raises:
            ValueError: If it is this actor itself, whose `stopped` is called at its end.
        """
        other = self._other(ref)
        if self._lookout is None or self._lookout.is_over:
            self._lookout = Lookout(self._require_context())
        self._lookout.watch(other, notice)

    def link(self, ref: Ref[Any]) -> None:
        """Crash this actor with `LinkBroken` when another has failed for good or was stopped.

        One way: that one does not care for the end of this. An actor that has ended by its own
        decision breaks no link, and a restart is not an end. Nor does a shutdown of a supervisor
        break it that ends this actor, too. The link ends with this incarnation.

        Raises:
            ValueError: If it is this actor itself.
        """
        other = self._other(ref)
        self.start_soon(_crash_at_end, self._require_context().cell, other)

    def stop(self) -> None:
        """This actor is done: it ends after what it has begun, as `Exit.COMPLETED`."""
        self._require_context().finish()

    def _other(self, ref: Ref[Any]) -> Cell:
        """The cell of another actor."""
        other = cell_of(ref)
        other.hub.check_run(other.path)
        if other is self._require_context().cell:
            raise ValueError(
                f"{other.path} cannot watch itself: its `stopped` is called at its end"
            )
        return other

    def _turn(self) -> Envelope:
        """The message that is being handled by whoever calls."""
        turn, cell = PARTY.get(), self._require_context().cell
        if not isinstance(turn, Envelope) or turn.receiver is not cell or not turn.is_handled:
            raise RuntimeError("there is no message here: call this in a handler of the actor")
        if turn.detour is not None:
            raise RuntimeError(
                f"this {type(turn.message).__qualname__} was put aside or forwarded already: "
                "return right after it"
            )
        return turn

    def _opened_timers(self) -> Timers:
        if self._timers is None:
            self._timers = Timers(self._require_context())
        return self._timers

    def _require_context(self) -> Context:
        if self._context is None:
            raise RuntimeError(
                f"{type(self).__qualname__} is not running: its context is there from "
                "`started` on, not in `__init__`; start it with `await system.spawn(...)`"
            )
        return self._context


def _bare(error: Exception) -> Exception:
    """The error that a group of one stands for."""
    bare = unwrapped(error)
    return bare if isinstance(bare, Exception) else error


async def _crash_at_end(cell: Cell, other: Cell) -> None:
    exit = await other.wait_ended()
    if exit is Exit.COMPLETED or cell.owner is None or cell.owner.is_shut_down:
        return
    ended = "has failed for good" if exit is Exit.FAILED else "was stopped"
    raise LinkBroken(
        f"{other.path} {ended}, and this actor is linked to it", path=other.path
    ) from other.failure


def bind(actor: object, context: Context | None) -> None:
    """Give a new incarnation its context, or take it from one that has ended."""
    assert isinstance(actor, Actor)
    actor._context = context  # noqa: SLF001 - the runtime's side of the same class
    actor._timers = actor._lookout = None  # noqa: SLF001 - likewise


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
