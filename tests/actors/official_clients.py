"""The official clients of the five wires, each as it is meant to be used, blocking.

They are imported where they are used: they come with the extra `peers`.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.testing import WireName

LIBRARIES: Final = ("openai", "anthropic", "google.genai", "ollama")
KEY: Final = "sk-fake"
MODEL: Final = "fake-1"
MISSING: Final = "the official clients are not installed here: make peers"
TOOL: Final[dict[str, Any]] = {"type": "object", "properties": {"a": {"type": "integer"}}}
SERVER_ERROR: Final = 500


def are_installed() -> bool:
    """Whether all of them are there."""
    try:
        return all(importlib.util.find_spec(name) for name in LIBRARIES)
    except ModuleNotFoundError:  # the parent of one with a dot
        return False


@attrs.define
class Seen:
    """What a client read.

    Attributes:
        calls: Name and arguments.
        seals: What has to go back unchanged.
        finish: The provider's word for why the model stopped.
        tokens: In and out.
    """

    text: str = ""
    thinking: str = ""
    calls: list[tuple[str, Any]] = attrs.field(factory=list[tuple[str, Any]])
    seals: list[str] = attrs.field(factory=list[str])
    finish: str = ""
    tokens: tuple[int, int] = (0, 0)


class Client(Protocol):
    """One official client.

    Attributes:
        errors: What it raises.
        names: The error's class for a status, where it has one of its own.
    """

    errors: type[Exception]
    names: ClassVar[dict[int, str]]

    def stream(self, base_url: str, text: str) -> Seen: ...
    def complete(self, base_url: str, text: str) -> Seen: ...
    def converse(self, base_url: str, text: str) -> Seen: ...
    def embed(self, base_url: str, texts: list[str]) -> list[list[float]]: ...
    def status_of(self, error: Any) -> int: ...
    def other(self, status: int) -> str: ...


class OpenAIClient:
    """What is the same for both APIs of OpenAI."""

    names: ClassVar = {
        400: "BadRequestError",
        401: "AuthenticationError",
        403: "PermissionDeniedError",
        404: "NotFoundError",
        429: "RateLimitError",
    }

    def __init__(self) -> None:
        self._library: Any = importlib.import_module("openai")
        self.errors = self._library.APIError

    def _open(self, base_url: str) -> Any:
        return self._library.OpenAI(base_url=base_url, api_key=KEY, max_retries=0, timeout=5)

    def embed(self, base_url: str, texts: list[str]) -> list[list[float]]:
        with self._open(base_url) as client:
            answer = client.embeddings.create(model=MODEL, input=texts)
            return [each.embedding for each in answer.data]

    def status_of(self, error: Any) -> int:
        return error.status_code

    def other(self, status: int) -> str:
        return "InternalServerError" if status >= SERVER_ERROR else "APIStatusError"


class OpenAIChatClient(OpenAIClient):
    def stream(self, base_url: str, text: str) -> Seen:
        """Through `chat.completions.stream`, the helper that adds the pieces up."""
        seen = Seen()
        with (
            self._open(base_url) as client,
            client.chat.completions.stream(
                **self._asked([{"role": "user", "content": text}]),
                stream_options={"include_usage": True},
            ) as stream,
        ):
            for event in stream:
                if event.type == "chunk" and event.chunk.choices:
                    delta = event.chunk.choices[0].delta
                    seen.thinking += getattr(delta, "reasoning_content", None) or ""
            return self._read(stream.current_completion_snapshot, seen)

    def complete(self, base_url: str, text: str) -> Seen:
        with self._open(base_url) as client:
            asked = self._asked([{"role": "user", "content": text}])
            return self._read(client.chat.completions.create(**asked), Seen())

    def converse(self, base_url: str, text: str) -> Seen:
        messages: list[Any] = [{"role": "user", "content": text}]
        with self._open(base_url) as client:
            first = client.chat.completions.create(**self._asked(messages)).choices[0].message
            messages.append(first.model_dump(exclude_none=True))
            messages += [
                {"role": "tool", "tool_call_id": call.id, "content": "3"}
                for call in first.tool_calls
            ]
            return self._read(client.chat.completions.create(**self._asked(messages)), Seen())

    def _asked(self, messages: list[Any]) -> dict[str, Any]:
        function = {"name": "add", "parameters": TOOL}
        tools = [{"type": "function", "function": function}]
        return {"model": MODEL, "messages": messages, "tools": tools}

    def _read(self, completion: Any, seen: Seen) -> Seen:
        (choice,) = completion.choices
        message = choice.message
        seen.text = message.content or ""
        if message.refusal:
            seen.text += f"(refused) {message.refusal}"
        seen.thinking = seen.thinking or getattr(message, "reasoning_content", None) or ""
        seen.calls = [
            (call.function.name, json.loads(call.function.arguments))
            for call in message.tool_calls or ()
        ]
        seen.finish = choice.finish_reason
        if completion.usage is not None:
            usage = completion.usage
            seen.tokens = (usage.prompt_tokens, usage.completion_tokens)
        return seen


class OpenAIResponsesClient(OpenAIClient):
    def stream(self, base_url: str, text: str) -> Seen:
        """The helper's own sum, and beside it the deltas: both must say the same."""
        said: dict[str, str] = {}
        with self._open(base_url) as client:
            final: Any = None
            for event in client.responses.create(**self._asked(text), stream=True):
                if event.type.endswith("delta"):
                    said[event.type] = said.get(event.type, "") + event.delta
                elif event.type in ("response.completed", "response.incomplete"):
                    final = event.response
        assert final is not None
        seen = self._read(final)
        assert seen.text.removeprefix("(refused) ") == said.get(
            "response.output_text.delta", ""
        ) + said.get("response.refusal.delta", "")
        assert seen.thinking == said.get("response.reasoning_summary_text.delta", "")
        return seen

    def complete(self, base_url: str, text: str) -> Seen:
        with self._open(base_url) as client:
            return self._read(client.responses.create(**self._asked(text)))

    def converse(self, base_url: str, text: str) -> Seen:
        given: list[Any] = [{"role": "user", "content": text}]
        with self._open(base_url) as client:
            with client.responses.stream(**self._asked(given)) as stream:
                stream.until_done()
                first = stream.get_final_response()
            given += first.output
            given += [
                {"type": "function_call_output", "call_id": item.call_id, "output": "3"}
                for item in first.output
                if item.type == "function_call"
            ]
            return self._read(client.responses.create(**self._asked(given)))

    def _asked(self, given: Any) -> dict[str, Any]:
        tools = [{"type": "function", "name": "add", "parameters": TOOL, "strict": False}]
        return {"model": MODEL, "input": given, "tools": tools, "store": False}

    def _read(self, response: Any) -> Seen:
        seen = Seen(text=response.output_text)
        for item in response.output:
            if item.type == "reasoning":
                seen.thinking += "".join(part.text for part in item.summary)
                seen.seals += [item.encrypted_content] if item.encrypted_content else []
            elif item.type == "function_call":
                seen.calls.append((item.name, json.loads(item.arguments)))
            else:
                refused = (part.refusal for part in item.content if part.type == "refusal")
                seen.text += "".join(f"(refused) {text}" for text in refused)
        details = response.incomplete_details
        seen.finish = response.status if details is None else details.reason
        seen.tokens = (response.usage.input_tokens, response.usage.output_tokens)
        return seen


