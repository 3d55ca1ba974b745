"""What an actor looks like from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._waits import waited_for

if TYPE_CHECKING:
    from ._cell import Cell


@attrs.frozen
class Statistics:
    """A snapshot of one actor.

    Attributes:
        state: "starting", "running", "stopping", "restarting" or "ended".
        handled: Messages started so far, over all incarnations.
        restarts: Incarnations after the first.
        queued: Messages in the mailbox.
        in_line: Senders that wait for room in it.
        handling: Names of the messages being handled now, the serial one first.
        since: When the serial one started, on trio's clock; None where there is none.
        waiting_for: Paths of those whom the handlers wait for: with an ask, for room in a
            mailbox, for an item or a reader of a stream, for an end.
        put_aside: Messages that handlers have put aside with `stash`.
    """

    state: str
    handled: int
    restarts: int
    queued: int
    in_line: int
    handling: tuple[str, ...]
    since: float | None
    waiting_for: tuple[str, ...] = ()
    put_aside: int = 0

    def in_words(self, now: float) -> list[str]:
        """What there is to say; what is none or never goes unsaid.

        Args:
            now: Seconds on trio's clock, for how long a message has been handled.
        """
        words = [self.state]
        if self.handling:
            words.append(f"handling {' + '.join(self.handling)}")
            if self.since is not None:
                words[-1] += f" for {now - self.since:.1f} s"
        counts = (
            (self.queued, "{} queued"),
            (self.in_line, "{} in line"),
            (self.put_aside, "{} put aside"),
            (self.restarts, "restarted {} x"),
        )
        words += [form.format(count) for count, form in counts if count]
        if self.waiting_for:
            words.append(f"waits for {', '.join(self.waiting_for)}")
        return words


def statistics_of(cell: Cell) -> Statistics:
    turns = ((cell.current,) if cell.current else ()) + tuple((cell.beside or {}).values())
    parties = (*turns, *((cell.hook,) if cell.hook else ()))
    awaited = [each for party in parties for each in waited_for(party)]
    return Statistics(
        state=cell.state.value,
        handled=cell.handled,
        restarts=cell.restarts,
        queued=len(cell.mailbox),
        in_line=cell.mailbox.in_line,
        handling=tuple(type(turn.message).__name__ for turn in turns),
        since=cell.since if cell.current else None,
        waiting_for=tuple(dict.fromkeys(each.path for each in awaited)),
        put_aside=len(cell.stash or ()),
    )
