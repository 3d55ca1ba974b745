"""Agents: a pure turn machine, the actor that carries it out, and an easy way in."""

from ._agent import Agent
from ._control import Interrupt, Pause, Resume, Steer, Unfinished, Unpause
from ._conversation import Conversation, History, Report, Run, RunReport, UseModel
from ._open import AgentHandle, AgentRun, open_agent
from ._options import AgentOptions, AgentSetup, RunLimits
from ._switch import ModelSwitch

__all__ = [
    "Agent",
    "AgentHandle",
    "AgentOptions",
    "AgentRun",
    "AgentSetup",
    "Conversation",
    "History",
    "Interrupt",
    "ModelSwitch",
    "Pause",
    "Report",
    "Resume",
    "Run",
    "RunLimits",
    "RunReport",
    "Steer",
    "Unfinished",
    "Unpause",
    "UseModel",
    "open_agent",
]
