"""What is said: content parts, turns, tools on offer, and a request to a model.

Frozen and free of any provider's wire format. A codec turns a `Request` into bytes.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

import attrs


class FinishReason(enum.StrEnum):
    """Why a model stopped; the provider's own word is kept beside it as `raw_finish_reason`."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    PAUSE = "pause"  # the provider wants the same conversation sent again to go on
    OTHER = "other"


class ToolStatus(enum.StrEnum):
    """How a recorded tool call was sealed."""

    OK = "ok"
    ERROR = "error"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # it ran on after its run had ended, or nobody saw its end


@attrs.frozen
class Usage:
    """Tokens, as the provider counted them.

    `input_tokens` includes what was read from or written to a cache, whichever way the
    provider counts; `output_tokens` includes reasoning. `raw` has the provider's numbers.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    raw: Mapping[str, Any] = attrs.field(factory=dict[str, Any], eq=False, repr=False)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@attrs.frozen
class Text:
    """A piece of the answer itself."""

    text: str


@attrs.frozen
class Thinking:
    """A model's reasoning. `signature` goes back to the provider byte for byte."""

    text: str
    signature: str | None = None


@attrs.frozen
class ToolCall:
    """A call that the model asks for.

    Attributes:
        id: The provider's id, or one made up where the provider sends none.
        arguments: The parsed JSON object; empty where `arguments_error` is set.
        arguments_text: What the model wrote, to the letter.
        arguments_error: Why the arguments are unusable (usually cut off), else None.
    """

    id: str
    name: str
    arguments: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    arguments_text: str = attrs.field(default="{}", eq=False, repr=False)
    arguments_error: str | None = None


@attrs.frozen
class ToolResult:
    """What the model is told about one `ToolCall`."""

    call_id: str
    name: str
    content: str
    status: ToolStatus = ToolStatus.OK


Part = Text | Thinking | ToolCall


@attrs.frozen
class SystemTurn:
    """What the model is told before everything else."""

    text: str


@attrs.frozen
class UserTurn:
    """What the user says."""

    text: str


@attrs.frozen
class AssistantTurn:
    """What the model said, in the order in which it said it."""

    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


@attrs.frozen
class ToolTurn:
    """The results of one round of tools: one for every call of the assistant turn before it."""

    results: tuple[ToolResult, ...]


Turn = SystemTurn | UserTurn | AssistantTurn | ToolTurn


def system(text: str) -> Turn:
    """What the model is told before everything else."""
    return SystemTurn(text)


def user(text: str) -> Turn:
    """What the user says."""
    return UserTurn(text)


def assistant(text: str, *calls: ToolCall) -> AssistantTurn:
    """What the model said, and the tools that it called."""
    spoken: tuple[Part, ...] = (Text(text),) if text else ()
    return AssistantTurn(spoken + calls)


@attrs.frozen
class ToolSpec:
    """A tool as the model sees it. `parameters` is a JSON schema of type object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@attrs.frozen
class Settings:
    """Sampling settings; None leaves the provider's default alone."""

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


DEFAULT_SETTINGS: Final = Settings()


@attrs.frozen
class Request:
    """One call of a model, whatever the provider."""

    turns: tuple[Turn, ...]
    tools: tuple[ToolSpec, ...] = ()
    settings: Settings = DEFAULT_SETTINGS
