"""The provider actor: one codec, any number of answers at a time up to a bound.

It holds the chunks of at most one read of the socket: a reader that does not read makes the
server wait. Leaving a stream closes its socket at once. How it asks, `Caller` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.budget import metered
from actors.chat import Request, Settings, StreamChunk
from runtime import Actor, Exit, Sink

from ._api import Generate, ProviderApi
from ._caller import Caller, Endpoint
from ._capabilities import fitted, require
from ._exchange import Question, fit_to_send
from ._rates import estimated_tokens
from ._several import capabilities_of
from ._whole import Whole

if TYPE_CHECKING:
    from ._model import Route
    from .codecs import Codec


class Provider(Actor, ProviderApi):
    """Answers requests by asking a server over HTTP.

    Args:
        route: The model, looked up by `resolve`.
        endpoint: The base address; or what to ask for it, anew for each request, so that a
            local server is found again after its restart.
    """

    def __init__(self, route: Route, endpoint: Endpoint | None = None) -> None:
        found = endpoint if endpoint is not None else route.base_url
        if route.codec is None or found is None:
            raise ValueError(f"{route.model.name} is not reached over HTTP: use start_provider")
        self._route = route
        self._codec: Codec = route.codec
        self._capabilities = capabilities_of(route.model)
        self._caller = Caller(route, found)

    async def started(self) -> None:
        self._caller.open(self.ref.path)

    async def stopped(self, exit: Exit) -> None:
        del exit
        await self._caller.aclose()

    def described(self) -> str:
        """How much of the pool is in use, and how the circuit stands."""
        return self._caller.in_words()

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        model = self._route.model
        with fit_to_send():
            request = self._prepared(message.request)
            sent = self._codec.encode(request, model.model)
            tokens = estimated_tokens(sent.body, request.settings.max_tokens)
        if not request.streamed:
            out = Whole(out)
        question = Question(sent, self._codec.decoder, tokens)
        async with self._caller.turn(), metered(out, model.name, request) as counted:
            await self._caller.ask(question, counted)

    def _prepared(self, request: Request) -> Request:
        """With what the model's record says where the request does not, and fit for the model."""
        settings = merged(self._route.model.settings, request.settings)
        streamed = request.streamed and self._capabilities.streaming
        request = attrs.evolve(request, settings=settings, streamed=streamed)
        require(request, self._capabilities, self._route.model.name)
        return fitted(request, self._capabilities)


def merged(usual: Settings, asked: Settings) -> Settings:
    """`asked`, with what it leaves open taken from `usual`."""
    default = Settings()
    chosen = {
        field.name: getattr(asked, field.name)
        for field in attrs.fields(Settings)
        if getattr(asked, field.name) != getattr(default, field.name)
    }
    return attrs.evolve(usual, **chosen)
