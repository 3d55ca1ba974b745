"""The conditions under which a system is opened, for tests that want hard ones.

They reach systems that other code opens, through a context variable that is read once for
each system. Without them nothing is changed, and a message costs one check for None more.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from ._events import Fact

if TYPE_CHECKING:
    from ._options import MailboxOptions


class Interference(Protocol):
    """Stands between messages and their handlers."""

    def loses(self, path: str, message: object) -> str | None:
        """Why a message that is about to be queued gets lost instead, or None if it does not."""
        ...

    async def before_turn(self, path: str, message: object) -> None:
        """Awaited in the turn, before the handler; an error here is as one of the handler."""
        ...


@attrs.frozen
class Conditions:
    """What a system takes over when it is opened.

    Attributes:
        dice: Where jitter comes from, if not from dice of its own.
        mailbox_capacity: What every mailbox holds, whatever its options say.
        interference: What may happen to messages.
        listener: Who is told of facts from the first one on; it must not raise.

    Raises:
        ValueError: If `mailbox_capacity` is below 1.
    """

    dice: random.Random | None = None
    mailbox_capacity: int | None = None
    interference: Interference | None = None
    listener: Callable[[Fact], None] | None = None

    def __attrs_post_init__(self) -> None:
        if self.mailbox_capacity is not None and self.mailbox_capacity < 1:
            raise ValueError(f"mailbox must be 1 message or more, not {self.mailbox_capacity}")

    def mailbox(self, options: MailboxOptions) -> MailboxOptions:
        """What becomes of an actor's options for its mailbox."""
        if self.mailbox_capacity is None:
            return options
        return attrs.evolve(options, capacity=self.mailbox_capacity)


AS_USUAL: Final = Conditions()
CONDITIONS: Final[ContextVar[Conditions]] = ContextVar("runtime_conditions", default=AS_USUAL)