class AnthropicClient:
    names: ClassVar = {**OpenAIClient.names, 529: "OverloadedError", 503: "ServiceUnavailableError"}

    def __init__(self) -> None:
        self._library: Any = importlib.import_module("anthropic")
        self.errors = self._library.APIError

    def _open(self, base_url: str) -> Any:
        return self._library.Anthropic(base_url=base_url, api_key=KEY, max_retries=0, timeout=5)

    def stream(self, base_url: str, text: str) -> Seen:
        asked = self._asked([{"role": "user", "content": text}])
        with self._open(base_url) as client, client.messages.stream(**asked) as stream:
            return self._read(stream.get_final_message())

    def complete(self, base_url: str, text: str) -> Seen:
        with self._open(base_url) as client:
            asked = self._asked([{"role": "user", "content": text}])
            return self._read(client.messages.create(**asked))

    def converse(self, base_url: str, text: str) -> Seen:
        messages: list[Any] = [{"role": "user", "content": text}]
        with self._open(base_url) as client:
            with client.messages.stream(**self._asked(messages)) as stream:
                first = stream.get_final_message()
            results = [
                {"type": "tool_result", "tool_use_id": block.id, "content": "3"}
                for block in first.content
                if block.type == "tool_use"
            ]
            messages.append({"role": "assistant", "content": first.content})
            messages.append({"role": "user", "content": results})
            return self._read(client.messages.create(**self._asked(messages)))

    def embed(self, base_url: str, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError("Anthropic has no embeddings")

    def _asked(self, messages: list[Any]) -> dict[str, Any]:
        return {
            "model": MODEL,
            "max_tokens": 4000,
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "messages": messages,
            "tools": [{"name": "add", "input_schema": TOOL}],
        }

    def _read(self, message: Any) -> Seen:
        seen = Seen(finish=message.stop_reason)
        for block in message.content:
            match block.type:
                case "text":
                    seen.text += block.text
                case "thinking":
                    seen.thinking += block.thinking
                    seen.seals.append(block.signature)
                case "redacted_thinking":
                    seen.seals.append(block.data)
                case _:
                    seen.calls.append((block.name, block.input))
        usage = message.usage
        seen.tokens = (usage.input_tokens, usage.output_tokens)
        return seen

    def status_of(self, error: Any) -> int:
        return error.status_code

    def other(self, status: int) -> str:
        return "InternalServerError" if status >= SERVER_ERROR else "APIStatusError"


class GeminiClient:
    names: ClassVar[dict[int, str]] = {}

    def __init__(self) -> None:
        self._library: Any = importlib.import_module("google.genai")
        self._types: Any = importlib.import_module("google.genai.types")
        errors: Any = importlib.import_module("google.genai.errors")
        self.errors = errors.APIError

    def _open(self, base_url: str) -> Any:
        options = {"base_url": base_url, "timeout": 5000}
        return self._library.Client(api_key=KEY, http_options=options)

    def stream(self, base_url: str, text: str) -> Seen:
        with self._open(base_url) as client:
            return self._read(client.models.generate_content_stream(**self._asked(text)))

    def complete(self, base_url: str, text: str) -> Seen:
        with self._open(base_url) as client:
            return self._read([client.models.generate_content(**self._asked(text))])

    def converse(self, base_url: str, text: str) -> Seen:
        types = self._types
        contents = [types.Content(role="user", parts=[types.Part(text=text)])]
        with self._open(base_url) as client:
            first = client.models.generate_content(**self._asked(contents))
            contents.append(first.candidates[0].content)
            results = [
                types.Part.from_function_response(name=call.name, response={"result": 3})
                for call in first.function_calls
            ]
            contents.append(types.Content(role="user", parts=results))
            return self._read([client.models.generate_content(**self._asked(contents))])

    def embed(self, base_url: str, texts: list[str]) -> list[list[float]]:
        with self._open(base_url) as client:
            answer = client.models.embed_content(model="gemini-embedding-001", contents=texts)
            return [each.values for each in answer.embeddings]

    def _asked(self, contents: Any) -> dict[str, Any]:
        types = self._types
        declared = types.FunctionDeclaration(name="add", parameters_json_schema=TOOL)
        off = types.AutomaticFunctionCallingConfig(disable=True)
        config = types.GenerateContentConfig(
            tools=[types.Tool(function_declarations=[declared])],
            automatic_function_calling=off,
        )
        return {"model": "gemini-3-fake", "contents": contents, "config": config}

    def _read(self, answers: Iterable[Any]) -> Seen:
        seen = Seen()
        for answer in answers:
            (candidate,) = answer.candidates
            for part in candidate.content.parts:
                self._part(part, seen)
            if candidate.finish_reason is not None:
                seen.finish = candidate.finish_reason.value
                usage = answer.usage_metadata
                thought = usage.thoughts_token_count or 0
                out = (usage.candidates_token_count or 0) + thought
                seen.tokens = (usage.prompt_token_count or 0, out)
        return seen

    def _part(self, part: Any, seen: Seen) -> None:
        if part.thought_signature:
            seen.seals.append(part.model_dump(mode="json")["thought_signature"])
        if part.function_call:
            seen.calls.append((part.function_call.name, part.function_call.args))
        elif part.thought:
            seen.thinking += part.text
        else:
            seen.text += part.text

    def status_of(self, error: Any) -> int:
        return error.code

    def other(self, status: int) -> str:
        return "ServerError" if status >= SERVER_ERROR else "ClientError"


class OllamaClient:
    names: ClassVar[dict[int, str]] = {}

    def __init__(self) -> None:
        self._library: Any = importlib.import_module("ollama")
        self.errors = self._library.ResponseError

    def _open(self, base_url: str) -> Any:
        return self._library.Client(host=base_url, timeout=5)

    def stream(self, base_url: str, text: str) -> Seen:
        asked = self._asked([{"role": "user", "content": text}])
        with self._open(base_url) as client:
            return self._read(client.chat(**asked, stream=True))

    def complete(self, base_url: str, text: str) -> Seen:
        asked = self._asked([{"role": "user", "content": text}])
        with self._open(base_url) as client:
            return self._read([client.chat(**asked)])

    def converse(self, base_url: str, text: str) -> Seen:
        messages: list[Any] = [{"role": "user", "content": text}]
        with self._open(base_url) as client:
            first = client.chat(**self._asked(messages)).message
            messages.append(first)
            messages += [
                {"role": "tool", "tool_name": call.function.name, "content": "3"}
                for call in first.tool_calls
            ]
            return self._read([client.chat(**self._asked(messages))])

    def embed(self, base_url: str, texts: list[str]) -> list[list[float]]:
        with self._open(base_url) as client:
            answer = client.embed(model=MODEL, input=texts)
            return [list(numbers) for numbers in answer.embeddings]

    def _asked(self, messages: list[Any]) -> dict[str, Any]:
        function = {"name": "add", "description": "adds", "parameters": TOOL}
        tools = [{"type": "function", "function": function}]
        return {"model": MODEL, "messages": messages, "tools": tools, "think": True}

    def _read(self, answers: Iterable[Any]) -> Seen:
        seen = Seen()
        for answer in answers:
            message = answer.message
            seen.text += message.content or ""
            seen.thinking += message.thinking or ""
            seen.calls += [
                (call.function.name, dict(call.function.arguments))
                for call in message.tool_calls or ()
            ]
            if answer.done:
                seen.finish = answer.done_reason
                seen.tokens = (answer.prompt_eval_count, answer.eval_count)
        return seen

    def status_of(self, error: Any) -> int:
        return error.status_code

    def other(self, status: int) -> str:
        del status
        return "ResponseError"


CLIENTS: Final[dict[WireName, type[Client]]] = {
    "openai-chat": OpenAIChatClient,
    "openai-responses": OpenAIResponsesClient,
    "anthropic": AnthropicClient,
    "gemini": GeminiClient,
    "ollama": OllamaClient,
}
