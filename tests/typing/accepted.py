"""What a program may write: both type checkers must accept every line, strictly."""

# ruff: noqa: ARG002 - only types matter here
from __future__ import annotations

from typing import Generic, TypeVar, assert_type

import attrs

from runtime import (
    Actor,
    Ask,
    ChildOptions,
    Exit,
    Fact,
    Ref,
    RestartPolicy,
    Sink,
    Stream,
    Supervisor,
    System,
    Tell,
    open_system,
)

T = TypeVar("T")


class Account: ...


class Audited: ...


@attrs.frozen
class Deposit(Ask[Account, int]):
    amount: int


@attrs.frozen
class Note(Tell[Account]):
    text: str


@attrs.frozen
class History(Stream[Account, str]):
    last: int


class Overdrawn(Exception): ...


class Withdraw(Ask[Account, None]):
    raises = (Overdrawn,)


class Audit(Ask[Audited, list[str]]): ...


class Store(Generic[T]): ...


@attrs.frozen
class Get(Ask[Store[T], T]):
    key: str


class Savings(Actor, Account, Audited):
    default_options = ChildOptions(restart=RestartPolicy.TRANSIENT)

    def __init__(self, balance: int = 0, *, owner: str = "") -> None:
        self.balance = balance
        self.owner = owner

    async def started(self) -> None:
        me: Ref[Savings] = self.ref
        await use_an_account(me)
        child = await self.spawn(Savings, 1, name="child")
        assert_type(child, Ref[Savings])
        self.start_soon(self.work, 1, "a")
        self.stop()

    async def stopped(self, exit: Exit) -> None: ...

    async def work(self, number: int, text: str) -> None: ...

    @Deposit.handles
    async def deposit(self, message: Deposit) -> int:
        return message.amount

    @Note.handles(concurrent=True)
    async def note(self, message: Note) -> None: ...

    @History.handles
    async def history(self, message: History, out: Sink[str]) -> None:
        await out.send("a")
        await out.send_many(["a", "b"])
        assert_type(out.taken, int)

    @Withdraw.handles
    async def withdraw(self, message: Withdraw) -> None: ...

    @Audit.handles
    async def audit(self, message: Audit) -> list[str]:
        return []


class Texts(Actor, Store[str]):
    @Get[str].handles
    async def get(self, message: Get[str]) -> str:
        return message.key


def savings_of(owner: str) -> Savings:
    return Savings(owner=owner)


async def use_an_account(account: Ref[Account]) -> None:
    assert_type(await account.ask(Deposit(5)), int)
    assert_type(await account.ask(Deposit(5), timeout=1.5), int)
    await account.tell(Note("hello"))
    account.tell_nowait(Note("hello"))
    async with account.stream(History(10), buffer=2) as lines:
        async for line in lines:
            assert_type(line, str)
        assert_type(await lines.take_many(), list[str])
    async with account.watch() as watch:
        assert_type(await watch.wait(), Exit)
    await account.stop(drain=True)


async def use_a_supervisor(supervisor: Supervisor) -> None:
    account = await supervisor.spawn(Savings, 3, name="savings")
    assert_type(account, Ref[Savings])
    await use_an_account(account)  # a ref of an actor is a ref of what it implements
    assert_type(await account.ask(Audit()), list[str])
    assert_type(await supervisor.spawn(savings_of, "me"), Ref[Savings])
    texts = await supervisor.spawn(Texts)
    assert_type(await texts.ask(Get[str]("key")), str)


async def use_a_system(system: System) -> None:
    await use_a_supervisor(system)
    await use_a_supervisor(await system.supervise("group"))
    assert_type(system.whereis("/savings", Account), Ref[Account] | None)
    async with system.events() as facts:
        async for fact in facts:
            assert_type(fact, Fact)


async def main() -> None:
    async with open_system() as system:
        await use_a_system(system)
        assert_type(str(system.tree()), str)
    async with open_system(signals=True, drain_seconds=10.0) as system:
        await system.stop(drain=True)
