"""Topics: what is published reaches all that subscribe, each with a bound and a policy of its own.

A topic is an actor. An item is handed to all subscribers in one step; then the topic waits for
those that are full and whose policy is to block, before it takes the next. So the items of a
topic have one order, and a subscriber that blocks slows down the publishers, once the topic's
own mailbox is full, too. With any other policy it slows down nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
import trio
from trio.lowlevel import checkpoint

from ._actor import Actor
from ._cycles import waiting_for
from ._endings import stopped
from ._errors import MailboxFull, RuntimeFault
from ._events import MessageFailed
from ._lifecycle import State
from ._mailbox import Mailbox
from ._message import Sink, Stream, Tell
from ._options import DEFAULT_MAILBOX, MailboxOptions
from ._ref import Ref, cell_of
from ._waits import PARTY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._waits import Step

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)
A = TypeVar("A")


class Inlet(Generic[T_contra]):
    """What publishers need to know of a topic: a topic of numbers takes integers."""


class Outlet(Generic[T_co]):
    """What subscribers need to know of a topic: a topic of integers gives numbers."""


@attrs.frozen
class Publish(Tell[Inlet[T_co]]):
    """Hand an item to all subscribers; the tell waits while the topic's mailbox is full.

    So a reader that blocks the topic and publishes to it would wait for itself: `AskCycle`.
    """

    item: T_co


@attrs.frozen
class Subscribe(Stream[Outlet[T], T]):
    """Everything published from now on: `async with topic.stream(Subscribe[Price]()) as prices:`.

    Attributes:
        mailbox: How many items wait for this reader, and what becomes of one more. Besides these,
            the stream holds its `buffer` and one item in hand. `FAIL`: the reader gets what
            waits, then `MailboxFull`. The dropping policies and `Conflate` lose items silently.

    Raises:
        ActorStopped: The topic has stopped; what waited was read.
        ActorCrashed: The topic has crashed; what waited is lost.
        MailboxFull: This reader was too slow, and its policy is to fail.
        Exception: What `Conflate.key` raised; that ends this stream and no other.
    """

    raises = (Exception,)
    mailbox: MailboxOptions = DEFAULT_MAILBOX


@attrs.frozen
class Attach(Tell[Outlet[T_contra]], Generic[T_contra, A]):
    """Tell an actor everything that is published from now on.

    Its bound and policy are those of the actor's own mailbox, and during a restart its messages
    fare like any tell; one that would wait for the actor to take it, while the actor waits for the
    topic, is a dead letter. It stays attached until `Detach`, until it has ended for good, or until
    the topic ends or restarts. Where `wrap` raises, or makes a message that the actor does not
    handle, it is detached, and a `MessageFailed` says why.

    Attributes:
        ref: The actor; attached already, it gets the new `wrap`.
        wrap: From an item to a message for the actor; a message class with one field will do.
    """

    ref: Ref[A]
    wrap: Callable[[T_contra], Tell[A]]


@attrs.frozen
class Detach(Tell[Outlet[Any]]):
    """Tell an actor nothing further; what is in its mailbox stays there."""

    ref: Ref[Any]


class _Delivery(Generic[T]):
    """One published item on its way to all subscribers, and the publisher's wait for the full."""

    __slots__ = ("_all_accepted", "_in_line", "message")

    def __init__(self, item: T) -> None:
        self.message = item
        self._in_line = 0
        self._all_accepted: trio.Event | None = None

    @property
    def is_in_line(self) -> bool:
        return self._in_line > 0

    def stand_in_line(self) -> None:
        self._in_line += 1

    def accepted(self) -> None:
        self._in_line -= 1
        if self._all_accepted is not None and not self._in_line:
            self._all_accepted.set()

    async def wait_all_accepted(self) -> None:
        if self._in_line:
            self._all_accepted = trio.Event()
            await self._all_accepted.wait()


class _Subscriber(Generic[T]):
    """What waits for one reader."""

    __slots__ = ("_error", "_idle", "_mailbox", "_path", "turn")

    def __init__(self, path: str, options: MailboxOptions) -> None:
        self._path = path
        self._mailbox: Mailbox[_Delivery[T]] = Mailbox(options)
        self._idle = trio.lowlevel.ParkingLot()
        self._error: Exception | None = None  # it gets nothing more
        self.turn = PARTY.get()  # that of whoever reads

    def offer(self, delivery: _Delivery[T]) -> None:
        if self._error is not None:
            return
        try:
            offer = self._mailbox.offer(delivery)
        except Exception as error:  # noqa: BLE001 - full, or its key failed: its reader hears of it
            self._error = error
            if isinstance(error, MailboxFull):
                error.path = self._path
        else:
            if not offer.queued and offer.evicted is None:
                delivery.stand_in_line()
        self.wake()

    @property
    def is_full(self) -> bool:
        return self._mailbox.in_line > 0

    def wake(self) -> None:
        self._idle.unpark_all()

    async def next(self, is_over: Callable[[], bool]) -> _Delivery[T] | None:
        """Wait for the next item; None when it is over and there is none.

        Raises:
            Exception: What an offer failed with, once all before it were taken.
        """
        while (delivery := self._mailbox.take()) is None:
            if self._error is not None:
                error, self._error = self._error, None
                try:
                    raise error
                finally:
                    del error  # no cycle through the traceback
            if is_over():
                return None
            await self._idle.park()
        return delivery

    def leave(self) -> None:
        """The reader has gone: whoever waits for room here does so no longer."""
        in_line = self._mailbox.in_line
        waiting = list(self._mailbox.drain())
        for delivery in waiting[len(waiting) - in_line :]:
            delivery.accepted()


