"""`Probe`: an actor that a test holds in its hands, in place of any other.

It takes every message of an interface and does with it what the test says, at once by what
was laid down before, or when the test has seen it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, get_origin

import trio

from runtime import Actor, Ask, ChildOptions, Sink, Stream
from runtime._message import ACCEPTED, Kind, Message

from ._changes import WITHIN_SECONDS, Changes

if TYPE_CHECKING:
    from runtime import Exit, Ref, Supervisor

A = TypeVar("A")
C = TypeVar("C")
R = TypeVar("R")
T = TypeVar("T")
M = TypeVar("M", bound="Message[Any]")

AT_ONCE = ChildOptions(grace=0)  # whoever has no answer yet gets none


class _Arrival:
    """A message that has come, and what is to be done about it."""

    def __init__(self, message: Message[Any], out: Sink[Any] | None) -> None:
        self.message = message
        self.out = out
        self.decided = trio.Event()
        self.decision: Callable[[Any], Any] = _nothing
        self.is_over = message.kind is Kind.TELL

    def decide(self, decision: Callable[[Any], Any]) -> None:
        self.decision = decision
        self.is_over = True
        self.decided.set()


class Probe(Generic[A]):
    """Stands in for an actor of type `A`; made by `Probe.spawn`.

        ledger = await Probe.spawn(system, Ledger)
        till = await system.spawn(Till, ledger.ref)
        ...
        booking = await ledger.expect(Book)
        ledger.reply("booked")

    Messages are taken in the order in which they came, and any number of them may wait for an
    answer. An ask that has none when the probe ends gets `ActorStopped`.
    """

    def __init__(self, interface: type[A]) -> None:
        self._interface = interface
        self._ref: Ref[A] | None = None
        self._received = list[Message[Any]]()
        self._inbox = list[_Arrival]()  # not expected yet
        self._expected = list[_Arrival]()
        self._scripts = dict[type, Callable[[Any], Any]]()
        self._changes = Changes()

    @staticmethod
    async def spawn(
        supervisor: Supervisor, interface: type[T], *, name: str | None = None
    ) -> Probe[T]:
        """Start a probe: `await Probe.spawn(system, Account, name="account")`.

        Args:
            supervisor: The system, or a supervisor in it.
            interface: What it stands in for, an interface or an actor class.
            name: As for `supervisor.spawn`.
        """
        probe = Probe(interface)
        kind = _stand_in(probe, get_origin(interface) or interface)
        ref = await supervisor.spawn(kind, name=name, options=AT_ONCE)
        probe._ref = cast("Ref[T]", ref)
        return probe

    @property
    def ref(self) -> Ref[A]:
        """The address under which it stands in."""
        assert self._ref is not None, "a probe is made by `await Probe.spawn(...)`"
        return self._ref

    @property
    def received(self) -> tuple[Message[Any], ...]:
        """Every message so far, in order, however it was answered."""
        return tuple(self._received)

    # What came

    async def expect(self, kind: type[M], *, within: float = WITHIN_SECONDS) -> M:
        """Wait for the next message of a kind; others stay for later.

        Args:
            kind: The message class.
            within: How many seconds it may take, virtual ones on virtual time.

        Returns:
            The message. `reply`, `fail`, `send` and `end` are about it from now on.

        Raises:
            AssertionError: If none comes in time; it lists what came instead.
            TypeError: If `kind` is no message of the interface.
        """
        self._check(kind)

        def look() -> _Arrival | None:
            for arrival in self._inbox:
                if isinstance(arrival.message, get_origin(kind) or kind):
                    self._inbox.remove(arrival)
                    return arrival
            return None

        arrival = await self._changes.wait_until(look, within)
        if arrival is None:
            raise AssertionError(
                f"{self._path} got no {kind.__name__} within {within} s, but "
                + (", ".join(repr(other.message) for other in self._inbox) or "nothing")
            )
        self._expected.append(arrival)
        return cast("M", arrival.message)

    async def expect_nothing(self, seconds: float) -> None:
        """Wait so long, and see that no message comes and that none is left unexpected.

        Raises:
            AssertionError: If there is one.
        """
        arrival = await self._changes.wait_until(
            lambda: self._inbox[0] if self._inbox else None, seconds
        )
        if arrival is not None:
            raise AssertionError(f"{self._path} got {arrival.message!r} and expected nothing")

    # Answers by hand

    def reply(self, value: object = None, *, to: Ask[A, Any] | None = None) -> None:
        """Answer an ask.

        Args:
            value: The reply.
            to: Which message that `expect` has returned; the latest that waits if None.

        Raises:
            RuntimeError: If nobody waits for it: it was answered, or the asker has left.
            TypeError: If it is not an ask.
        """
        self._waiting(to, "reply", Kind.ASK).decide(lambda _: value)

    def fail(self, error: Exception, *, to: Ask[A, Any] | Stream[A, Any] | None = None) -> None:
        """Let the handler of an ask or a stream raise an error, with all that follows.

        A fault or a declared error reaches the other side. Any other crashes the probe as it
        would crash an actor: it is restarted, and what it has received and was told stays.

        Raises:
            RuntimeError, TypeError: As for `reply`.
        """

        def decision(_: object) -> None:
            raise error

        self._waiting(to, "fail", Kind.ASK, Kind.STREAM).decide(decision)

    async def send(self, item: object, *, to: Stream[A, Any] | None = None) -> None:
        """Send an item of a stream; waits as a handler waits.

        Cancelled while it waits: the item was not sent.

        Raises:
            RuntimeError, TypeError: As for `reply`.
        """
        out = self._waiting(to, "send", Kind.STREAM).out
        assert out is not None
        await out.send(item)

    def end(self, *, to: Stream[A, Any] | None = None) -> None:
        """End a stream, as a handler that returns.

        Raises:
            RuntimeError, TypeError: As for `reply`.
        """
        self._waiting(to, "end", Kind.STREAM).decide(_nothing)

    def _waiting(self, message: Message[Any] | None, verb: str, *kinds: Kind) -> _Arrival:
        """The arrival that is to be answered."""
        expected = self._expected
        if message is not None:
            expected = [arrival for arrival in expected if arrival.message is message]
        if not expected:
            what = "no message" if message is None else f"{message!r} not"
            raise RuntimeError(
                f"{self._path} has expected {what}: `await probe.expect(...)` before `{verb}`"
            )
        fitting = [arrival for arrival in expected if arrival.message.kind in kinds]
        name = type((fitting or expected)[-1].message).__name__
        if not fitting:
            sent = expected[-1].message.kind.value
            raise TypeError(f"{name} was sent with `{sent}`, which takes no `{verb}`")
        for arrival in reversed(fitting):
            if not arrival.is_over:
                return arrival
        raise RuntimeError(f"nobody waits at {name}: it was answered, or its sender has left")

    # Answers laid down before

    def answers(self, kind: type[Ask[A, R]], reply: R | Callable[[Any], R | Awaitable[R]]) -> None:
        """Answer all asks of a kind from now on, those that wait unexpected included.

        They are in `received` and are not to be expected.

        Args:
            kind: The message class.
            reply: The reply, or a function of the message, async or not, that returns it or
                raises an error. (To reply with a function, wrap it in one.)

        Raises:
            TypeError: If `kind` is no ask of the interface.
        """
        self._check(kind, Kind.ASK)
        self._lay_down(kind, reply if callable(reply) else lambda _: reply)

    def streams(
        self, kind: type[Stream[A, C]], items: Iterable[C] | Callable[[Any], Iterable[C]]
    ) -> None:
        """Answer all streams of a kind with `items`, or with what a function of the message says.

        Raises:
            TypeError: If `kind` is no stream of the interface.
        """
        self._check(kind, Kind.STREAM)
        kept = items if callable(items) else tuple(items)
        self._lay_down(kind, kept if callable(kept) else lambda _: kept)

    def _lay_down(self, kind: type[Any], script: Callable[[Any], Any]) -> None:
        kind = get_origin(kind) or kind
        self._scripts[kind] = script
        for arrival in [each for each in self._inbox if type(each.message) is kind]:
            self._inbox.remove(arrival)
            arrival.decide(script)

    # The actor's side

    async def take(self, message: Message[Any], out: Sink[Any] | None = None) -> Any:
        """Handle a message as the test says."""
        self._received.append(message)
        arrival = _Arrival(message, out)
        script = self._scripts.get(type(message))
        if script is not None:
            arrival.decide(script)
        else:
            self._inbox.append(arrival)
            self._changes.announce()
            if arrival.is_over:
                return None
        try:
            await arrival.decided.wait()
        finally:
            arrival.is_over = True  # also if the sender has left
        value = arrival.decision(message)
        if inspect.isawaitable(value):
            value = await value
        if out is not None:
            await out.send_many(tuple(value or ()))
        return value

    @property
    def _path(self) -> str:
        return f"the probe {self.ref.path}"

    def _check(self, kind: type[Any], wanted: Kind | None = None) -> None:
        plain = get_origin(kind) or kind
        if plain not in _messages_of(get_origin(self._interface) or self._interface):
            raise TypeError(f"{plain.__name__} is no message of {self._interface.__name__}")
        if wanted is not None and plain.kind is not wanted:
            sent = f"`{plain.kind.value}` and not with `{wanted.value}`"
            raise TypeError(f"{plain.__name__} is sent with {sent}")

    def __repr__(self) -> str:
        return f"<Probe {self.ref.path} with {len(self._inbox)} unexpected messages>"


def _nothing(_: object) -> None:
    """The decision to return nothing."""


# An actor class for each interface


def _messages_of(interface: type[Any]) -> set[type[Message[Any]]]:
    found = set[type[Message[Any]]]()
    for owner in interface.__mro__:
        accepted: dict[str, type[Message[Any]]] = owner.__dict__.get(ACCEPTED, {})
        found |= set(accepted.values())
    return found


def _stand_in(probe: Probe[Any], interface: type[Any]) -> Callable[[], Actor]:
    """An actor class that hands every message of `interface` to `probe`."""
    namespace: dict[str, Any] = {"__init__": _begin, "started": _started, "stopped": _stopped}
    for number, message in enumerate(sorted(_messages_of(interface), key=_name)):
        namespace[f"take_{number}"] = _handler_for(message, probe.take)
    bases = (interface,) if issubclass(interface, Actor) else (Actor, interface)
    return cast("Callable[[], Actor]", type("Probe", bases, namespace))


def _name(message: type[Message[Any]]) -> str:
    return f"{message.__module__}.{message.__qualname__}"


# In place of what the actor class that it stands in for does


def _begin(_: Actor) -> None: ...


async def _started(_: Actor) -> None: ...


async def _stopped(_: Actor, exit: Exit) -> None: ...


def _handler_for(message: Any, take: Callable[..., Awaitable[Any]]) -> Any:
    """Concurrent, so that any number of messages can wait, in the order of arrival."""
    if message.kind is Kind.STREAM:

        async def take_stream(_: object, message: Any, out: Sink[Any]) -> None:
            await take(message, out)

        return message.handles(concurrent=True)(take_stream)

    async def take_one(_: object, message: Any) -> Any:
        return await take(message)

    return message.handles(concurrent=True)(take_one)
