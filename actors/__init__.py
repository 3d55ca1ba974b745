"""LLM agents, providers, tools and journals as supervised actors."""
