"""How servers depart from OpenAI's own chat completions, as data. Pure.

Only what changes a request stands here, and what of an answer goes back. What a server may leave
out of its answers, add to them or put in another place is read whoever sends it: `[DONE]`,
usage in any chunk or none, `index`, reasoning under either name. Sources are the providers' API
references and, where these are silent, what their servers refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import attrs

Fields = Mapping[str, Any]


def _efforts(low: str = "low", medium: str = "medium", high: str = "high") -> Mapping[str, Fields]:
    words = {"low": low, "medium": medium, "high": high}
    return {name: {"reasoning_effort": word} for name, word in words.items()}


NO_EFFORT: Final[Fields] = {"reasoning_effort": "none"}


@attrs.frozen
class Dialect:
    """How a server departs from OpenAI's own API.

    Attributes:
        path: What is added to the base address; `{model}` stands for the model's name.
        max_tokens: The name under which it takes `Settings.max_tokens`.
        seed: The name under which it takes `Settings.seed`.
        stream_options: Whether it may be asked to count tokens in a stream.
        reasoning: Fields of a delta that carry reasoning; the first that has text counts.
        echo_reasoning: The field under which reasoning goes back to the server, if it does.
        echo_with_calls: Only once tools were called, and then in every turn, be it empty.
        sealed: Fields of an answer's message that go back as they came.
        thinking: What asks for each effort.
        thinking_off: What turns reasoning off, by how the model's name starts; the first counts,
            and the last is for all names.
        named_choice: Whether one tool can be chosen by its name.
        schema: What makes it write JSON: a schema, or just the word, the schema being said.
        strict: Whether a schema may be marked as strict.
        documents: How it takes files, and whether by their address.
        call_id_length: So many letters and digits must an id of a call have; None for any.
        answers_results: Whether it refuses a user's message right behind tools' results.
        request_fields: What every request carries, unless its settings say otherwise.
    """

    path: str = "/chat/completions"
    max_tokens: str = "max_tokens"
    seed: str = "seed"
    stream_options: bool = True
    reasoning: tuple[str, ...] = ("reasoning_content", "reasoning")
    echo_reasoning: str | None = None
    echo_with_calls: bool = False
    sealed: tuple[str, ...] = ()
    thinking: Mapping[str, Fields] = attrs.field(factory=_efforts)
    thinking_off: tuple[tuple[str, Fields], ...] = (("", NO_EFFORT),)
    named_choice: bool = True
    schema: Literal["json_schema", "json_object"] = "json_schema"
    strict: bool = True
    documents: Literal["file", "file or address", "document_url"] = "file"
    call_id_length: int | None = None
    answers_results: bool = False
    request_fields: Fields = attrs.field(factory=dict[str, Any])


COMPATIBLE: Final = Dialect()

# Models that do not reason refuse the very word; the first that do cannot leave it.
_OPENAI_OFF: Final[tuple[tuple[str, Fields], ...]] = (
    *((start, {}) for start in ("gpt-3", "gpt-4", "chatgpt-", "gpt-5-chat")),
    *((start, {"reasoning_effort": "low"}) for start in ("o1", "o3", "o4")),
    ("gpt-5.", NO_EFFORT),
    ("gpt-5", {"reasoning_effort": "minimal"}),
    ("", NO_EFFORT),
)
OPENAI: Final = Dialect(
    max_tokens="max_completion_tokens", sealed=("audio",), thinking_off=_OPENAI_OFF
)


def azure_deployment(api_version: str) -> Dialect:
    """Azure's older API, whose addresses name the deployment; base_url is the bare endpoint."""
    path = "/openai/deployments/{model}/chat/completions?api-version=" + api_version
    return attrs.evolve(OPENAI, path=path)


# DeepSeek: since V4 reasoning must go back in a conversation that calls tools, also with the
# answers that follow them, and is ignored in others; R1 refuses it, and calls no tools. Its JSON
# mode knows no schema.
_DEEPSEEK: Final = Dialect(
    echo_reasoning="reasoning_content",
    echo_with_calls=True,
    thinking=_efforts(),
    thinking_off=(("", {"thinking": {"type": "disabled"}}),),
    schema="json_object",
)
# OpenRouter: sealed reasoning of any vendor is in `reasoning_details`.
_OPENROUTER: Final = Dialect(
    sealed=("reasoning_details",),
    thinking={name: {"reasoning": {"effort": name}} for name in ("low", "medium", "high")},
    thinking_off=(("", {"reasoning": {"effort": "none"}}),),
    documents="file or address",
)
# Mistral refuses every field that it does not know, ids of calls that are not like its own, and a
# user's message behind results ("Unexpected role 'user' after role 'tool'").
_MISTRAL: Final = Dialect(
    seed="random_seed",
    stream_options=False,
    thinking=_efforts("high", "high", "high"),
    thinking_off=(("mistral-small", NO_EFFORT), ("", {})),
    documents="document_url",
    call_id_length=9,
    answers_results=True,
)
# llama.cpp takes a named choice for "auto". Whether a template can think is the template's word.
_LLAMACPP: Final = Dialect(
    thinking={
        name: {"chat_template_kwargs": {"enable_thinking": True, "reasoning_effort": name}}
        for name in ("low", "medium", "high")
    },
    thinking_off=(("", {"chat_template_kwargs": {"enable_thinking": False}}),),
    named_choice=False,
)
_VLLM: Final = Dialect(
    thinking_off=(("", {"chat_template_kwargs": {"enable_thinking": False}}),),
)
# Groq holds only its gpt-oss models to a schema, and refuses `strict` for all others; models that
# do not reason refuse an effort.
_GROQ: Final = Dialect(
    max_tokens="max_completion_tokens",
    thinking_off=(("qwen", NO_EFFORT), ("gpt-oss", {"reasoning_effort": "low"}), ("", {})),
    strict=False,
)
_TOGETHER: Final = Dialect(
    thinking_off=(("", {"reasoning": {"enabled": False}}),),
)
# xAI knows no "medium" and no "off" for most of its models.
_XAI: Final = Dialect(
    max_tokens="max_completion_tokens",
    thinking=_efforts("low", "low", "high"),
    thinking_off=(("", {}),),
)
# Perplexity's models search before they answer; those that do not reason ignore the effort.
_PERPLEXITY: Final = Dialect(thinking_off=(("", {"reasoning_effort": "minimal"}),), strict=False)

DIALECTS: Final[Mapping[str, Dialect]] = {
    "openai": OPENAI,
    "openai-compatible": COMPATIBLE,
    "azure": OPENAI,
    "deepseek": _DEEPSEEK,
    "groq": _GROQ,
    "llamacpp": _LLAMACPP,
    "mistral": _MISTRAL,
    "openrouter": _OPENROUTER,
    "perplexity": _PERPLEXITY,
    "together": _TOGETHER,
    "vllm": _VLLM,
    "xai": _XAI,
}
"""The dialects by the names of their providers."""
