"""What a program may write: both type checkers must accept every line, strictly."""

# ruff: noqa: ARG002 - only types matter here
from __future__ import annotations

from typing import Generic, TypeVar, assert_type

import attrs
import trio

from runtime import (
    Actor,
    Ask,
    ChildOptions,
    Exit,
    Fact,
    MessageEnded,
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


class Front(Actor, Account):
    """Hands on, puts aside, changes, and is told of what it waits for."""

    def __init__(self, savings: Ref[Savings]) -> None:
        self.savings = savings

    @Deposit.handles
    async def deposit(self, message: Deposit) -> int:
        if message.amount:
            return self.forward(self.savings, message)
        return self.stash(message)

    async def deposit_twice(self, message: Deposit) -> int:
        return self.forward(self.savings, Deposit(2 * message.amount))

    @Note.handles
    async def note(self, message: Note) -> None:
        self.unstash()
        self.become(
            Deposit.handled_by(self.deposit_twice),
            Note.handled_by(self.note_again),
            History.handled_by(self.no_history),
        )
        self.become()
        self.after(1, Note("later"))
        self.every(0.5, Note("again"), key=("note", 1))
        assert_type(self.cancel_timer(("note", 1)), bool)
        self.pipe_to_self(self.balance_of, "me", 1, to=self.note_of)
        self.pipe_to_self(trio.sleep, 1, to=lambda _: Note("slept"), on_error=note_of_error)
        self.watch(self.savings, lambda exit: Note(exit.value))  # noqa: A006
        self.link(self.savings)

    async def note_again(self, message: Note) -> None:
        return self.stash(message)

    async def balance_of(self, owner: str, number: int) -> float:
        return 0.0

    def note_of(self, balance: float) -> Note:
        return Note(str(balance))

    @History.handles
    async def history(self, message: History, out: Sink[str]) -> None:
        await self.savings.stream_into(message, out)
        return self.forward(self.savings, message, out)

    async def no_history(self, message: History, out: Sink[str]) -> None:
        self.stash()
        return self.stash(message)

    @Withdraw.handles
    async def withdraw(self, message: Withdraw) -> None:
        return self.forward(self.savings, message)


def note_of_error(error: Exception) -> Note:
    return Note(str(error))


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
    await account.kill()


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
    async with system.events(messages=True) as facts:
        async for fact in facts:
            if isinstance(fact, MessageEnded):
                assert_type(fact.error, BaseException | None)


async def main() -> None:
    async with open_system() as system:
        await use_a_system(system)
