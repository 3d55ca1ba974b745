"""How a child is to be treated: restarts, mailbox, and the time it gets to stop.

Pure records that check themselves.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable
from typing import Any, Final

import attrs

from ._restart import RestartPolicy


class Overflow(enum.Enum):
    """What a full mailbox does with one message more."""

    BLOCK = "block"  # the sender waits for room
    FAIL = "fail"  # the sender gets `MailboxFull`
    DROP_OLDEST = "drop_oldest"  # the longest waiting message ends with `MessageDropped`
    DROP_NEWEST = "drop_newest"  # the new message ends with `MessageDropped`


@attrs.frozen
class Conflate:
    """A new message replaces a waiting one with the same key; without one, senders block.

    Attributes:
        key: From a message to its key; None for a message that replaces nothing.
    """

    key: Callable[[Any], Hashable | None]


@attrs.frozen
class MailboxOptions:
    """At most `capacity` messages wait; `overflow` says what happens to one more.

    Raises:
        ValueError: If `capacity` is below 1.
    """

    capacity: int = 64
    overflow: Overflow | Conflate = Overflow.BLOCK

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.overflow, Overflow | Conflate):  # pyright: ignore[reportUnnecessaryIsInstance] - not all are type-checked
            raise TypeError(
                f"overflow must be an Overflow or Conflate(key), not {self.overflow!r}: "
                "write for example Overflow.FAIL"
            )
        if self.capacity < 1:
            raise ValueError(f"capacity must be 1 or more, not {self.capacity}")


DEFAULT_MAILBOX: Final = MailboxOptions()


@attrs.frozen
class ChildOptions:
    """How a supervisor treats one child.

    Attributes:
        restart: After which ends it is started again.
        mailbox: Its bound and what happens beyond.
        grace: Seconds it gets to finish what it has begun when it is asked to stop.
        cleanup: Seconds it gets to clean up when it is cancelled; beyond, it is reported.
        keep_mailbox: Whether waiting messages survive a restart of the actor.

    Raises:
        ValueError: If a time is negative.
    """

    restart: RestartPolicy = RestartPolicy.PERMANENT
    mailbox: MailboxOptions = DEFAULT_MAILBOX
    grace: float = 5.0
    cleanup: float = 5.0
    keep_mailbox: bool = False

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.restart, RestartPolicy):  # pyright: ignore[reportUnnecessaryIsInstance] - likewise
            raise TypeError(
                f"restart must be a RestartPolicy, not {self.restart!r}: "
                "write for example RestartPolicy.TEMPORARY"
            )
        for name in ("grace", "cleanup"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more seconds, not {getattr(self, name)}")


DEFAULT_OPTIONS: Final = ChildOptions()
