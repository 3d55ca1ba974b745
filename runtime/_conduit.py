"""A bounded pipe between a handler and its reader.

The handler offers items; at most so many of them are accepted and not yet taken, the rest stay
in the hand of the waiting sender. The reader takes items without a task switch as long as there
are any.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from trio.lowlevel import (
    Abort,
    checkpoint,
    current_task,
    enable_ki_protection,
    reschedule,
    wait_task_rescheduled,
)

from ._cycles import calling_party, refuse_cycle
from ._errors import AskTimeout
from ._waits import PARTY, forget_wait, note_wait

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import trio

    from ._envelope import Envelope
    from ._waits import Party, Step

C = TypeVar("C")

CHECKPOINT_EVERY = 32  # items: keeps one busy stream from starving the loop


class Readers:
    """Whoever reads a stream, as what its handler waits for."""

    __slots__ = ("_nurseries", "_task", "party")

    def __init__(self, party: Party) -> None:
        self.party = party
        self._task = current_task()
        self._nurseries = 0  # how many it had open when it last read

    @property
    def path(self) -> str:
        return self.party.path

    def are(self, task: trio.lowlevel.Task) -> None:
        """This task takes the items."""
        self._task = task
        self._nurseries = len(task.child_nurseries)

    def holders(self) -> Iterable[Step]:
        if self._has_helpers():
            return ()  # any of those may be about to read
        return ((self.party, self._task),)

    def _has_helpers(self) -> bool:
        """Whether the task that read last, or opened the stream, has others to read in its place.

        Those that it had when it last read let it read itself.
        """
        return any(
            child.context.get(PARTY) is self.party
            for nursery in self._task.child_nurseries[self._nurseries :]
            for child in nursery.child_tasks
        )


class Conduit(Generic[C]):
    """The `Sink` of one stream, and what its reader takes from.

    `_line` holds the senders that wait, each with the items that were not accepted yet.

    Attributes:
        turn: The handler that sends, as what the reader waits for; set when it is asked.
        readers: The party that reads, as what the handler waits for; likewise.
    """

    __slots__ = (
        "_buffer",
        "_capacity",
        "_line",
        "_reader",
        "_streak",
        "closed",
        "error",
        "readers",
        "taken",
        "turn",
    )

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.readers: Readers | None = None
        self.turn: Envelope | None = None
        self._buffer: deque[C] = deque()
        self._line: deque[tuple[trio.lowlevel.Task, deque[C], Party | None]] = deque()
        self._reader: trio.lowlevel.Task | None = None
        self._streak = 0  # items since the last checkpoint
        self.taken = 0
        self.closed = False  # nothing more will come
        self.error: BaseException | None = None

    # The handler's side

    @enable_ki_protection
    async def send(self, item: C) -> None:
        await self._breathe()
        self._require_open()
        if self._room():
            self._buffer.append(item)
            self._wake_reader()
        else:
            await self._wait_in_line(deque((item,)))

    @enable_ki_protection
    async def send_many(self, items: Sequence[C]) -> None:
        await self._breathe()
        self._require_open()
        room = self._room()
        self._buffer.extend(items[:room])
        self._wake_reader()
        if len(items) > room:
            await self._wait_in_line(deque(items[room:]))

    def _room(self) -> int:
        """How many items can be accepted now; an idle reader takes one at once."""
        if self._line:
            return 0
        idle = 1 if self._reader is not None else 0
        return max(0, self._capacity + idle - len(self._buffer))

    @enable_ki_protection
    async def _wait_in_line(self, items: deque[C]) -> None:
        task = current_task()
        readers, sender = self.readers, calling_party()
        assert readers is not None
        if readers.party.waits:
            refuse_cycle(readers)
        if sender is not None:
            note_wait(sender, task, readers)
        entry = (task, items, sender)
        self._line.append(entry)
        self._streak = 0

        def abort(_: trio.lowlevel.RaiseCancelT) -> Abort:
            self._line.remove(entry)
            if sender is not None:
                forget_wait(sender, task)
            return Abort.SUCCEEDED

        await wait_task_rescheduled(abort)
        if items:
            self._require_open()

    def _require_open(self) -> None:
        if self.closed:
            raise RuntimeError(
                "this stream has ended with its handler: send before the handler returns, and "
                "from no task that outlives it"
            )

    async def _breathe(self) -> None:
        self._streak += 1
        if self._streak >= CHECKPOINT_EVERY:
            self._streak = 0
            await checkpoint()

    def close(self, error: BaseException | None = None) -> None:
        """Nothing more will come; the reader still gets what was accepted."""
        self.closed = True
        self.error = error
        self._wake_reader()
        while self._line:
            self._let_go()

    # The reader's side

    @enable_ki_protection
    async def take(self) -> C:
        """The next item.

        Raises:
            StopAsyncIteration: If the handler has returned.
            Exception: What it failed with.
        """
        await self._breathe()
        while not self._buffer:
            if self._line:
                self._refill(1)
            elif self.closed:
                await self._raise_end()
            else:
                await self._wait_for_item()
        item = self._buffer.popleft()
        self.taken += 1
        if self._line:
            self._refill(self._capacity)
            self._note_reader(current_task())
        return item

    def _note_reader(self, task: trio.lowlevel.Task) -> None:
        if self.readers is not None:
            self.readers.are(task)

    @enable_ki_protection
    async def take_many(self) -> list[C]:
        """All items that are there, those of waiting senders included; [] after the last.

        Raises:
            Exception: What the handler failed with.
        """
        try:
            items = [await self.take()]
        except StopAsyncIteration:
            return []
        while self._buffer or self._line:
            items.extend(self._buffer)
            self._buffer.clear()
            self._refill(self._capacity + 1)
        self.taken += len(items) - 1
        return items

    async def _raise_end(self) -> None:
        if self.error is None:
            raise StopAsyncIteration
        if isinstance(self.error, AskTimeout):
            await checkpoint()  # where it was the reader's own deadline, so is the cancel
        raise self.error

    @enable_ki_protection
    async def _wait_for_item(self) -> None:
        if self._reader is not None:
            raise RuntimeError("one stream has one reader: another task waits for an item already")
        task = current_task()
        turn, readers = self.turn, self.readers
        if turn is not None and readers is not None:
            readers.are(task)
            if turn.waits or not turn.started:
                refuse_cycle(turn)
            note_wait(readers.party, task, turn)
        self._reader = task
        self._streak = 0

        def abort(_: trio.lowlevel.RaiseCancelT) -> Abort:
            self._reader = None
            if readers is not None:
                forget_wait(readers.party, task)
            return Abort.SUCCEEDED

        await wait_task_rescheduled(abort)

    def _refill(self, capacity: int) -> None:
        """Accept items of the senders in line, and let go those with none left."""
        while self._line and len(self._buffer) < capacity:
            items = self._line[0][1]
            self._buffer.append(items.popleft())
            if not items:
                self._let_go()

    def _let_go(self) -> None:
        """The first sender in line need not wait any longer."""
        task, _, sender = self._line.popleft()
        if sender is not None:
            forget_wait(sender, task)
        reschedule(task)

    def _wake_reader(self) -> None:
        if self._reader is not None:
            task, self._reader = self._reader, None
            if self.readers is not None:
                forget_wait(self.readers.party, task)
            reschedule(task)
