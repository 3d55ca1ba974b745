"""The provider actor: one HTTP client, one codec, any number of answers at a time up to a bound.

It holds the chunks of at most one read of the socket: a reader that does not read makes the
server wait. Leaving a stream closes its socket at once. What it decides about retries, rates
and the circuit is decided in pure modules beside this one; here it is carried out.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import attrs
import trio

from actors.budget import metered
from actors.chat import Settings, StreamChunk
from actors.errors import AnswerFailed, ProviderError
from runtime import Actor, Exit, Sink

from ._api import Clock, Generate, ProviderApi
from ._breaker import Circuit, CircuitState, Verdict, verdict_on
from ._exchange import Exchange, Line
from ._gate import Gate
from ._hints import wait_for, windows
from ._rates import Rates, estimated_tokens
from ._retry import seconds_before_retry

if TYPE_CHECKING:
    from actors.http import Transport

    from ._model import Route
    from .codecs import Codec, WireRequest

log = logging.getLogger("actors.providers")

FEW: Final = 32  # answers at a time; see `Line.is_calm`

Endpoint = str | Callable[[], Awaitable[str]]


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
        self._endpoint: Endpoint = found
        model = route.model
        self._rates = Rates(model.rate)
        self._gate = Gate(model.concurrency, model.waiting, self._rates)
        self._circuit = Circuit(model.breaker)
        self._client: Transport | None = None
        self._line: Line | None = None
        self._clock = Clock()
        self._dice = random.Random()  # noqa: S311 - jitter, not secrets
        self._retries = 0
        self._time: Callable[[], float] = trio.current_time  # callable anywhere once started

    async def started(self) -> None:
        secure = isinstance(self._endpoint, str) and self._endpoint.startswith("https:")
        limits, connections = self._route.model.limits, self._route.model.concurrency
        self._client = self._route.connect(limits, connections=connections, secure=secure)
        self._time = trio.lowlevel.current_clock().current_time
        self._line = Line(self._client, self._codec, self._route, self._clock, self._is_calm)

    async def stopped(self, exit: Exit) -> None:
        del exit
        if self._client is not None:
            await self._client.aclose()

    def _is_calm(self) -> bool:
        return self._gate.passing <= FEW

    def described(self) -> str:
        """How much of the pool is in use, and how the circuit stands."""
        gate, circuit, now = self._gate, self._circuit, self._time()
        words = [f"{gate.passing} of {self._route.model.concurrency} requests run"]
        if gate.waiting:
            words.append(f"{gate.waiting} wait")
        if self._retries:
            words.append(f"{self._retries} retries")
        if quiet := self._rates.quiet(now):
            words.append(f"quiet for {quiet:.1f} s")
        words.append(f"circuit {circuit.state.value}")
        if circuit.state is CircuitState.OPEN:
            words[-1] += f" for {max(circuit.probe_at - now, 0.0):.1f} s"
        elif circuit.failures:
            words[-1] += f" after {circuit.failures} failures"
        return ", ".join(words)

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        request = message.request
        settings = merged(self._route.model.settings, request.settings)
        call = self._codec.encode(attrs.evolve(request, settings=settings), self._route.model.model)
        tokens = estimated_tokens(call.body, settings.max_tokens)
        self._refuse_if_open()  # before it waits for a turn only to hear that
        async with self._gate.turn(), metered(out, self._route.model.name, request) as counted:
            await self._answer(call, tokens, counted)

    async def _answer(self, call: WireRequest, tokens: int, out: Sink[StreamChunk]) -> None:
        """Attempt after attempt, until one has handed on a chunk or a retry makes no sense."""
        failure: AnswerFailed | None = None
        attempts = 0
        try:
            while True:
                url = await self._base_url() + call.path
                await self._wait_for_leave(tokens, failure)
                attempts += 1
                try:
                    await self._attempt(url, call, out, tokens, attempts)
                except AnswerFailed as error:
                    failure, error.attempts = error, attempts
                    seconds = self._seconds_before_retry(error)
                    if seconds is None:
                        raise
                else:
                    return
                self._retries += 1
                self._log_retry(failure, seconds)
                await trio.sleep(seconds)
        finally:
            failure = None  # it and this frame would keep each other

    async def _wait_for_leave(self, tokens: int, failure: AnswerFailed | None) -> None:
        """Wait until the rates and the circuit let a request go.

        Where they do not, the `failure` of an attempt before is raised: it says more.
        """
        try:
            await self._gate.pace(tokens)
            self._refuse_if_open()
        except ProviderError:
            if failure is None:
                raise
            raise failure from failure.__cause__

    async def _attempt(
        self, url: str, call: WireRequest, out: Sink[StreamChunk], tokens: int, number: int
    ) -> None:
        """Ask once, and tell the circuit and the rates what became of it."""

        def begins(chunk: StreamChunk) -> StreamChunk:
            self._circuit.report(permit, Verdict.ALIVE, trio.current_time())
            if number == 1:
                return chunk
            return attrs.evolve(chunk, metadata={**chunk.metadata, "attempts": number})

        assert self._line is not None, "messages come after `started`"
        exchange = Exchange(self._line, tokens, begins)
        verdict, reason, cost = Verdict.UNKNOWN, "", tokens
        permit = self._circuit.admit(trio.current_time())
        try:
            await exchange.carry_out(url, call, out)
        except AnswerFailed as error:
            verdict, reason = verdict_on(error), str(error)
            cost = 0 if isinstance(error, ProviderError) else tokens
            self._heed(error)
            raise
        finally:
            if exchange.arrived:
                self._learn(exchange)
                cost = _counted(exchange, tokens)
            else:
                self._circuit.report(permit, verdict, trio.current_time(), reason)
            self._rates.correct(cost - tokens, trio.current_time())

    def _heed(self, error: AnswerFailed) -> None:
        """Let nobody ask while the provider wants to be left alone; an hour is not waited for."""
        if error.retry_after is not None and error.retry_after <= self._route.model.retry.longest:
            self._rates.be_quiet(trio.current_time() + error.retry_after)

    def _learn(self, exchange: Exchange) -> None:
        """Let nobody ask before there is something left of the limits that an answer tells of."""
        seconds = wait_for(windows(exchange.headers, self._clock.now()), 1)
        if seconds <= self._route.model.retry.longest:
            self._rates.be_quiet(trio.current_time() + seconds)

    def _seconds_before_retry(self, error: AnswerFailed) -> float | None:
        now = trio.current_time()
        seconds = seconds_before_retry(
            self._route.model.retry,
            error,
            error.attempts,
            dice=self._dice.random(),
            left=trio.current_effective_deadline() - now,
        )
        if seconds is None or self._circuit.refusal(now + seconds) is not None:
            return None
        return seconds

    def _log_retry(self, failure: AnswerFailed, seconds: float) -> None:
        log.info(
            "%s: attempt %d ended with %s, status %s; the next one is in %.2f s",
            self.ref.path,
            failure.attempts,
            type(failure).__name__,
            failure.status,
            seconds,
        )

    def _refuse_if_open(self) -> None:
        refusal = self._circuit.refusal(trio.current_time())
        if refusal is not None:
            raise refusal

    async def _base_url(self) -> str:
        if isinstance(self._endpoint, str):
            return self._endpoint
        return (await self._endpoint()).rstrip("/")


def merged(usual: Settings, asked: Settings) -> Settings:
    """`asked`, with what it leaves open taken from `usual`."""
    default = Settings()
    chosen = {
        field.name: getattr(asked, field.name)
        for field in attrs.fields(Settings)
        if getattr(asked, field.name) != getattr(default, field.name)
    }
    return attrs.evolve(usual, **chosen)


def _counted(exchange: Exchange, estimated: int) -> int:
    """The tokens of an answer, as the provider has counted them."""
    counts = [chunk.usage.total_tokens for chunk in exchange.arrived if chunk.usage is not None]
    return counts[-1] if counts else estimated
