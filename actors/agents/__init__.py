"""Agents: a pure turn machine, the actor that carries it out, and an easy way in."""

from ._agent import Agent
from ._conversation import Conversation, Entries, History, Pin, Report, Run, RunReport, UseModel
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
    "Entries",
    "History",
    "ModelSwitch",
    "Pin",
    "Report",
    "Run",
    "RunLimits",
    "RunReport",
    "UseModel",
    "open_agent",
]
