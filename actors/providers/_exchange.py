"""One request, sent once, and its answer handed on as it comes."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import attrs
import trio

from actors.chat import StreamChunk, StreamResponse
from actors.errors import AnswerFailed, ConfigurationError, ProviderError, StreamInterrupted
from actors.http import Secrets, Transport
from runtime import RuntimeFault

from ._api import Clock
from ._hints import Refused, add_hints
from ._model import Route
from .codecs import ERROR_BODY_BYTES, Decoder, WireRequest, refusal, request_id_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from actors.http import TransportStream
    from runtime import Sink

SETTLE_SECONDS: Final = 0.05
OK: Final = 200


@attrs.frozen
class Question:
    """What is asked, and how the answer is to be read.

    Attributes:
        decoder: Makes a decoder for one answer.
        tokens: How many it may cost.
    """

    request: WireRequest
    decoder: Callable[[], Decoder]
    tokens: int


@attrs.frozen
class Line:
    """What all exchanges with one server share.

    Attributes:
        secrets: What must not stand in an error.
        is_calm: Whether so few answers arrive that a tenth of latency is worth a twelfth of CPU.
    """

    client: Transport
    route: Route
    secrets: Secrets
    clock: Clock
    is_calm: Callable[[], bool]


@contextmanager
def fit_to_send() -> Generator[None]:
    """Whatever cannot be made into a request is the asker's doing, and no crash of the provider.

    A crash would end the answers of all others.

    Raises:
        ConfigurationError: In place of any error that is not ours.
    """
    try:
        yield
    except RuntimeFault:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise ConfigurationError(f"the request cannot be sent: {kind}: {error}") from error


class Exchange:
    """One attempt to get an answer.

    Args:
        line: The way to the server.
        question: What to ask.
        begins: Called with the first chunk, before that is handed on; what it returns is.

    Attributes:
        arrived: The chunks so far.
        headers: Of the answer; empty until it begins.
    """

    def __init__(
        self, line: Line, question: Question, begins: Callable[[StreamChunk], StreamChunk]
    ) -> None:
        self._line = line
        self._question = question
        self._begins = begins
        self._started = line.clock.now()
        self.arrived: list[StreamChunk] = []
        self.headers: Mapping[str, str] = {}

    async def carry_out(self, base_url: str, out: Sink[StreamChunk]) -> None:
        """Send the request and hand on the answer; leaving closes the socket.

        Raises:
            AnswerFailed: With what arrived, what is known of the request, and no key.
        """
        request = self._question.request
        url = base_url + request.path
        headers = {**dict(request.headers), **self._line.route.headers}
        try:
            async with self._line.client.stream("POST", url, headers, request.body) as response:
                self.headers = response.headers
                if response.status != OK:
                    raise await self._refusal(response)
                await self._forward(response, out)
        except AnswerFailed as error:
            error.partial = self.response
            if error.request_id is None:
                error.request_id = request_id_of(self.headers)
            if isinstance(error, StreamInterrupted) and self.headers:
                error.status = OK
            self._hide_key(error)
            raise

    @property
    def response(self) -> StreamResponse:
        """What arrived, as a response."""
        response = StreamResponse(self._started)
        for chunk in self.arrived:
            response.add(chunk)
        return response

    async def _forward(self, response: TransportStream, out: Sink[StreamChunk]) -> None:
        """Hand on one read after the other until the answer is complete."""
        line = self._line
        decoder = self._question.decoder()
        now = line.clock.now
        while data := await response.read():
            chunks = decoder.feed(data, now())
            if chunks:
                self._note(chunks)
                await out.send_many(chunks)
                if line.is_calm():
                    # The reader has been woken: let it run before we go back to the socket.
                    await trio.lowlevel.cancel_shielded_checkpoint()
            if decoder.done:
                await response.settle(SETTLE_SECONDS)
                return
            if decoder.failure is not None:
                raise decoder.failure
        chunks = decoder.finish(now())
        self._note(chunks)
        await out.send_many(chunks)

    def _note(self, chunks: list[StreamChunk]) -> None:
        if chunks and not self.arrived:
            chunks[0] = self._begins(chunks[0])
        self.arrived += chunks

    async def _refusal(self, response: TransportStream) -> ProviderError:
        try:
            body = await response.read_at_most(ERROR_BODY_BYTES)
        except (StreamInterrupted, ProviderError):
            body = b""  # the status says enough
        now = self._line.clock.now()
        error = refusal(response.status, response.headers, body, now)
        add_hints(error, Refused(response.headers, body), self._question.tokens, now)
        return error

    def _hide_key(self, error: AnswerFailed) -> None:
        """Providers quote keys in their complaints, and their headers may echo them."""
        mask = self._line.secrets.mask_said
        error.args = (mask(str(error)), *error.args[1:])
        if error.request_id is not None:
            error.request_id = mask(error.request_id)
        trace = "".join(traceback.format_exception(error))
        if mask(trace) != trace:
            error.__cause__ = error.__context__ = None
