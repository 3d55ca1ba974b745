"""What can be taken away from a conversation, and what of it is to be kept in mind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.journal import to_json_lines, to_markdown

from ._conversation import Entries, Pin

if TYPE_CHECKING:
    from actors.journal import Entry
    from runtime import Ref

    from ._conversation import Conversation


class Keepsakes:
    """The verbs of a handle that export a conversation and pin its runs.

    Attributes:
        ref: Whose conversation it is.
    """

    ref: Ref[Conversation]

    async def entries(self) -> tuple[Entry, ...]:
        """All that the journal has of the conversation, what was never sent included."""
        return await self.ref.ask(Entries())

    async def to_markdown(self) -> str:
        """The conversation for people to read: what was said, called and found."""
        return to_markdown(await self.entries())

    async def to_json_lines(self) -> str:
        """The conversation as JSON Lines, which `actors.journal.from_json_lines` reads again."""
        return to_json_lines(await self.entries())

    async def pin(self, run: str, *, pinned: bool = True) -> None:
        """Send a run, by its `run.id`, with every request, whatever the memory leaves out.

        Also over restarts. `pinned=False` takes that back.

        Raises:
            ConfigurationError: The conversation has no such run.
        """
        await self.ref.ask(Pin(run, pinned))
