"""The phases of a run, and which input leads from which to which.

Pure. `TRANSITIONS` is the whole truth about which input is good when; docs/agents.md draws it.
"""

from __future__ import annotations

import enum
from typing import Final


class Phase(enum.Enum):
    NEW = "new"
    MODEL = "model"  # a model call is streaming
    TOOLS = "tools"  # a round of tools is running
    HELD = "held"  # paused, before a model call
    SPENT = "spent"  # a limit forbids the next model call, or the answer stays wrong
    ENDED = "ended"


TRANSITIONS: Final[dict[tuple[Phase, str], set[Phase]]] = {
    (Phase.NEW, "begin"): {Phase.MODEL, Phase.HELD},
    (Phase.NEW, "resume"): {Phase.MODEL, Phase.TOOLS, Phase.HELD, Phase.ENDED},
    (Phase.MODEL, "told"): {Phase.MODEL},
    (Phase.MODEL, "chunks"): {Phase.MODEL},
    # A provider that pauses wants to be called again with what it has said so far.
    (Phase.MODEL, "model_ended"): {
        Phase.TOOLS,
        Phase.ENDED,
        Phase.MODEL,
        Phase.HELD,
        Phase.SPENT,
    },
    (Phase.TOOLS, "tool_ended"): {
        Phase.TOOLS,
        Phase.MODEL,
        Phase.HELD,
        Phase.SPENT,
        Phase.ENDED,
    },
    (Phase.TOOLS, "progressed"): {Phase.TOOLS},
    (Phase.HELD, "released"): {Phase.MODEL},
    # What the user decides meanwhile takes effect before the next model call.
    **{
        (phase, decided): {phase}
        for phase in (Phase.NEW, Phase.MODEL, Phase.TOOLS, Phase.HELD)
        for decided in ("steer", "pause", "unpause")
    },
    (Phase.MODEL, "stopped"): {Phase.ENDED},
    (Phase.TOOLS, "stopped"): {Phase.ENDED},
    (Phase.HELD, "stopped"): {Phase.ENDED},
    (Phase.SPENT, "stopped"): {Phase.ENDED},
    (Phase.ENDED, "stopped"): {Phase.ENDED},
    # A tool's thread may outlive its call, its round and its run.
    (Phase.MODEL, "late"): {Phase.MODEL},
    (Phase.TOOLS, "late"): {Phase.TOOLS},
    (Phase.HELD, "late"): {Phase.HELD},
    (Phase.SPENT, "late"): {Phase.SPENT},
    (Phase.ENDED, "late"): {Phase.ENDED},
}
