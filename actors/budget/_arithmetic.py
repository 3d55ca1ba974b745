"""What calls of models use up, and when that is more than is allowed. Pure.

A provider counts tokens at the end of an answer, or now and then. Until it does, they are
estimated from bytes: 4 bytes a token at first, which is OpenAI's rule of thumb for English
("What are tokens and how to count them?", OpenAI Help Center), later at the rate that the
provider's own counts have shown. Its count replaces the estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from actors.chat import Usage

from ._prices import to_dollars_or_none

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from actors.chat import Request, StreamChunk

BYTES_PER_TOKEN: Final = 4
FIRMNESS: Final = 256  # tokens of evidence that weigh as much as the rule of thumb
TURN_BYTES: Final = 16  # what marks the borders of one turn, some 4 tokens
MEDIA_BYTES: Final = 4_000  # an image or a file: some 1 000 tokens; the provider's count tells
NOTHING: Final = Decimal(0)


@attrs.frozen
class Spending:
    """What was used up.

    Attributes:
        calls: Calls of a model that were begun.
        input_tokens: Sent, those from a cache included.
        output_tokens: Received, reasoning included.
        cost: In US dollars; None as soon as a model without a known price took part.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = NOTHING

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Spending) -> Spending:
        known = self.cost is not None and other.cost is not None
        return Spending(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            cast("Decimal", self.cost) + cast("Decimal", other.cost) if known else None,
        )

    def __sub__(self, other: Spending) -> Spending:
        cost = None if other.cost is None else -other.cost
        return self + Spending(-other.calls, -other.input_tokens, -other.output_tokens, cost)

    def __str__(self) -> str:
        calls = f"{self.calls} call{'s' if self.calls != 1 else ''}"
        cost = (
            "at an unknown cost" if self.cost is None else f"for {self.cost.normalize():f} dollars"
        )
        return f"{self.tokens} tokens in {calls} {cost}"


