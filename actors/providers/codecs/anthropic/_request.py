"""Encodes a request as Anthropic Messages takes it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.chat import OutputSchema, Settings, SystemTurn, ToolSpec
from actors.errors import ConfigurationError
from actors.providers.codecs._codec import WireRequest
from actors.providers.codecs._plain_json import extended, write_json

from ._turns import messages_of
from ._wire import VERSION, Fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.chat import Request

PATH: Final = "/v1/messages"
MAX_TOKENS: Final = 8192  # the API demands a number; every model that is served can write these
LEAST_BUDGET: Final = 1024  # tokens of thinking; the API refuses less
BUDGETS: Final[Mapping[str, int]] = {"low": 2048, "medium": 8192, "high": 16384}
# Claudes that are told how many tokens to think. Later ones decide for themselves and are told
# how hard to try; they refuse a number, and these refuse to be asked to decide.
BUDGETED: Final = (
    "claude-3",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-2",  # begins the date in claude-opus-4-20250514; likewise below
    "claude-opus-4-5",
    "claude-sonnet-4-0",
    "claude-sonnet-4-2",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
)
# Claudes that take a temperature; later ones refuse any.
SAMPLED: Final = (*BUDGETED, "claude-opus-4-6", "claude-sonnet-4-6")


def encode_request(request: Request, model: str) -> WireRequest:
    """The request as bytes.

    Raises:
        ConfigurationError: It says nothing, or holds what JSON or this API cannot.
    """
    headers = [("content-type", "application/json"), ("anthropic-version", VERSION)]
    extra = dict(request.settings.extra)
    if betas := extra.pop("betas", None):  # where the official SDK takes them, and as it does
        headers.append(("anthropic-beta", betas if isinstance(betas, str) else ",".join(betas)))
    body = extended(_body(request, model), extra)
    if "tools" in body:
        body = _tool_choice(request.settings) | body
    return WireRequest(PATH, write_json(body), tuple(headers))


def _body(request: Request, model: str) -> Fields:
    body: Fields = {"model": model, "messages": messages_of(request.turns)}
    if not body["messages"]:
        raise ConfigurationError("a request needs at least one turn, such as user('Hello')")
    body |= _system(request)
    if request.streamed:
        body["stream"] = True
    body |= _settings(request.settings, model)
    if request.output is not None:
        body["output_config"] = body.get("output_config", {}) | _format(request.output)
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
    return body


def _system(request: Request) -> Fields:
    texts = [turn.text for turn in request.turns if isinstance(turn, SystemTurn)]
    texts = [text for text in texts if text.strip()]
    match texts:
        case []:
            return {}
        case [text]:
            return {"system": text}
        case _:
            return {"system": [{"type": "text", "text": text} for text in texts]}


def _tool(spec: ToolSpec) -> Fields:
    described = {"description": spec.description} if spec.description else {}
    return {"name": spec.name, **described, "input_schema": spec.parameters}


def _tool_choice(settings: Settings) -> Fields:
    wanted, parallel = settings.tool_choice, settings.parallel_tool_calls
    if wanted is None and parallel is None:
        return {}
    named = {None: "auto", "auto": "auto", "none": "none", "required": "any"}.get(wanted)
    choice: Fields = {"type": named} if named is not None else {"type": "tool", "name": wanted}
    if parallel is not None and named != "none":
        choice["disable_parallel_tool_use"] = not parallel
    return {"tool_choice": choice}


def _format(output: OutputSchema) -> Fields:
    return {"format": {"type": "json_schema", "schema": output.schema}}


def _settings(settings: Settings, model: str) -> Fields:
    """What the API or the model does not have is left out: the same settings do for all."""
    bound = settings.max_tokens
    named: Fields = {"max_tokens": MAX_TOKENS if bound is None else bound}
    if settings.stop:
        named["stop_sequences"] = settings.stop
    if settings.thinking is None or settings.thinking == "off":
        off = {"thinking": {"type": "disabled"}} if settings.thinking == "off" else {}
        return named | off | _sampling(settings, model)
    if _is_claude_but_none_of(BUDGETED, model):
        thinking = {"type": "adaptive", "display": "summarized"}
        return named | {"thinking": thinking, "output_config": {"effort": settings.thinking}}
    return named | _budget(settings.thinking, settings.max_tokens)


def _is_claude_but_none_of(early: tuple[str, ...], model: str) -> bool:
    """Other servers' models are taken for early ones: that is what those servers know."""
    return model.startswith("claude") and not model.startswith(early)


def _sampling(settings: Settings, model: str) -> Fields:
    if _is_claude_but_none_of(SAMPLED, model):
        return {}
    named = {"temperature": settings.temperature, "top_p": settings.top_p}
    return {name: value for name, value in named.items() if value is not None}


def _budget(effort: str, max_tokens: int | None) -> Fields:
    """What is thought counts against what may be written: the bound has to hold both."""
    budget = BUDGETS[effort]
    if max_tokens is None:
        max_tokens = budget + MAX_TOKENS
    elif max_tokens <= LEAST_BUDGET:
        raise ConfigurationError(
            f"thinking takes {LEAST_BUDGET} tokens or more, of the {max_tokens} that max_tokens "
            "allows in all: give more, leave it out, or write thinking='off'"
        )
    else:
        budget = min(budget, max(LEAST_BUDGET, max_tokens // 2))
    return {
        "max_tokens": max_tokens,
        "thinking": {"type": "enabled", "budget_tokens": budget},
    }
