"""A bounded mailbox and its policies.

Pure: it never waits. Senders for whom there is no room stand in line behind it and move up
as messages are taken; whoever parks and wakes them is told through `accepted`. Ahead of the
queue is a lane for notices of the system and for what was put back. What a policy evicts is
handed back to be failed. An operation happens wholly or leaves no trace.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import attrs

from ._errors import MailboxFull
from ._options import Conflate, MailboxOptions, Overflow

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, MutableSequence


class Item(Protocol):
    @property
    def message(self) -> Any: ...
    def accepted(self) -> None: ...


T = TypeVar("T", bound=Item)


@attrs.frozen
class Offer(Generic[T]):
    """What became of an item: waiting in line, or queued at the expense of `evicted`."""

    queued: bool
    evicted: T | None = None


QUEUED: Offer[Any] = Offer(queued=True)
IN_LINE: Offer[Any] = Offer(queued=False)


class Mailbox(Generic[T]):
    """At most `options.capacity` items queued, any number of senders in line."""

    __slots__ = ("_ahead", "_capacity", "_line", "_notices", "_overflow", "_queue")

    def __init__(self, options: MailboxOptions) -> None:
        self._capacity = options.capacity
        self._overflow = options.overflow
        self._queue: deque[T] | None = None  # made on first use: most actors idle
        # A dict, since any number may stand in line, and all of them be cancelled at once.
        self._line: OrderedDict[T, None] | None = None
        self._ahead: deque[T] | None = None  # taken before the queue; beside its capacity
        self._notices = 0  # how many of those come before all others

    def __len__(self) -> int:
        ahead = len(self._ahead) if self._ahead else 0
        return ahead + len(self._queue) if self._queue else ahead

    @property
    def capacity(self) -> int:
        return self._capacity

    @property
    def in_line(self) -> int:
        return len(self._line) if self._line else 0

    def offer(self, item: T) -> Offer[T]:
        """Queue the item, or let its sender stand in line, or evict.

        The evicted item may be `item` itself.

        Raises:
            MailboxFull: If the policy is to fail.
        """
        queue = self._queue
        if queue is None:
            queue = self._queue = deque()
        if isinstance(self._overflow, Conflate):
            replaced = self._conflate(queue, item, self._overflow)
            if replaced is not None:
                return replaced
        if len(queue) < self._capacity:
            queue.append(item)
            return QUEUED
        return self._offer_to_full(queue, item)

    def _conflate(self, queue: deque[T], item: T, policy: Conflate) -> Offer[T] | None:
        """Put the item in the place of one with the same key, if any waits."""
        if queue and (evicted := _replace(queue, item, policy)) is not None:
            return Offer(queued=True, evicted=evicted)
        line = list(self._line or ())
        if line and (evicted := _replace(line, item, policy)) is not None:
            self._line = OrderedDict.fromkeys(line)
            return Offer(queued=False, evicted=evicted)
        return None

    def _offer_to_full(self, queue: deque[T], item: T) -> Offer[T]:
        match self._overflow:
            case Overflow.FAIL:
                raise MailboxFull(
                    f"the mailbox holds {self._capacity} messages and its policy is to fail",
                    message=item.message,
                )
            case Overflow.DROP_NEWEST:
                return Offer(queued=False, evicted=item)
            case Overflow.DROP_OLDEST:
                queue.append(item)
                return Offer(queued=True, evicted=queue.popleft())
            case _:
                if self._line is None:
                    self._line = OrderedDict()
                self._line[item] = None
                return IN_LINE

    def take(self) -> T | None:
        """The next item, or None. The first sender in line moves up."""
        if self._ahead:
            self._notices = max(0, self._notices - 1)
            return self._ahead.popleft()
        if not self._queue:
            return None
        item = self._queue.popleft()
        if self._line:
            self._move_up(self._queue, self._line)
        return item

    def _move_up(self, queue: deque[T], line: OrderedDict[T, None]) -> None:
        while line and len(queue) < self._capacity:
            moved, _ = line.popitem(last=False)
            queue.append(moved)
            moved.accepted()

    def notify(self, item: T) -> None:
        """Put an item on the system lane: before all others, behind earlier notices."""
        if self._ahead is None:
            self._ahead = deque()
        self._ahead.insert(self._notices, item)
        self._notices += 1

    def put_back(self, items: Iterable[T]) -> None:
        """Put items that had been taken before the queue, in their order, behind notices."""
        if self._ahead is None:
            self._ahead = deque()
        for place, item in enumerate(items, self._notices):
            self._ahead.insert(place, item)

    def withdraw(self, item: T) -> bool:
        """Take an item back, wherever it waits; False if it does not."""
        if self._ahead and item in self._ahead:
            self._notices -= self._ahead.index(item) < self._notices
            self._ahead.remove(item)
            return True
        if self._line and item in self._line:
            del self._line[item]
            return True
        if self._queue and item in self._queue:
            self._queue.remove(item)
            if self._line:
                self._move_up(self._queue, self._line)
            return True
        return False

    def drain(self) -> Iterator[T]:
        """Empty it: the queued items in order, then those in line."""
        ahead, queue, line = self._ahead, self._queue, self._line
        self._ahead = self._queue = self._line = None
        self._notices = 0
        yield from ahead or ()
        yield from queue or ()
        yield from line or ()

    def __iter__(self) -> Iterator[T]:
        yield from self._ahead or ()
        yield from self._queue or ()
        yield from self._line or ()


def _replace(place: MutableSequence[T], item: T, policy: Conflate) -> T | None:
    """Put the item in the place of one with the same key, which is returned."""
    key: Hashable | None = policy.key(item.message)
    if key is None:
        return None
    for index, waiting in enumerate(place):
        if policy.key(waiting.message) == key:
            place[index] = item
            return waiting
    return None
