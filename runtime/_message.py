"""Messages: whom they are for, what comes back, and which method handles them.

Pure. A message class names its receiver's interface (a plain class) and its reply in its
bases; `handles` ties a method to it. What a type checker cannot see, that an actor handles
every message of the interfaces it implements and no other, `handlers_of` checks.
"""

from __future__ import annotations

import enum
import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import (
    Any,
    ClassVar,
    Final,
    Generic,
    Protocol,
    Self,
    TypeVar,
    cast,
    get_args,
    get_origin,
    overload,
)

import attrs

A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
C_co = TypeVar("C_co", covariant=True)
C_contra = TypeVar("C_contra", contravariant=True)
S = TypeVar("S")

ACCEPTED: Final = "__accepted_messages__"  # on an interface: qualified name -> message class
HANDLED: Final = "__handled_message__"  # on a method: its `Handler`


class Kind(enum.Enum):
    TELL = "tell"
    ASK = "ask"
    STREAM = "stream"


@attrs.frozen
class Handler:
    """Which method of an actor class handles a message, and how.

    Attributes:
        message: The message class.
        method: The name of the method, so that a subclass may override it.
        concurrent: Whether it runs beside the actor's other handlers.
    """

    message: type[Message[Any]]
    method: str
    concurrent: bool


@attrs.frozen
class Behaviour:
    """A method that handles a message from now on: `Knock.handled_by(self.knock_while_open)`.

    Attributes:
        message: The message class.
        method: A bound method; takes what the class's own handler takes.
    """

    message: type[Message[Any]]
    method: Callable[..., Awaitable[Any]]


class Sink(Protocol[C_contra]):
    """Where a stream's handler puts its items."""

    async def send(self, item: C_contra) -> None:
        """Hand over one item; waits while the reader is `buffer` items behind.

        Cancelled while it waits: the item was not sent.
        """
        ...

    async def send_many(self, items: Sequence[C_contra]) -> None:
        """Hand over several items in one go; returns when all but `buffer` were taken.

        Cancelled while it waits: those that were not accepted yet were not sent.
        """
        ...

    @property
    def taken(self) -> int:
        """How many items the reader has taken so far."""
        ...


def _target_of(message: type[Message[Any]]) -> type[Any] | None:
    """The interface that the class statement names, or None where it names none anew."""
    for base in message.__dict__.get("__orig_bases__", ()):
        origin = get_origin(base)
        if not (isinstance(origin, type) and issubclass(origin, Message)):
            continue
        target = get_args(base)[0]
        if isinstance(target, TypeVar):
            return None
        target = get_origin(target) or target
        if not isinstance(target, type):
            raise TypeError(
                f"{message.__qualname__} names {target!r} as its receiver: name a class that is "
                "already defined, an interface (`class Account: ...`) above its messages"
            )
        return target
    return None


class Message(Generic[A_contra]):
    """What `Tell`, `Ask` and `Stream` have in common; not to be used directly."""

    __slots__ = ()
    kind: ClassVar[Kind]
    target: ClassVar[type[Any]]
    raises: ClassVar[tuple[type[Exception], ...]] = ()
    known: ClassVar[int] = 0  # how many message classes there are

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Message.known += 1
        target = _target_of(cls)
        if target is not None:
            cls.target = target
            _check_raises(cls.__qualname__, cls.raises)
            # attrs makes a slotted class twice under one name: the second replaces the first.
            accepted: dict[str, type] = target.__dict__.get(ACCEPTED) or {}
            if not accepted:
                setattr(target, ACCEPTED, accepted)
            accepted[f"{cls.__module__}.{cls.__qualname__}"] = cls


class Tell(Message[A_contra]):
    """A message without a reply: `class Note(Tell[Account])`."""

    __slots__ = ()
    kind = Kind.TELL

    @overload
    @classmethod
    def handles(
        cls, method: Callable[[S, Self], Awaitable[None]], /
    ) -> Callable[[S, Self], Awaitable[None]]: ...
    @overload
    @classmethod
    def handles(
        cls, /, *, concurrent: bool
    ) -> Callable[[Callable[[S, Self], Awaitable[None]]], Callable[[S, Self], Awaitable[None]]]: ...
    @classmethod
    def handles(cls, method: Any = None, /, *, concurrent: bool = False) -> Any:
        """Mark the method that handles this message: `async def note(self, message)`."""
        return _mark(cls, method, concurrent, 2)

    @classmethod
    def handled_by(cls, method: Callable[[Self], Awaitable[None]], /) -> Behaviour:
        """For `Actor.become`: this message, handled by another bound method."""
        return _behaviour(cls, method, 1)


