"""Agents: a pure turn machine, the actor that carries it out, and an easy way in."""

from ._agent import Agent
from ._conversation import Conversation, History, Report, Run, RunReport
from ._open import AgentHandle, AgentRun, open_agent
from ._options import AgentOptions, AgentSetup, RunLimits

__all__ = [
    "Agent",
    "AgentHandle",
    "AgentOptions",
    "AgentRun",
    "AgentSetup",
    "Conversation",
    "History",
    "Report",
    "Run",
    "RunLimits",
    "RunReport",
    "open_agent",
]
