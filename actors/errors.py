"""Every error of the agents' half, split by whose doing it was.

All are `RuntimeFault`s: one that a handler leaves unhandled fails that message, not the actor.
None of them ever holds a key.
"""

from __future__ import annotations

from runtime import RuntimeFault

from .chat import StreamResponse


class ConfigurationError(RuntimeFault):
    """The caller asked for something that cannot be set up; nothing was started."""


class UnknownModel(ConfigurationError):
    """The model's name has no known provider; the text lists what can be written."""


class MissingKey(ConfigurationError):
    """The provider needs an API key and none was given; the text names the variable."""


class ModelNotPulled(ConfigurationError):
    """A local model's files are not on this machine; the text says how to fetch them."""


class RecordingUnusable(ConfigurationError):
    """A recording cannot be read or written: the text says which file, and which line of it."""


class ReplayMismatch(ConfigurationError):
    """The program asks what was not recorded: the text shows the first difference.

    Nothing was answered, and the recording goes on where it was.
    """


class PullFailed(ConfigurationError):
    """A local model's files could not be fetched; what had arrived is kept for the next try."""


class ModelServerEnded(RuntimeFault):
    """The process that serves a local model did not come up, or ended; nothing is left of it."""


class StreamInterrupted(RuntimeFault):
    """A stream ended before its terminal frame.

    Attributes:
        partial: Everything that arrived, readable as any response.
    """

    def __init__(self, text: str, *, partial: StreamResponse | None = None) -> None:
        super().__init__(text)
        self.partial = partial if partial is not None else StreamResponse()


class StreamTruncated(StreamInterrupted):
    """The connection ended before the stream's terminal frame. A retry starts from nothing."""


class StreamStalled(StreamInterrupted):
    """The provider was silent for longer than a limit allows; the socket has been closed.

    Attributes:
        limit: Which one: "first_byte", "idle" or "total".
        seconds: Its length.
    """

    def __init__(
        self, text: str, *, limit: str, seconds: float, partial: StreamResponse | None = None
    ) -> None:
        super().__init__(text, partial=partial)
        self.limit = limit
        self.seconds = seconds


class ProviderError(RuntimeFault):
    """The provider answered with an error, or could not be reached.

    Attributes:
        status: The HTTP status, or None where there was no answer.
        request_id: The provider's id of the request, for its support.
        retryable: Whether the same request may succeed later.
        retry_after: Seconds that the provider asks to wait, or None.
        partial: What had arrived before an error inside the stream.
    """

    retryable = False

    def __init__(
        self,
        text: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        partial: StreamResponse | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.partial = partial if partial is not None else StreamResponse()


class ProviderRejected(ProviderError):
    """The request itself is wrong (HTTP 400, 404, 413, 422): change it before trying again."""


class ProviderUnauthorized(ProviderError):
    """The key is wrong or lacks the right (HTTP 401, 403)."""


class ProviderRateLimited(ProviderError):
    """Too many requests (HTTP 429); wait for `retry_after` seconds."""

    retryable = True


class ProviderUnavailable(ProviderError):
    """No server at the address, or the server failed (HTTP 5xx, an error in the stream)."""

    retryable = True


class ProviderOverloaded(ProviderError):
    """Our own bounded queue for this provider is full; nothing was sent."""

    retryable = True


class ProviderProtocolError(ProviderError):
    """The provider sent bytes that its protocol does not allow."""


class LimitReached(RuntimeFault):
    """A run hit a limit of its `AgentOptions`; everything up to there is in the history.

    Attributes:
        limit: Which one, by its name in `Limits`.
    """

    def __init__(self, text: str, *, limit: str) -> None:
        super().__init__(text)
        self.limit = limit
