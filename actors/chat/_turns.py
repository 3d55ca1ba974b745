"""What is said: content parts, turns, tools on offer, and a request to a model.

Frozen and free of any provider's wire format. A codec turns a `Request` into bytes.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

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
    """Text of a user or a model. `signature` goes back to the provider byte for byte."""

    text: str
    signature: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Thinking:
    """A model's reasoning. `signature` goes back to the provider byte for byte."""

    text: str
    signature: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Opaque:
    """Something that a provider wants back as it came, and that nobody else understands.

    Attributes:
        wire: The wire format that it belongs to; others leave it out.
        data: The JSON object, to the letter.
    """

    wire: str
    data: Mapping[str, Any]


def _one_source(record: Image | File, _attribute: object, url: str | None) -> None:
    if (record.data is None) == (url is None):
        name = type(record).__name__
        raise ValueError(
            f"{name} takes its bytes or its address, and just one of them: "
            f"{name}(path.read_bytes(), media_type=...) or {name}(url='https://...')"
        )


@attrs.frozen
class Image:
    """A picture, by its bytes or by its address.

    Attributes:
        data: The bytes of the picture's file.
        media_type: What they are.
        url: Where the provider finds it; not every provider looks.
    """

    data: bytes | None = attrs.field(default=None, repr=False)
    media_type: str = attrs.field(default="image/png", kw_only=True)
    url: str | None = attrs.field(default=None, kw_only=True, validator=_one_source)


@attrs.frozen
class File:
    """A document, by its bytes or by its address; see `Image`."""

    data: bytes | None = attrs.field(default=None, repr=False)
    media_type: str = attrs.field(default="application/pdf", kw_only=True)
    url: str | None = attrs.field(default=None, kw_only=True, validator=_one_source)
    name: str = attrs.field(default="document", kw_only=True)


@attrs.frozen
class ToolCall:
    """A call that the model asks for.

    Attributes:
        id: The provider's id, or one made up where the provider sends none.
        arguments: The parsed JSON object; empty where `arguments_error` is set.
        arguments_text: What the model wrote, to the letter.
        arguments_error: Why the arguments are unusable (usually cut off), else None.
        signature: What seals the call, to be sent back unchanged.
        by: Of a call that an agent below asks for: the tools that lead there, as
            `researcher/reader`. Empty otherwise.
    """

    id: str
    name: str
    arguments: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    arguments_text: str = attrs.field(default="{}", eq=False, repr=False)
    arguments_error: str | None = None
    signature: str | None = attrs.field(default=None, repr=False)
    by: str = ""


@attrs.frozen
class ToolResult:
    """What the model is told about one `ToolCall`.

    Attributes:
        content: In words.
        shown: Pictures and files beside the words, where it went well. What a model cannot be
            shown is said in words when it is sent.
    """

    call_id: str
    name: str
    content: str
    status: ToolStatus = ToolStatus.OK
    shown: tuple[Image | File, ...] = ()


Part = Text | Thinking | ToolCall | Opaque
UserPart = Text | Image | File


def _user_parts(said: str | tuple[UserPart, ...]) -> tuple[UserPart, ...]:
    parts = (Text(said),) if isinstance(said, str) else tuple(said)
    for part in parts:
        if not isinstance(part, UserPart):  # pyright: ignore[reportUnnecessaryIsInstance] - not all are type-checked
            raise TypeError(
                f"{part!r} is nothing that a user can say: "
                "write user('a text', Image(...), File(...))"
            )
    return parts


@attrs.frozen
class SystemTurn:
    """What the model is told before everything else."""

    text: str


@attrs.frozen(repr=False)
class UserTurn:
    """What the user says and shows, in this order. A string stands for a single `Text`.

    Raises:
        TypeError: If something else is among the parts.
    """

    parts: tuple[UserPart, ...] = attrs.field(converter=_user_parts)

    def __repr__(self) -> str:
        match self.parts:
            case (Text(text),):
                return f"UserTurn({text!r})"
            case parts:
                return f"UserTurn({parts!r})"

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@attrs.frozen
class AssistantTurn:
    """What the model said, in the order in which it said it.

    Attributes:
        wire: The wire format whose signatures are in the parts; "" where there are none.
            Sent to a model of another format, they are left out.
    """

    parts: tuple[Part, ...]
    wire: str = attrs.field(default="", repr=False)

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    def seen_by(self, wire: str) -> AssistantTurn:
        """The turn as a model of the format `wire` may get it: no seals but of its own kind."""
        if wire == self.wire:
            return self
        parts = (part for part in self.parts if not isinstance(part, Opaque))
        return AssistantTurn(tuple(attrs.evolve(part, signature=None) for part in parts))


@attrs.frozen
class ToolTurn:
    """The results of one round of tools: one for every call of the assistant turn before it."""

    results: tuple[ToolResult, ...]


Turn = SystemTurn | UserTurn | AssistantTurn | ToolTurn


def system(text: str) -> Turn:
    """What the model is told before everything else."""
    return SystemTurn(text)


def user(*content: str | Image | File) -> Turn:
    """What the user says: `user("What is this?", Image(path.read_bytes()))`."""
    return UserTurn(tuple(Text(part) if isinstance(part, str) else part for part in content))


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
class OutputSchema:
    """The JSON that an answer must be.

    Attributes:
        schema: A JSON schema of type object.
        name: What it is called towards the provider.
        strict: Whether the provider shall hold the model to it while it writes.
    """

    schema: Mapping[str, Any]
    name: str = "answer"
    strict: bool = True


def _stops(stop: str | Iterable[str]) -> tuple[str, ...]:
    return (stop,) if isinstance(stop, str) else tuple(stop)


Effort = Literal["off", "low", "medium", "high"]


@attrs.frozen
class Settings:
    """How the model shall answer; None leaves the provider's default alone.

    Attributes:
        stop: Words at which it ends; a string stands for a single one.
        thinking: How much it shall reason before it answers.
        tool_choice: "auto", "none", "required", or the name of the one tool to call.
        parallel_tool_calls: Whether it may ask for several calls at once.
        extra: Fields of the provider's own request format, sent as they are.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop: tuple[str, ...] = attrs.field(default=(), converter=_stops)
    seed: int | None = None
    thinking: Effort | None = None
    tool_choice: str | None = None
    parallel_tool_calls: bool | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


DEFAULT_SETTINGS: Final = Settings()


@attrs.frozen
class Request:
    """One call of a model, whatever the provider.

    Attributes:
        output: The JSON that the answer must be; None for free text.
        streamed: False asks for the answer in one piece.
    """

    turns: tuple[Turn, ...]
    tools: tuple[ToolSpec, ...] = ()
    settings: Settings = DEFAULT_SETTINGS
    output: OutputSchema | None = None
    streamed: bool = True
