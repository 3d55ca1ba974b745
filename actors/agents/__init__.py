"""Agents: a pure turn machine, the actor that carries it out, and an easy way in.

Beside them reasoners, which carry out the strategies of `actors.reasoning`.
"""

from typing import TYPE_CHECKING

from actors._late import late

from ._agent import Agent
from ._agent_run import AgentRun
from ._control import Interrupt, Pause, Resume, Steer, Unfinished, Unpause
from ._conversation import (
    Conversation,
    Entries,
    History,
    Pin,
    Report,
    Run,
    RunReport,
    Settle,
    UseModel,
)
from ._guards import Guard, guard
from ._open import AgentHandle, open_agent
from ._options import AgentOptions, AgentSetup, RunLimits
from ._recipe import AgentRecipe
from ._roles import handoff
from ._switch import ModelSwitch

if TYPE_CHECKING:
    from ._open_reasoner import ReasonerHandle, ReasoningRun, open_reasoner
    from ._reasoner import Reasoner
    from ._reasoning import Reason, ReasonerOptions, ReasonerSetup, Reasoning, ReasoningLimits
    from ._sub_agents import Verdict, agent_tool, ask_agent, fan_out
else:
    __getattr__ = late(
        __name__,
        {
            "_sub_agents": ("Verdict", "agent_tool", "ask_agent", "fan_out"),
            "_open_reasoner": ("ReasonerHandle", "ReasoningRun", "open_reasoner"),
            "_reasoner": ("Reasoner",),
            "_reasoning": (
                "Reason",
                "ReasonerOptions",
                "ReasonerSetup",
                "Reasoning",
                "ReasoningLimits",
            ),
        },
    )

__all__ = [
    "Agent",
    "AgentHandle",
    "AgentOptions",
    "AgentRecipe",
    "AgentRun",
    "AgentSetup",
    "Conversation",
    "Entries",
    "Guard",
    "History",
    "Interrupt",
    "ModelSwitch",
    "Pause",
    "Pin",
    "Reason",
    "Reasoner",
    "ReasonerHandle",
    "ReasonerOptions",
    "ReasonerSetup",
    "Reasoning",
    "ReasoningLimits",
    "ReasoningRun",
    "Report",
    "Resume",
    "Run",
    "RunLimits",
    "RunReport",
    "Settle",
    "Steer",
    "Unfinished",
    "Unpause",
    "UseModel",
    "Verdict",
    "agent_tool",
    "ask_agent",
    "fan_out",
    "guard",
    "handoff",
    "open_agent",
    "open_reasoner",
]
