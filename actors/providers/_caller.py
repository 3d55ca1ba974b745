"""How a server is asked: by the policies of one model, whatever it is asked for.

One HTTP client, one gate, one circuit. What is decided about retries, rates and the circuit is
decided in pure modules beside this one; here it is carried out.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import attrs
import trio

from actors.errors import AnswerFailed, ProviderError
from actors.http import Secrets

from ._api import Clock
from ._breaker import Circuit, CircuitState, Verdict, verdict_on
from ._exchange import Exchange, Line, Question
from ._gate import Gate
from ._hints import wait_for, windows
from ._rates import Rates
from ._retry import seconds_before_retry

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from actors.chat import StreamChunk
    from actors.http import Transport
    from runtime import Sink

    from ._model import Route

log = logging.getLogger("actors.providers")

FEW: Final = 32  # answers at a time; see `Line.is_calm`

Endpoint = str | Callable[[], Awaitable[str]]


class Caller:
    """Asks one server.

    Args:
        route: The model, looked up by `resolve`.
        endpoint: The base address; or what to ask for it, anew for each request, so that a
            local server is found again after its restart.
    """

    def __init__(self, route: Route, endpoint: Endpoint) -> None:
        self._route = route
        self._endpoint = endpoint
        model = route.model
        self._rates = Rates(model.rate)
        self._gate = Gate(model.concurrency, model.waiting, self._rates)
        self._circuit = Circuit(model.breaker)
        self._client: Transport | None = None
        self._line: Line | None = None
        self._clock = Clock()
        self._dice = random.Random()  # noqa: S311 - jitter, not secrets
        self._retries = 0
        self._path = ""
        self._time: Callable[[], float] = trio.current_time  # callable anywhere once open

    def open(self, path: str) -> None:
        """Make the client; `path` is the actor's, for what is logged."""
        secure = isinstance(self._endpoint, str) and self._endpoint.startswith("https:")
        limits, connections = self._route.model.limits, self._route.model.concurrency
        self._client = self._route.connect(limits, connections=connections, secure=secure)
        self._time = trio.lowlevel.current_clock().current_time
        secrets = Secrets([self._route.api_key], shortest=1)
        self._line = Line(self._client, self._route, secrets, self._clock, self._is_calm)
        self._path = path

    async def aclose(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()

    def _is_calm(self) -> bool:
        return self._gate.passing <= FEW

    def in_words(self) -> str:
        """How the circuit stands, how much of the pool is in use, and who waits for what."""
        gate, circuit, now = self._gate, self._circuit, self._time()
        words = [f"circuit {circuit.state.value}"]
        if circuit.state is CircuitState.OPEN:
            words[-1] += f" for {max(circuit.probe_at - now, 0.0):.1f} s"
        elif circuit.failures:
            words[-1] += f" after {circuit.failures} failed"
        words.append(f"{gate.passing} of {self._route.model.concurrency} run")
        if gate.waiting:
            words.append(f"{gate.waiting} wait")
        if quiet := self._rates.quiet(now):
            words.append(f"quiet for {quiet:.1f} s")
        if self._retries:
            words.append(f"retried {self._retries} x")
        return ", ".join(words)

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait for a turn, and have it.

        Raises:
            CircuitOpen: At once: nobody waits for a turn only to hear that.
            ProviderOverloaded: Too many wait already.
        """
        self._refuse_if_open()
        return self._gate.turn()

    async def ask(self, question: Question, out: Sink[StreamChunk]) -> None:
        """Attempt after attempt, until one has handed on a chunk or a retry makes no sense.

        Have a `turn` around it. Cancelled: the socket is closed.

        Raises:
            AnswerFailed: The last attempt's error, with what had arrived.
        """
        failure: AnswerFailed | None = None
        attempts = 0
        try:
            while True:
                base_url = await self._base_url()
                await self._wait_for_leave(question.tokens, failure)
                attempts += 1
                try:
                    await self._attempt(base_url, question, out, attempts)
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
            try:
                self._refuse_if_open()
            except ProviderError:  # it opened meanwhile: what was taken for this request goes back
                self._rates.give_back(tokens, trio.current_time())
                raise
        except ProviderError:
            if failure is None:
                raise
            raise failure from failure.__cause__

    async def _attempt(
        self, base_url: str, question: Question, out: Sink[StreamChunk], number: int
    ) -> None:
        """Ask once, and tell the circuit and the rates what became of it."""

        def begins(chunk: StreamChunk) -> StreamChunk:
            self._circuit.report(permit, Verdict.ALIVE, trio.current_time())
            if number == 1:
                return chunk
            return attrs.evolve(chunk, metadata={**chunk.metadata, "attempts": number})

        assert self._line is not None, "messages come after `started`"
        tokens = question.tokens
        exchange = Exchange(self._line, question, begins)
        verdict, reason, cost = Verdict.UNKNOWN, "", tokens
        permit = self._circuit.admit(trio.current_time())
        try:
            await exchange.carry_out(base_url, out)
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
            self._path,
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


def _counted(exchange: Exchange, estimated: int) -> int:
    """The tokens of an answer, as the provider has counted them."""
    counts = [chunk.usage.total_tokens for chunk in exchange.arrived if chunk.usage is not None]
    return counts[-1] if counts else estimated
