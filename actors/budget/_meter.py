"""Counts the calls of one provider for the budgets around them.

A provider sends its chunks through the sink that `metered` gives it. Where no budget is
around, that is the very sink that came with the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import trio

from actors.chat import StreamChunk
from actors.errors import BudgetSpent, CircuitOpen, ProviderError, ProviderOverloaded

from ._arithmetic import CallCount, Spending, size_of, size_of_texts
from ._prices import Price
from ._scope import Account, accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from actors.chat import Request, Usage
    from runtime import Sink

# Seconds in which the cancel of a budget's block comes down to whoever spent it. It usually takes
# a task switch for each stream in between; a busy loop can need tens of milliseconds for one.
PATIENCE: Final = 1.0


class Meter:
    """One call that streams; see `metered`."""

    def __init__(self, out: Sink[StreamChunk], model: str, request: Request) -> None:
        self._out = out
        self._model = model
        self._request = request
        self._call: _CountedSink | None = None

    async def __aenter__(self) -> Sink[StreamChunk]:
        around = accounts()
        if not around:
            return self._out
        call = _CountedSink(self._out, around, self._model, size_of(self._request))
        await _begin(call)
        self._call = call
        return call

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del kind, traceback
        if self._call is not None:
            self._call.end(error)
            if self._call.spent and isinstance(error, BudgetSpent):
                await _give_way(self._call.spent[0])


def metered(out: Sink[StreamChunk], model: str, request: Request) -> Meter:
    """Count one call for the budgets around it; the block gives the sink to send its chunks to.

    For those who write a provider. What is sent to the sink that it gives is counted, and then
    sent on. The call counts from here on, with an estimate of what the request says; if the
    provider refuses it, only as a call, and if it was never sent, not at all.

    Args:
        out: Where the chunks go.
        model: As in `Model.name`, for its price.
        request: What is about to be sent.

    Raises:
        BudgetSpent: On entering, if too little is left for the call; from the sink, when a
            budget is spent. Either way the budget's block has been cancelled first, so that
            this is seen only by a call which that cancel does not reach.
        UnknownPrice: A budget of money does not know what the model costs.
    """
    return Meter(out, model, request)


class EmbeddingMeter:
    """One call that turns texts into vectors; see `metered_embedding`."""

    def __init__(self, model: str, texts: Sequence[str]) -> None:
        self._model = model
        self._texts = texts
        self._call: _Call | None = None

    async def __aenter__(self) -> Callable[[Usage], None]:
        around = accounts()
        if around:
            call = _Call(around, self._model, size_of_texts(self._texts))
            await _begin(call)
            self._call = call
        return self._count

    def _count(self, usage: Usage) -> None:
        if self._call is not None:
            self._call.note((StreamChunk(usage=usage, is_final=True),))
            self._call.stop_if_spent()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del kind, traceback
        if self._call is not None:
            self._call.end(error)


def metered_embedding(model: str, texts: Sequence[str]) -> EmbeddingMeter:
    """Count one call for the budgets around it; the block gives what to tell the usage to.

    `async with metered_embedding(name, texts) as count: ...; count(usage)`. As for `metered`,
    but what comes back is no text, so that only what is sent counts. A usage of 0 tokens leaves
    the estimate as it is.

    Raises:
        BudgetSpent, UnknownPrice: as for `metered`, on entering.
    """
    return EmbeddingMeter(model, texts)


@attrs.define
class _Entry:
    """What one call has used up in the books of one budget."""

    account: Account
    price: Price | None
    spending: Spending

    def brought_up_to(self, usage: Usage) -> None:
        before, self.spending = self.spending, _spending(usage, self.price)
        self.account.books.change(before, self.spending)


def _spending(usage: Usage, price: Price | None) -> Spending:
    cost = None if price is None else price.cost(usage)
    return Spending(1, usage.input_tokens, usage.output_tokens, cost)


class _Call:
    """One call that is counted in the books of some budgets."""

    def __init__(self, around: Sequence[Account], model: str, sent: int) -> None:
        self._count = CallCount(around[0].rates_of(model), sent)
        self._entries = [_first_entry(account, model, self._count.usage) for account in around]
        self.spent: list[Account] = []  # outer first

    def refusing(self) -> list[Account]:
        """The budgets in which there is too little left for it."""
        return [
            entry.account
            for entry in self._entries
            if not entry.account.books.admit(entry.spending)
        ]

    def begin(self) -> None:
        for entry in self._entries:
            entry.account.books.begin(entry.spending)

    def end(self, error: BaseException | None) -> None:
        """It has ended; of one that the provider did not take on, nothing else is left."""
        if self._count.is_silent and isinstance(error, ProviderError):
            was_made = not isinstance(error, CircuitOpen | ProviderOverloaded)
            for entry in self._entries:
                entry.account.books.change(entry.spending, Spending(int(was_made)))
        for entry in self._entries:
            entry.account.books.end()

    def note(self, chunks: Sequence[StreamChunk]) -> None:
        self._count.note(chunks)
        usage = self._count.usage
        for entry in self._entries:
            entry.brought_up_to(usage)

    def stop_if_spent(self) -> None:
        """Cancel the blocks of the budgets that are spent.

        Raises:
            BudgetSpent: If there is more to come of this call.
        """
        is_complete = self._count.is_complete
        spent = [
            entry.account
            for entry in self._entries
            if entry.account.books.must_stop(is_complete=is_complete)
        ]
        if spent:
            fault = _cancel(spent)
            if not is_complete:
                self.spent = spent
                raise fault


class _CountedSink(_Call):
    """The sink of a call that is counted."""

    def __init__(
        self, out: Sink[StreamChunk], around: Sequence[Account], model: str, sent: int
    ) -> None:
        super().__init__(around, model, sent)
        self._out = out

    @property
    def taken(self) -> int:
        return self._out.taken

    async def send(self, item: StreamChunk) -> None:
        self.note((item,))
        await self._out.send(item)
        self.stop_if_spent()

    async def send_many(self, items: Sequence[StreamChunk]) -> None:
        self.note(items)  # it has arrived, whether or not it can be handed on
        await self._out.send_many(items)
        self.stop_if_spent()


def _first_entry(account: Account, model: str, usage: Usage) -> _Entry:
    needs_price = account.books.allowance.cost is not None
    price = account.prices.price(model) if needs_price else account.prices.find(model)
    return _Entry(account, price, _spending(usage, price))


def _cancel(spent: Sequence[Account]) -> BudgetSpent:
    """Cancel the blocks of the budgets, the outermost first; return what it says."""
    faults = [account.fault() for account in spent]
    for account, fault in zip(spent, faults, strict=True):
        account.cancel(str(fault))
    return faults[0]


async def _begin(call: _Call) -> None:
    """Let a call begin, or stop those for whom it would be too much."""
    refusing = call.refusing()
    if refusing:
        fault = _cancel(refusing)
        await _give_way(refusing[0])
        raise fault
    call.begin()


async def _give_way(account: Account) -> None:
    """Let the cancel of the budget's block come before the error."""
    if account.is_open:
        with trio.move_on_after(PATIENCE):
            await trio.sleep_forever()
