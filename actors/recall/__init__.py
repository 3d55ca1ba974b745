"""Memories: what of a conversation is sent with the next request.

`AgentOptions(memory=Window(turns=20))`, or `Full`, `Summary`, `Selective`, or several in a list.
What a memory decides is pure; what it needs to know, and what it wants done, are commands. How
many tokens a text is, is estimated, and corrected by what the provider counts.
"""

from typing import TYPE_CHECKING

from actors._late import late

from ._exchange import Exchange, Note
from ._keeper import Frame, Keeper, Recollection, Remembers
from ._recall import (
    Choice,
    Command,
    Consult,
    Keep,
    Recall,
    Situation,
    SumUp,
    Together,
    Vectorise,
    recall_of,
)
from ._tokens import tokens_of, tokens_of_request, tokens_of_turns
from ._window import Full, Window

if TYPE_CHECKING:
    from ._selective import Selective
    from ._summary import Summary
else:
    __getattr__ = late(__name__, {"_selective": ("Selective",), "_summary": ("Summary",)})

__all__ = [
    "Choice",
    "Command",
    "Consult",
    "Exchange",
    "Frame",
    "Full",
    "Keep",
    "Keeper",
    "Note",
    "Recall",
    "Recollection",
    "Remembers",
    "Selective",
    "Situation",
    "SumUp",
    "Summary",
    "Together",
    "Vectorise",
    "Window",
    "recall_of",
    "tokens_of",
    "tokens_of_request",
    "tokens_of_turns",
]
