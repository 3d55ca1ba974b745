"""Three actors in a row: the second crashes, and what depends on it is restarted with it."""

import logging

import attrs
import trio

from runtime import (
    Actor,
    ActorCrashed,
    Ask,
    Crashed,
    Node,
    Restarted,
    RestartStrategy,
    System,
    open_system,
)


class Counter:
    """Counts what it is given."""


@attrs.frozen
class Add(Ask[Counter, int]):
    """Answered with the sum so far."""

    amount: int


class Sum(Actor, Counter):
    """Its state lives as long as the incarnation: a restart begins at zero."""

    def __init__(self) -> None:
        self.total = 0

    @Add.handles
    async def add(self, message: Add) -> int:
        if message.amount < 0:
            raise ValueError("this counter only counts up")  # not declared: a crash
        self.total += message.amount
        return self.total


async def tell_what_happens(system: System, task_status: trio.TaskStatus[None]) -> None:
    """Print crashes and restarts until the last one of the three is back."""
    async with system.events() as events:
        task_status.started()
        async for fact in events:
            if isinstance(fact, Crashed | Restarted):
                print(f"  {type(fact).__name__.lower():9} {fact.path}")
            if isinstance(fact, Restarted) and fact.path == "/row/third":
                return


def show(node: Node, depth: int = 0) -> None:
    """Print a tree, an actor a line."""
    seen = node.statistics
    state = f"{seen.state}, restarted {seen.restarts} x" if seen else node.kind
    print(f"  {'  ' * depth}{node.path}: {state}")
    for child in node.children:
        show(child, depth + 1)


async def main() -> None:
    """Give each ten, let the second crash, and see who still has its ten."""
    # A crash is logged with its traceback; here the events are enough.
    logging.getLogger("runtime").setLevel(logging.CRITICAL)
    async with open_system() as system:
        row = await system.supervise("row", strategy=RestartStrategy.REST_FOR_ONE)
        counters = [await row.spawn(Sum, name=name) for name in ("first", "second", "third")]
        for counter in counters:
            await counter.ask(Add(10))

        print("the second one is asked to count down:")
        async with trio.open_nursery() as nursery:
            await nursery.start(tell_what_happens, system)
            try:
                await counters[1].ask(Add(-1))
            except ActorCrashed as crash:
                print(f"  its asker hears: {crash.__cause__!r}")

        print("the refs are as good as before:")
        for counter in counters:
            print(f"  {counter.path} adds 1 and has {await counter.ask(Add(1))}")
        print("the tree:")
        show(system.tree())


trio.run(main)