def _not_negative(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and not (isinstance(value, int | Decimal) and value >= 0):
        raise ValueError(f"{attribute.name} must be 0 or more, or None for no limit, not {value}")


@attrs.frozen(kw_only=True)
class Allowance:
    """How much may be used up; None is no limit.

    Raises:
        ValueError: If a limit is below 0 or no number.
    """

    calls: int | None = attrs.field(default=None, validator=_not_negative)
    tokens: int | None = attrs.field(default=None, validator=_not_negative)
    cost: Decimal | None = attrs.field(
        default=None, converter=to_dollars_or_none, validator=_not_negative
    )

    def exceeded_by(self, used: Spending) -> str | None:
        """The first limit that `used` goes beyond: "calls", "tokens" or "cost"."""
        if self.calls is not None and used.calls > self.calls:
            return "calls"
        if self.tokens is not None and used.tokens > self.tokens:
            return "tokens"
        if self.cost is not None and used.cost is not None and used.cost > self.cost:
            return "cost"
        return None


class Books:
    """What is used up below one budget, by all calls that count for it.

    Attributes:
        used: The sum, with the estimates of calls that are going on.
        running: How many calls are going on.
        limit: Which limit was found to be too low; None while the budget is not spent.
    """

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance
        self.used = Spending()
        self.running = 0
        self.limit: str | None = None

    def admit(self, first: Spending) -> bool:
        """Whether a call may begin that uses up so much before it has brought anything."""
        limit = self.allowance.exceeded_by(self.used + first)
        self.limit = self.limit or limit
        return limit is None

    def begin(self, first: Spending) -> None:
        """Count a call in."""
        self.used += first
        self.running += 1

    def change(self, before: Spending, after: Spending) -> None:
        """More is known of a call than before."""
        used = self.used
        cost = None
        if used.cost is not None and before.cost is not None and after.cost is not None:
            cost = used.cost - before.cost + after.cost
        self.used = Spending(  # at once, as this is done for every chunk
            used.calls - before.calls + after.calls,
            used.input_tokens - before.input_tokens + after.input_tokens,
            used.output_tokens - before.output_tokens + after.output_tokens,
            cost,
        )

    def end(self) -> None:
        """A call has ended, whatever ended it."""
        self.running -= 1

    def must_stop(self, *, is_complete: bool) -> bool:
        """Whether what goes on has to stop, after a call that is complete or not.

        A complete call has nothing left to stop: it is for the sake of the others, if any.
        """
        limit = self.allowance.exceeded_by(self.used)
        self.limit = self.limit or limit
        return limit is not None and (self.running > 1 or not is_complete)


class Rate:
    """Tokens per byte of one kind of text, from what providers have counted so far."""

    def __init__(self) -> None:
        self._bytes = FIRMNESS * BYTES_PER_TOKEN
        self._tokens = FIRMNESS

    def tokens(self, size: int) -> int:
        """How many tokens so many bytes are; at least one if there are any."""
        return -(-size * self._tokens // self._bytes)

    def learn(self, size: int, tokens: int) -> None:
        """A provider has counted. More tokens than bytes were no text that we saw."""
        if 0 < tokens <= size:
            self._bytes += size
            self._tokens += tokens


class Rates:
    """The rates of one model: what is sent (much of it JSON), and what is received."""

    def __init__(self) -> None:
        self.sent = Rate()
        self.received = Rate()


class CallCount:
    """The tokens of one call, as well as they are known at any time.

    A count of 0 tokens beside text is no count, and one that a provider repeats from chunk to
    chunk is not a new one.
    """

    def __init__(self, rates: Rates, sent: int) -> None:
        self._rates = rates
        self._sent = sent  # bytes
        self._received = 0  # bytes
        self._uncounted = 0  # bytes received since the provider's latest count
        self._has_thought = self._has_learnt = False
        self.is_silent = True  # nothing has come
        self._counted = Usage(input_tokens=rates.sent.tokens(sent))
        self.is_complete = False

    @property
    def usage(self) -> Usage:
        """Without what makes no difference to a price."""
        counted = self._counted
        return Usage(
            counted.input_tokens,
            counted.output_tokens + self._rates.received.tokens(self._uncounted),
            counted.cache_read_tokens,
            counted.cache_write_tokens,
        )

    def note(self, chunks: Iterable[StreamChunk]) -> None:
        """Take in what has arrived."""
        for chunk in chunks:
            self.is_silent = False
            size = _size_of_chunk(chunk)
            self._received += size
            self._uncounted += size
            self._has_thought = self._has_thought or bool(chunk.thinking)
            # What may come after the reason for its end is not paid for.
            has_ended = chunk.is_final or chunk.finish_reason is not None
            self.is_complete = self.is_complete or has_ended
            if chunk.usage is not None:
                self._correct(chunk.usage)

    def _correct(self, count: Usage) -> None:
        before = self._counted
        sent, received = count.input_tokens, count.output_tokens
        is_new = received > 0 and (received != before.output_tokens or self.is_complete)
        if is_new:
            self._uncounted = 0
        self._counted = attrs.evolve(
            count,
            input_tokens=sent if sent > 0 else before.input_tokens,
            output_tokens=received if is_new else before.output_tokens,
        )
        if self.is_complete and not self._has_learnt:
            self._learn(count)

    def _learn(self, count: Usage) -> None:
        self._has_learnt = True
        self._rates.sent.learn(self._sent, count.input_tokens)
        hidden = 0 if self._has_thought else count.reasoning_tokens
        self._rates.received.learn(self._received, count.output_tokens - hidden)


def _size_of_chunk(chunk: StreamChunk) -> int:
    size = _bytes_of(chunk.content)
    if chunk.thinking:
        size += _bytes_of(chunk.thinking)
    for delta in chunk.tool_calls:
        size += _bytes_of(delta.name) + _bytes_of(delta.arguments)
    return size


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def size_of(request: Request) -> int:
    """About how many bytes of text a request brings to the model, never 0."""
    parts = (*request.turns, *request.tools, request.output)
    return TURN_BYTES + sum(TURN_BYTES + _size(part) for part in parts if part is not None)


def size_of_texts(texts: Sequence[str]) -> int:
    """How many bytes some texts are, never 0."""
    return max(1, sum(map(_bytes_of, texts)))


def _size(value: object) -> int:
    """All text in it, whichever parts there are."""
    if isinstance(value, str):
        return _bytes_of(value)
    if isinstance(value, tuple | list):
        return sum(map(_size, cast("Iterable[object]", value)))
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return sum(_size(name) + _size(each) for name, each in pairs)
    if hasattr(value, "media_type"):
        return MEDIA_BYTES
    kind = type(value)
    if attrs.has(kind):
        # What is not compared says the same again; a signature is not read by the model.
        return sum(
            _size(getattr(value, field.name))
            for field in attrs.fields(kind)
            if field.eq and field.name != "signature"
        )
    return 0 if value is None else len(str(value))