class Ask(Message[A_contra], Generic[A_contra, R_co]):
    """A message with one reply: `class Deposit(Ask[Account, int])`."""

    __slots__ = ()
    kind = Kind.ASK

    @overload
    @classmethod
    def handles(
        cls, method: Callable[[S, Self], Awaitable[R_co]], /
    ) -> Callable[[S, Self], Awaitable[R_co]]: ...
    @overload
    @classmethod
    def handles(
        cls, /, *, concurrent: bool
    ) -> Callable[[Callable[[S, Self], Awaitable[R_co]]], Callable[[S, Self], Awaitable[R_co]]]: ...
    @classmethod
    def handles(cls, method: Any = None, /, *, concurrent: bool = False) -> Any:
        """Mark the method that answers this message: `async def deposit(self, message)`."""
        return _mark(cls, method, concurrent, 2)

    @classmethod
    def handled_by(cls, method: Callable[[Self], Awaitable[R_co]], /) -> Behaviour:
        """For `Actor.become`: this message, handled by another bound method."""
        return _behaviour(cls, method, 1)


class Stream(Message[A_contra], Generic[A_contra, C_co]):
    """A message answered by a stream of items: `class History(Stream[Account, str])`."""

    __slots__ = ()
    kind = Kind.STREAM

    @overload
    @classmethod
    def handles(
        cls, method: Callable[[S, Self, Sink[C_co]], Awaitable[None]], /
    ) -> Callable[[S, Self, Sink[C_co]], Awaitable[None]]: ...
    @overload
    @classmethod
    def handles(
        cls, /, *, concurrent: bool
    ) -> Callable[
        [Callable[[S, Self, Sink[C_co]], Awaitable[None]]],
        Callable[[S, Self, Sink[C_co]], Awaitable[None]],
    ]: ...
    @classmethod
    def handles(cls, method: Any = None, /, *, concurrent: bool = False) -> Any:
        """Mark the method that sends the items: `async def history(self, message, out)`.

        Unless `concurrent`, it occupies the actor for as long as the stream lives.
        """
        return _mark(cls, method, concurrent, 3)

    @classmethod
    def handled_by(cls, method: Callable[[Self, Sink[C_co]], Awaitable[None]], /) -> Behaviour:
        """For `Actor.become`: this message, handled by another bound method."""
        return _behaviour(cls, method, 2)


def _behaviour(
    message: type[Message[Any]], method: Callable[..., Awaitable[Any]], arity: int
) -> Behaviour:
    _check_method(method, arity, "(message, out)" if arity > 1 else "(message)")
    return Behaviour(message, method)


def check_behaviour(behaviour: object, handlers: dict[type[Message[Any]], Handler]) -> None:
    """Refuse what is no behaviour of an actor with these handlers.

    Raises:
        TypeError: If it is none.
    """
    if not isinstance(behaviour, Behaviour):
        raise TypeError(
            f"{behaviour!r} is no behaviour: write `self.become(Knock.handled_by(self.method))`"
        )
    if behaviour.message not in handlers:
        raise TypeError(
            f"the actor has no handler for {behaviour.message.__qualname__} that another method "
            "could replace"
        )


def _check_raises(name: str, declared: object) -> None:
    classes = cast("tuple[object, ...]", declared) if isinstance(declared, tuple) else (None,)
    if not all(isinstance(each, type) and issubclass(each, Exception) for each in classes):
        error = declared.__name__ if isinstance(declared, type) else "TooLittle"
        raise TypeError(
            f"{name}.raises is {declared!r}, and must be a tuple of classes of errors: write for "
            f"example `raises = ({error},)`"
        )


