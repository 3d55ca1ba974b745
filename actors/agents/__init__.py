"""Agents: a pure turn machine, the actor that carries it out, and an easy way in."""

from ._agent import Agent
from ._conversation import Conversation, History, Report, Run, RunReport, UseModel
from ._guards import Guard, guard
from ._open import AgentHandle, AgentRun, open_agent
from ._options import AgentOptions, AgentSetup, RunLimits
from ._recipe import AgentRecipe
from ._roles import handoff
from ._sub_agents import Verdict, agent_tool, ask_agent, fan_out
from ._switch import ModelSwitch

__all__ = [
    "Agent",
    "AgentHandle",
    "AgentOptions",
    "AgentRecipe",
    "AgentRun",
    "AgentSetup",
    "Conversation",
    "Guard",
    "History",
    "ModelSwitch",
    "Report",
    "Run",
    "RunLimits",
    "RunReport",
    "UseModel",
    "Verdict",
    "agent_tool",
    "ask_agent",
    "fan_out",
    "guard",
    "handoff",
    "open_agent",
]