class _Room:
    """Room for one more item at each of these subscribers, as what a topic waits for."""

    def __init__(self, path: str, subscribers: Sequence[_Subscriber[Any]]) -> None:
        self.path = path
        self._subscribers = subscribers

    def holders(self) -> Iterable[Step]:
        return [(each.turn, None) for each in self._subscribers if each.turn and each.is_full]


class Topic(Actor, Inlet[T], Outlet[T]):
    """Publish and subscribe: `await system.spawn(Topic[Price], name="prices")`.

    Asked to stop, it first finishes the item that it is handing out, or with `drain` all that
    were published. Its subscribers get within its `grace` what waits for them, then their
    streams end with `ActorStopped`.
    """

    def __init__(self) -> None:
        self._subscribers = dict[_Subscriber[T], None]()  # in the order in which they came
        self._attached = dict[Ref[Any], Callable[[T], Tell[Any]]]()
        self._is_over = False  # nothing further will be published

    @Publish[T].handles
    async def publish(self, message: Publish[T]) -> None:
        await checkpoint()  # whoever subscribed before has begun by then
        delivery = _Delivery(message.item)
        for subscriber in self._subscribers:
            subscriber.offer(delivery)
        if full := self._tell_attached(message):
            async with trio.open_nursery() as nursery:  # none waits behind another
                for ref, wrapped in full:
                    nursery.start_soon(self._tell, ref, wrapped)
        if delivery.is_in_line:
            await self._wait_for_room(delivery)

    async def _wait_for_room(self, delivery: _Delivery[T]) -> None:
        cell = self._require_context().cell
        full = [subscriber for subscriber in self._subscribers if subscriber.is_full]
        with waiting_for(_Room(cell.path, full)):
            await delivery.wait_all_accepted()

    @Subscribe[T].handles(concurrent=True)
    async def subscribe(self, message: Subscribe[T], out: Sink[T]) -> None:
        cell = self._require_context().cell
        subscriber = _Subscriber[T](cell.path, message.mailbox)
        self._subscribers[subscriber] = None
        try:
            while (delivery := await subscriber.next(lambda: self._is_over)) is not None:
                await out.send(delivery.message)
        finally:
            del self._subscribers[subscriber]
            subscriber.leave()
        raise stopped(cell.path, message, started=True)

    @Attach[T, Any].handles
    async def attach(self, message: Attach[T, Any]) -> None:
        self._forget_ended()
        self._attached[message.ref] = message.wrap

    @Detach.handles
    async def detach(self, message: Detach) -> None:
        self._attached.pop(message.ref, None)

    async def _tell(self, ref: Ref[Any], wrapped: Tell[Any]) -> None:
        """Wait for room for it, unless that would be for ever."""
        try:
            await ref.tell(wrapped)
        except RuntimeFault as refusal:
            cell_of(ref).undelivered(wrapped, str(refusal))

    def _forget_ended(self) -> None:
        for ref in [ref for ref in self._attached if cell_of(ref).state is State.ENDED]:
            del self._attached[ref]

    def _tell_attached(self, message: Publish[T]) -> list[tuple[Ref[Any], Tell[Any]]]:
        """Tell all that have room; returns who has none, and what to tell them."""
        self._forget_ended()
        full: list[tuple[Ref[Any], Tell[Any]]] = []
        for ref, wrap in list(self._attached.items()):
            try:
                wrapped = wrap(message.item)
                try:
                    ref.tell_nowait(wrapped)
                except trio.WouldBlock:
                    full.append((ref, wrapped))
                except MailboxFull as refusal:
                    cell_of(ref).undelivered(wrapped, str(refusal))
            except Exception as error:  # noqa: BLE001 - listeners of facts hear of it
                del self._attached[ref]
                cell = self._require_context().cell
                cell.hub.publish(MessageFailed(cell.path, message, error))
        return full

    def stopping(self) -> None:
        self._is_over = True
        for subscriber in self._subscribers:
            subscriber.wake()