def unhandled(path: str, message: object) -> TypeError:
    """What is wrong with a message that the actor there has no handler for."""
    name, has_target = type(message).__qualname__, hasattr(type(message), "target")
    if isinstance(message, type):
        return TypeError(f"{path} takes messages, no classes: write {message.__qualname__}(...)")
    if not isinstance(message, Message):
        return TypeError(
            f"{path} has no handler for {name}, which is no message: send an instance of a class "
            "such as `class Greet(Ask[Greeter, str])`"
        )
    if not has_target:
        return TypeError(
            f"{path} has no handler for {name}, which does not say whom it is for: write for "
            f"example `class {name}(Ask[Greeter, str])`"
        )
    return TypeError(f"{path} has no handler for {name}")


def _check_method(method: Any, arity: int, wanted: str) -> None:
    name = getattr(method, "__qualname__", repr(method))
    if not inspect.iscoroutinefunction(method):
        hint = (
            "send the items with `await out.send(item)` instead of `yield`"
            if inspect.isasyncgenfunction(method)
            else "write `async def`"
        )
        raise TypeError(f"the handler {name} must be a coroutine function: {hint}")
    if len(inspect.signature(method).parameters) != arity:
        raise TypeError(f"the handler {name} must take {wanted}")


def _mark(message: type[Message[Any]], method: Any, concurrent: bool, arity: int) -> Any:  # noqa: FBT001
    if method is None:
        return functools.partial(_mark, message, concurrent=concurrent, arity=arity)
    if not hasattr(message, "target"):
        raise TypeError(
            f"{message.__qualname__} is not a message of anybody: "
            f"derive one, `class Mine({message.__name__}[Interface, ...])`"
        )
    _check_method(method, arity, "(self, message, out)" if arity == 3 else "(self, message)")  # noqa: PLR2004
    setattr(method, HANDLED, Handler(message, method.__name__, concurrent))
    return method


def handlers_of(actor: type) -> dict[type[Message[Any]], Handler]:
    """All handlers of an actor class, by message class.

    Raises:
        TypeError: If a message of an implemented interface has no handler, or a handler's
            interface is not implemented, or two methods of one class handle one message, or
            what overrides a handler cannot be one.
    """
    found: dict[type[Message[Any]], Handler] = {}
    for owner in reversed(actor.__mro__):
        own: dict[type[Message[Any]], Handler] = {}
        for name, value in vars(owner).items():
            marked = getattr(value, HANDLED, None)
            if not isinstance(marked, Handler):
                continue
            handler = attrs.evolve(marked, method=name)
            if handler.message in own:
                raise TypeError(
                    f"{owner.__qualname__} handles {handler.message.__qualname__} twice: in "
                    f"{own[handler.message].method} and {handler.method}"
                )
            own[handler.message] = handler
        found |= own
    check_interfaces(actor, found)
    for handler in found.values():
        _check_override(actor, handler)
    return found


def _check_override(actor: type, handler: Handler) -> None:
    """A subclass may override a handler by its name, with another handler of that message."""
    method = getattr(actor, handler.method)
    name = f"{actor.__qualname__}.{handler.method}"
    marked = getattr(method, HANDLED, None)
    if isinstance(marked, Handler) and marked.message is not handler.message:
        raise TypeError(
            f"{name} handles {marked.message.__qualname__} and hides the handler of "
            f"{handler.message.__qualname__}: give it another name"
        )
    if not inspect.iscoroutinefunction(method):
        raise TypeError(
            f"{name} overrides the handler of {handler.message.__qualname__} and must be a "
            "coroutine function, too: write `async def`"
        )


def check_interfaces(actor: type, handlers: dict[type[Message[Any]], Handler]) -> None:
    for message, handler in handlers.items():
        if message.target not in actor.__mro__:
            raise TypeError(
                f"{actor.__qualname__}.{handler.method} handles {message.__qualname__}, a message "
                f"of {message.target.__qualname__}: add that to the bases of {actor.__qualname__}"
            )
    for interface in actor.__mro__:
        accepted: dict[str, type[Message[Any]]] = interface.__dict__.get(ACCEPTED, {})
        missing = [m for m in accepted.values() if m not in handlers]
        if missing:
            names = ", ".join(m.__qualname__ for m in missing)
            raise TypeError(
                f"{actor.__qualname__} implements {interface.__qualname__} but has no handler "
                f"for {names}: add a method under `@{missing[0].__name__}.handles`"
            )
