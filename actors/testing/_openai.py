"""What OpenAI's APIs have in common: errors, embeddings, counts of tokens. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from ._vectors import DIMENSIONS, in_base64, vector

if TYPE_CHECKING:
    from actors.chat import Usage

    from ._wire import Asked, Failure, Json

KINDS: Final = {
    401: "invalid_request_error",
    403: "invalid_request_error",
    429: "requests",
}
CODES: Final = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
SERVER_ERROR: Final = 500


def error_of(failure: Failure) -> Json:
    """The error object; its `type` is about whose doing it was, its `code` about what."""
    kind = "server_error" if failure.status >= SERVER_ERROR else "invalid_request_error"
    return {
        "message": failure.message,
        "type": KINDS.get(failure.status, kind),
        "param": failure.param,
        "code": failure.code or CODES.get(failure.status),
    }


def error_body(failure: Failure) -> Json:
    return {"error": error_of(failure)}


def embeddings(asked: Asked) -> Json:
    """`POST /embeddings`."""
    given: Any = asked.body.get("input", "")
    texts = cast("list[object]", given) if isinstance(given, list) else [given]
    vectors = [vector(str(text), asked.body.get("dimensions") or DIMENSIONS) for text in texts]
    packed = asked.body.get("encoding_format") == "base64"
    tokens = sum(len(str(text).split()) for text in texts)
    return {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": in_base64(numbers) if packed else numbers,
            }
            for index, numbers in enumerate(vectors)
        ],
        "model": asked.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def chat_usage(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def responses_usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cache_read_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
