"""Budgets as scopes: nested like cancel scopes, and registered with every message sent inside."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self, cast

import trio

from actors.errors import BudgetSpent
from runtime import carried, carry

from ._arithmetic import Allowance, Books, Rates, Spending
from ._table import PRICES

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from decimal import Decimal
    from types import TracebackType

    from ._prices import Prices


class Account:
    """What a budget is to the calls below it; it travels with the messages.

    Attributes:
        books: What was used up.
        prices: What a token costs; those of the budget around it where none were given.
        scope: Around the budget's block.
        is_open: Whether the block is being carried out.
        rates: Tokens per byte by model; those of the outermost budget are in use.
    """

    def __init__(self, allowance: Allowance, prices: Prices | None, budget: Budget) -> None:
        self.books = Books(allowance)
        self.prices = PRICES if prices is None else prices
        self.scope = trio.CancelScope()
        self.is_open = False
        self.rates: dict[str, Rates] = {}
        self._inherits = prices is None
        self._budget = budget
        self._run: trio.lowlevel.TrioToken | None = None

    def open(self) -> None:
        """The block begins."""
        around = accounts()
        if around and self._inherits:
            self.prices = around[-1].prices
        self.scope.__enter__()
        self._run = trio.lowlevel.current_trio_token()
        self.is_open = True

    def cancel(self, reason: str) -> None:
        """Cancel the block, also from the run of another thread, that its context was given to."""
        if self._run is None or self._run is trio.lowlevel.current_trio_token():
            self.scope.cancel(reason)
        else:
            with suppress(trio.RunFinishedError):
                self._run.run_sync_soon(self.scope.cancel, reason)

    def rates_of(self, model: str) -> Rates:
        return self.rates.setdefault(model, Rates())

    def fault(self) -> BudgetSpent:
        """The error that says what was used, of what there was not enough."""
        limit, used = self.books.limit or "calls", self.books.used
        allowed = getattr(self.books.allowance, limit)
        return BudgetSpent(
            f"the budget of {allowed} {'dollars' if limit == 'cost' else limit} is spent: {used}",
            limit=limit,
            used=(used.calls, used.tokens, used.cost),
            scope=self._budget,
        )


def accounts() -> list[Account]:
    """The budgets around this code, in this task or wherever its message came from; outer first."""
    return [scope for scope in carried() if isinstance(scope, Account)]


class Budget:
    """A block in which calls of models may use up so much, and which is cancelled beyond that.

    `with Budget(tokens=5_000, cost=0.20) as budget:` counts every call of a model that is begun
    inside: in this task, in its child tasks, and in all actors that the work is passed on to.
    What counts for an inner budget counts for those around it, too, and the tightest one stops.

    When more than a limit was used, or a call would use more than is left, the block is
    cancelled and left without an error, as with `trio.move_on_after`: the sockets of all calls
    below it are closed when control is back. A call that does not fit is not made. An answer
    that has become complete is not taken away, even if the provider's count is beyond the
    limit: then the next call is refused, and others that are going on are stopped.

    A call that a cancel of the block does not reach, because a tell or a task outside of it
    made the call, ends with `BudgetSpent`.

    The overshoot: what one read of the socket brings, and what the estimate of tokens is wrong
    until the provider has counted; reasoning that is not shown is counted at the end.

    Args:
        calls: Calls of a model. A retry inside a provider is the same call.
        tokens: Sent and received.
        cost: US dollars. Calls of models without a price raise `UnknownPrice`.
        prices: What a token costs, by model; those of the budget around it, or else `PRICES`,
            if None.

    Raises:
        ValueError: If a limit is no number, or below 0.
    """

    def __init__(
        self,
        *,
        calls: int | None = None,
        tokens: int | None = None,
        cost: float | str | Decimal | None = None,
        prices: Prices | None = None,
    ) -> None:
        self._account = Account(Allowance(calls=calls, tokens=tokens, cost=cost), prices, self)
        self._carrying = carry(self._account)
        self._was_entered = False
        self._caught = False

    @property
    def used(self) -> Spending:
        """What was used up so far; partly estimated while calls are going on."""
        return self._account.books.used

    @property
    def spent(self) -> bool:
        """Whether more than a limit was used, or a call would have used more than was left."""
        return self.limit is not None

    @property
    def limit(self) -> str | None:
        """Which limit that was: "calls", "tokens" or "cost"."""
        return self._account.books.limit

    @property
    def cancelled_caught(self) -> bool:
        """Whether the block was cut short; known when it has been left."""
        return self._caught

    def fault(self) -> BudgetSpent:
        """The error that says what was used up."""
        return self._account.fault()

    def __enter__(self) -> Self:
        if self._was_entered:
            raise RuntimeError("this budget was used already: make another one for each block")
        self._was_entered = True
        self._account.open()
        self._carrying.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._account.is_open = False
        self._carrying.__exit__(None, None, None)
        scope = self._account.scope
        rest = self._without_own(error)
        if rest is error:
            is_swallowed = scope.__exit__(kind, error, traceback)
            self._caught = scope.cancelled_caught
            return is_swallowed
        self._caught = True
        if rest is None:
            scope.__exit__(None, None, None)
        elif not scope.__exit__(type(rest), rest, rest.__traceback__):
            raise rest
        return True

    def _without_own(self, error: BaseException | None) -> BaseException | None:
        """What is left without our own faults: those are a cancel that came another way."""

        def is_own(each: BaseException) -> bool:
            return isinstance(each, BudgetSpent) and each.scope is self

        if isinstance(error, BaseExceptionGroup):
            group = cast("BaseExceptionGroup[BaseException]", error)
            own, rest = group.split(is_own)
            return group if own is None else rest
        return None if error is not None and is_own(error) else error

    def __repr__(self) -> str:
        allowance, used = self._account.books.allowance, self.used
        limits = {"calls": allowance.calls, "tokens": allowance.tokens, "cost": allowance.cost}
        given = ", ".join(f"{name}={value}" for name, value in limits.items() if value is not None)
        running = self._account.books.running
        state = f", {running} running" if running else ""
        state += f", {self.limit} spent" if self.spent else ""
        return f"<Budget({given}) {used}{state}>"


def move_on_after_tokens(tokens: int) -> Budget:
    """A block in which calls of models may use so many tokens, sent and received; see `Budget`."""
    return Budget(tokens=tokens)


def move_on_after_cost(cost: float | str | Decimal, *, prices: Prices | None = None) -> Budget:
    """A block in which calls of models may cost so many US dollars; see `Budget`."""
    return Budget(cost=cost, prices=prices)


def move_on_after_calls(calls: int) -> Budget:
    """A block in which so many calls of models may be made; see `Budget`."""
    return Budget(calls=calls)


@contextmanager
def fail_after(budget: Budget) -> Generator[Budget]:
    """A block that ends with an error if its budget is spent.

    Raises:
        BudgetSpent: At the end of the block, if the budget is spent, also if the block was not
            cut short because the answer that spent it was complete.
    """
    with budget:
        yield budget
    if budget.spent:
        raise budget.fault() from None


def fail_after_tokens(tokens: int) -> AbstractContextManager[Budget]:
    """As `move_on_after_tokens`, but a spent budget raises `BudgetSpent`; see `fail_after`."""
    return fail_after(Budget(tokens=tokens))


def fail_after_cost(
    cost: float | str | Decimal, *, prices: Prices | None = None
) -> AbstractContextManager[Budget]:
    """As `move_on_after_cost`, but a spent budget raises `BudgetSpent`; see `fail_after`."""
    return fail_after(Budget(cost=cost, prices=prices))


def fail_after_calls(calls: int) -> AbstractContextManager[Budget]:
    """As `move_on_after_calls`, but a spent budget raises `BudgetSpent`; see `fail_after`."""
    return fail_after(Budget(calls=calls))
