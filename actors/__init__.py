"""LLM agents, providers, tools and journals as supervised actors.

`open_agent` is the easy way in; everything else stands in its own package: `actors.chat`,
`actors.providers`, `actors.tools`, `actors.journal`, `actors.agents`, `actors.errors`.
"""

from .agents import AgentOptions, open_agent

__all__ = ["AgentOptions", "open_agent"]
