"""What models can do, as far as it is known: asked before a request is sent. Pure, and data.

The data is of November 2026, read from the model table of LiteLLM 1.110.2, which collects the
providers' own pages; `context_tokens` is input and output together, as the providers give it.
Whoever knows better says so: `Model(..., capabilities=Capabilities(...))`.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import attrs

from actors.chat import File, Image, Shown, UserTurn, without_results_shown
from actors.errors import CapabilityMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from actors.chat import Request

AS_OF: Final = date(2026, 11, 26)


def _check_tokens(_record: object, attribute: attrs.Attribute[int | None], value: object) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(f"{attribute.name} is a number of tokens, 1 or more, not {value!r}")


@attrs.frozen(kw_only=True)
class Capabilities:
    """What a model can do. None is not known: a request that needs it is sent.

    Attributes:
        streaming: Whether it hands out its answer while it writes. Without, `stream` gives the
            answer when it is complete, as one chunk, and says so in the metadata.
        tools: Whether it can call tools.
        parallel_tools: Whether it can call several at once.
        thinking: Whether it can reason before it answers.
        images: Whether it can be shown pictures.
        files: Whether it can be given documents (PDF).
        json_schema: Whether its answer can be held to a JSON schema.
        json_schema_with_tools: Whether it can still call tools then. Not all do: some refuse such
            a request, some hold the model to the schema where it should call.
        context_tokens: The longest conversation, input and output together.
        output_tokens: The longest answer.
    """

    streaming: bool = True
    tools: bool | None = None
    parallel_tools: bool | None = None
    thinking: bool | None = None
    images: bool | None = None
    files: bool | None = None
    json_schema: bool | None = None
    json_schema_with_tools: bool | None = None
    context_tokens: int | None = attrs.field(default=None, validator=_check_tokens)
    output_tokens: int | None = attrs.field(default=None, validator=_check_tokens)


def capabilities_in_common(models: Iterable[Capabilities]) -> Capabilities:
    """What can be relied on, whichever of several models answers."""
    every = [attrs.asdict(each) for each in models]
    return Capabilities(**{name: _least([each[name] for each in every]) for name in every[0]})


def _least(values: list[Any]) -> Any:
    """What holds for all: one that cannot is enough to say no, one unknown to know nothing."""
    if False in values:
        return False
    known = [value for value in values if value is not None]
    return min(known) if len(known) == len(values) else None


def require(request: Request, capabilities: Capabilities, model: str) -> None:
    """Refuse a request that needs what its model lacks.

    Raises:
        CapabilityMissing: The text says what.
    """
    for name, what, instead in _needs(request):
        if getattr(capabilities, name) is False:
            raise CapabilityMissing(
                f"{model} cannot {what}: {instead}, or choose another model. If it can, say so: "
                f"Model({model!r}, capabilities=Capabilities({name}=True))"
            )


def fitted(request: Request, capabilities: Capabilities) -> Request:
    """The request without what tools have shown and its model cannot see; the results say so.

    A user who shows something is told so instead (`require`): nobody can ask a tool again.
    """

    def is_left_out(part: Shown) -> bool:
        can = capabilities.images if isinstance(part, Image) else capabilities.files
        return can is False

    if capabilities.images is not False and capabilities.files is not False:
        return request
    turns = tuple(without_results_shown(turn, is_left_out) for turn in request.turns)
    return attrs.evolve(request, turns=turns)


def _needs(request: Request) -> Iterator[tuple[str, str, str]]:
    """By the names of capabilities: what it is, and how to do without."""
    shown = [part for turn in request.turns if isinstance(turn, UserTurn) for part in turn.parts]
    if request.tools:
        yield "tools", "call tools", 'give it none, or set AgentOptions(style="react")'
    if request.settings.thinking not in (None, "off"):
        yield "thinking", "reason before it answers", "leave out Settings(thinking=...)"
    if any(isinstance(part, Image) for part in shown):
        yield "images", "be shown pictures", "describe them in words"
    if any(isinstance(part, File) for part in shown):
        yield "files", "be given documents", "give it their text"
    if request.output is not None:
        yield "json_schema", "be held to a JSON schema", "ask for the format in words"


def known_capabilities(provider: str, model: str) -> Capabilities:
    """What is known of a model, by the provider's own name of it; else of the provider.

    A date or "latest" behind the name makes no other model of it.
    """
    models = MODELS.get(provider, {})
    name = model.removeprefix("models/")
    found = models.get(name) or models.get(_VERSION.sub("", name))
    return found or PROVIDERS.get(provider, Capabilities())


_VERSION: Final = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8}|latest|\d{3,4})$")


def _named(*rows: tuple[str, Capabilities]) -> Mapping[str, Capabilities]:
    return {name: record for names, record in rows for name in names.split()}


_CLAUDE: Final = Capabilities(
    tools=True,
    parallel_tools=True,
    thinking=True,
    images=True,
    files=True,
    json_schema=True,
    json_schema_with_tools=True,
)
# Before Gemini 3 such a request is refused; what is known of the later ones is not measured.
_GEMINI: Final = attrs.evolve(
    _CLAUDE, json_schema_with_tools=None, context_tokens=1_048_576, output_tokens=65_536
)
_GPT: Final = attrs.evolve(_CLAUDE, thinking=False)
_GPT_REASONING: Final = attrs.evolve(_CLAUDE, context_tokens=400_000, output_tokens=128_000)
_GPT_LONG: Final = attrs.evolve(_GPT_REASONING, context_tokens=1_050_000)
_GPT_TEXT: Final = attrs.evolve(
    _GPT,
    parallel_tools=None,
    images=False,
    files=False,
    json_schema=False,
    json_schema_with_tools=False,
)
_O: Final = attrs.evolve(
    _CLAUDE, parallel_tools=False, context_tokens=200_000, output_tokens=100_000
)

_OPENAI: Final = _named(
    ("gpt-3.5-turbo", attrs.evolve(_GPT_TEXT, context_tokens=16_385, output_tokens=4_096)),
    ("gpt-4", attrs.evolve(_GPT_TEXT, context_tokens=8_192)),
    (
        "gpt-4-turbo",
        attrs.evolve(
            _GPT,
            files=None,
            json_schema=False,
            json_schema_with_tools=False,
            context_tokens=128_000,
            output_tokens=4_096,
        ),
    ),
    ("gpt-4o gpt-4o-mini", attrs.evolve(_GPT, context_tokens=128_000, output_tokens=16_384)),
    (
        "gpt-4.1 gpt-4.1-mini gpt-4.1-nano",
        attrs.evolve(_GPT, context_tokens=1_047_576, output_tokens=32_768),
    ),
    ("o1 o3 o4-mini", _O),
    ("o3-mini", attrs.evolve(_O, images=False, files=False)),
    ("gpt-5 gpt-5-mini gpt-5-nano gpt-5.1 gpt-5.2 gpt-5.4-mini gpt-5.4-nano", _GPT_REASONING),
    (
        (
            "gpt-5.4 gpt-5.5 gpt-5.6 gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna "
            "gpt-6-astra gpt-6-sol gpt-6-luna gpt-6.1-sol gpt-6.1-terra"
        ),
        _GPT_LONG,
    ),
)

MODELS: Final[Mapping[str, Mapping[str, Capabilities]]] = {
    "openai": _OPENAI,
    "openai-responses": _OPENAI,
    "anthropic": _named(
        (
            "claude-haiku-4-5 claude-sonnet-4-5 claude-opus-4-5",
            attrs.evolve(_CLAUDE, context_tokens=200_000, output_tokens=64_000),
        ),
        (
            (
                "claude-sonnet-4-6 claude-opus-4-6 claude-opus-4-7 claude-opus-4-8 "
                "claude-sonnet-5 claude-sonnet-5-5 claude-opus-5 claude-opus-5-5 claude-haiku-5-5"
            ),
            attrs.evolve(_CLAUDE, context_tokens=1_000_000, output_tokens=128_000),
        ),
    ),
    "gemini": _named(
        (
            (
                "gemini-2.5-flash gemini-2.5-flash-lite gemini-2.5-pro gemini-3-flash-preview "
                "gemini-3.1-flash-lite gemini-3.1-pro-preview gemini-3.5-flash "
                "gemini-3.5-flash-lite gemini-3.6-flash gemini-3.7-flash gemini-3.8-flash"
            ),
            _GEMINI,
        ),
    ),
    "local": _named(
        (  # what we serve ourselves: its template calls tools, llama.cpp follows a schema
            "smollm2",
            Capabilities(
                tools=True,
                thinking=False,
                images=False,
                files=False,
                json_schema=True,
                context_tokens=8_192,
            ),
        ),
    ),
}
"""By the provider, then by its own name of the model."""

PROVIDERS: Final[Mapping[str, Capabilities]] = {
    "anthropic": attrs.evolve(
        _CLAUDE, thinking=None, json_schema=None, json_schema_with_tools=None
    ),  # since Claude 3
}
"""What holds for whatever else a provider has; where one is missing, nothing is known."""
