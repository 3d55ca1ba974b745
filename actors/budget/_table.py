"""The prices that come with the library. Data: nothing here is computed but the aliases.

US dollars for a million tokens: input, output, input from the cache, input into the cache (for
five minutes). Where a price depends on the hour, or is announced to rise, the dearer one stands
here. From genai-prices 0.2.3 (Pydantic, MIT), which collects them from the pages named in
`SOURCES`; those of deepseek-chat and deepseek-reasoner from the page itself.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from ._prices import Price, Prices

SOURCES: Final = {
    "openai": "Pricing | OpenAI API",
    "anthropic": "Pricing - Anthropic",
    "gemini": "Gemini Developer API pricing",
    "groq": "Supported Models - GroqDocs",
    "deepseek": "Models & Pricing | DeepSeek API Docs",
    "mistral": "API Pricing - Mistral AI",
    "local": "models on this machine cost no money",
}

_MODELS: Final = {
    "openai:gpt-6.1-sol": Price(
        "2", "10", "0.1", "2.5", above=272_000, beyond=Price("4", "15", "0.2", "5")
    ),
    "openai:gpt-6.1-terra": Price(
        "1", "5", "0.05", "1.25", above=272_000, beyond=Price("2", "7.5", "0.1", "2.5")
    ),
    "openai:gpt-6-astra": Price(
        "10", "50", "1", "12.5", above=272_000, beyond=Price("20", "75", "2", "25")
    ),
    "openai:gpt-6-sol": Price(
        "2", "10", "0.2", "2.5", above=272_000, beyond=Price("4", "15", "0.4", "5")
    ),
    "openai:gpt-6-luna": Price(
        "0.1", "0.5", "0.01", "0.125", above=272_000, beyond=Price("0.2", "0.75", "0.02", "0.25")
    ),
    "openai:gpt-5.6-sol": Price(
        "4", "20", "0.4", "5", above=272_000, beyond=Price("8", "30", "0.8", "10")
    ),
    "openai:gpt-5.6-terra": Price(
        "2", "12", "0.2", "2.5", above=272_000, beyond=Price("4", "18", "0.4", "5")
    ),
    "openai:gpt-5.6-luna": Price(
        "0.2", "1.2", "0.02", "0.25", above=272_000, beyond=Price("0.4", "1.8", "0.04", "0.5")
    ),
    "openai:gpt-5.5": Price("5", "30", "0.5", above=272_000, beyond=Price("10", "45", "1")),
    "openai:gpt-5.4": Price("2.5", "15", "0.25", above=272_000, beyond=Price("5", "22.5", "0.5")),
    "openai:gpt-5.4-mini": Price("0.75", "4.5", "0.075"),
    "openai:gpt-5.4-nano": Price("0.2", "1.25", "0.02"),
    "openai:gpt-5.2": Price("1.75", "14", "0.175"),
    "openai:gpt-5.1": Price("1.25", "10", "0.125"),
    "openai:gpt-5": Price("1.25", "10", "0.125"),
    "openai:gpt-5-mini": Price("0.25", "2", "0.025"),
    "openai:gpt-5-nano": Price("0.05", "0.4", "0.005"),
    "openai:gpt-5-pro": Price("15", "120"),
    "openai:gpt-4.1": Price("2", "8", "0.5"),
    "openai:gpt-4.1-mini": Price("0.4", "1.6", "0.1"),
    "openai:gpt-4.1-nano": Price("0.1", "0.4", "0.025"),
    "openai:gpt-4o": Price("2.5", "10", "1.25"),
    "openai:gpt-4o-2024-05-13": Price("5", "15"),
    "openai:gpt-4o-mini": Price("0.15", "0.6", "0.075"),
    "openai:gpt-4-turbo": Price("10", "30"),
    "openai:gpt-4": Price("30", "60"),
    "openai:gpt-3.5-turbo": Price("0.5", "1.5"),
    "openai:o1": Price("15", "60", "7.5"),
    "openai:o3": Price("2", "8", "0.5"),
    "openai:o3-mini": Price("1.1", "4.4", "0.55"),
    "openai:o3-pro": Price("20", "80"),
    "openai:o4-mini": Price("1.1", "4.4", "0.275"),
    "anthropic:claude-fable-5-2": Price("8", "40", "0.2", "10"),
    "anthropic:claude-fable-5-1": Price("10", "50", "0.25", "12.5"),
    "anthropic:claude-fable-5": Price("10", "50", "1", "12.5"),
    "anthropic:claude-opus-5-5": Price("4", "20", "0.2", "5"),
    "anthropic:claude-opus-5": Price("5", "25", "0.5", "6.25"),
    "anthropic:claude-opus-4-8": Price("5", "25", "0.5", "6.25"),
    "anthropic:claude-opus-4-7": Price("5", "25", "0.5", "6.25"),
    "anthropic:claude-opus-4-6": Price("5", "25", "0.5", "6.25"),
    "anthropic:claude-opus-4-5": Price("5", "25", "0.5", "6.25"),
    "anthropic:claude-opus-4-1": Price("15", "75", "1.5", "18.75"),
    "anthropic:claude-opus-4-0": Price("15", "75", "1.5", "18.75"),
    "anthropic:claude-opus-4": Price("15", "75", "1.5", "18.75"),
    "anthropic:claude-sonnet-5-5": Price("2", "10", "0.1", "2.5"),
    "anthropic:claude-sonnet-5": Price("2", "10", "0.2", "2.5"),
    "anthropic:claude-sonnet-4-6": Price("3", "15", "0.3", "3.75"),
    "anthropic:claude-sonnet-4-5": Price(
        "3", "15", "0.3", "3.75", above=200_000, beyond=Price("6", "22.5", "0.6", "7.5")
    ),
    "anthropic:claude-sonnet-4-0": Price("3", "15", "0.3", "3.75"),
    "anthropic:claude-sonnet-4": Price("3", "15", "0.3", "3.75"),
    "anthropic:claude-haiku-5-5": Price(
        "0.1", "0.5", "0.01", "0.125", above=100_000, beyond=Price("0.5", "2.5", "0.05", "0.625")
    ),
    "anthropic:claude-haiku-4-5": Price("1", "5", "0.1", "1.25"),
    "anthropic:claude-3-7-sonnet": Price("3", "15", "0.3", "3.75"),
    "anthropic:claude-3-5-sonnet": Price("3", "15", "0.3", "3.75"),
    "anthropic:claude-3-5-haiku": Price("0.8", "4", "0.08", "1"),
    "anthropic:claude-3-haiku": Price("0.25", "1.25", "0.03", "0.3"),
    "gemini:gemini-4-argon": Price("4", "20", "0.2"),
    "gemini:gemini-3.8-flash": Price("1.5", "7.5", "0.15"),
    "gemini:gemini-3.7-flash": Price("1.5", "7.5", "0.15"),
    "gemini:gemini-3.6-flash": Price("1.5", "7.5", "0.15"),
    "gemini:gemini-flash-latest": Price("1.5", "7.5", "0.15"),
    "gemini:gemini-flash-lite-latest": Price("0.3", "2.5", "0.03"),
    "gemini:gemini-pro-latest": Price(
        "2", "12", "0.2", above=200_000, beyond=Price("4", "18", "0.4")
    ),
    "gemini:gemini-3.5-flash": Price("1.5", "9", "0.15"),
    "gemini:gemini-3.5-flash-lite": Price("0.3", "2.5", "0.03"),
    "gemini:gemini-3.1-pro-preview": Price(
        "2", "12", "0.2", above=200_000, beyond=Price("4", "18", "0.4")
    ),
    "gemini:gemini-3.1-flash-lite": Price("0.25", "1.5", "0.025"),
    "gemini:gemini-3-pro-preview": Price(
        "2", "12", "0.2", above=200_000, beyond=Price("4", "18", "0.4")
    ),
    "gemini:gemini-3-flash-preview": Price("0.5", "3", "0.05"),
    "gemini:gemini-2.5-pro": Price(
        "1.25", "10", "0.125", above=200_000, beyond=Price("2.5", "15", "0.25")
    ),
    "gemini:gemini-2.5-flash": Price("0.3", "2.5", "0.03"),
    "gemini:gemini-2.5-flash-lite": Price("0.1", "0.4", "0.01"),
    "gemini:gemini-2.0-flash": Price("0.1", "0.4", "0.025"),
    "gemini:gemini-2.0-flash-lite": Price("0.075", "0.3"),
    "groq:llama-3.1-8b-instant": Price("0.05", "0.08"),
    "groq:llama-3.3-70b-versatile": Price("0.59", "0.79"),
    "groq:meta-llama/llama-4-maverick-17b-128e-instruct": Price("0.2", "0.6"),
    "groq:meta-llama/llama-4-scout-17b-16e-instruct": Price("0.11", "0.34"),
    "groq:moonshotai/kimi-k2-instruct": Price("1", "3", "0.5"),
    "groq:openai/gpt-oss-120b": Price("0.15", "0.6", "0.075"),
    "groq:openai/gpt-oss-20b": Price("0.075", "0.3", "0.0375"),
    "groq:qwen/qwen3-32b": Price("0.29", "0.59"),
    "deepseek:deepseek-chat": Price("0.56", "1.68", "0.07"),
    "deepseek:deepseek-reasoner": Price("0.56", "1.68", "0.07"),
    "deepseek:deepseek-flash": Price("0.3", "1.2", "0.006"),
    "deepseek:deepseek-v4-flash": Price("0.3", "1.2", "0.006"),
    "deepseek:deepseek-v4-pro": Price("1.32", "3.96", "0.044"),
    "mistral:mistral-large-4": Price("0.7", "2.1", "0.07"),
    "mistral:mistral-large": Price("2", "6"),
    "mistral:mistral-large-2512": Price("0.5", "1.5", "0.05"),
    "mistral:mistral-medium-3-5": Price("1.5", "7.5", "0.15"),
    "mistral:mistral-medium-3-1": Price("0.4", "2", "0.04"),
    "mistral:mistral-medium-latest": Price("1.5", "7.5", "0.15"),
    "mistral:mistral-small-2603": Price("0.15", "0.6", "0.015"),
    "mistral:mistral-small-latest": Price("0.15", "0.6", "0.015"),
    "mistral:ministral-14b-2512": Price("0.2", "0.2", "0.02"),
    "mistral:ministral-8b-2512": Price("0.15", "0.15", "0.015"),
    "mistral:ministral-3b-2512": Price("0.1", "0.1", "0.01"),
    "mistral:codestral": Price("0.3", "0.9"),
    "mistral:codestral-2508": Price("0.3", "0.9", "0.03"),
    "mistral:devstral-2512": Price("0.4", "2", "0.04"),
    "mistral:magistral-medium": Price("2", "5"),
    "mistral:magistral-small": Price("0.5", "1.5"),
    "openai:text-embedding-3-large": Price("0.13", "0"),
    "openai:text-embedding-3-small": Price("0.02", "0"),
    "openai:text-embedding-ada-002": Price("0.1", "0"),
    "gemini:gemini-embedding-001": Price("0.15", "0"),
    "mistral:mistral-embed": Price("0.1", "0"),
    "local:*": Price("0", "0"),
}

# The same models by another wire format.
_RESPONSES: Final = {
    name.replace("openai:", "openai-responses:"): price
    for name, price in _MODELS.items()
    if name.startswith("openai:")
}

PRICES: Final = Prices(date(2026, 11, 1), _MODELS | _RESPONSES, SOURCES)
