"""A bank account as an actor: an ask, a tell and a stream, all checked by mypy and pyright."""

import attrs
import trio

from runtime import Actor, Ask, Ref, Sink, Stream, Tell, open_system


class Account:
    """The interface: messages name it, actors implement it."""


@attrs.frozen
class Deposit(Ask[Account, int]):
    """Answered with the new balance."""

    amount: int


@attrs.frozen
class Note(Tell[Account]):
    """No reply."""

    text: str


@attrs.frozen
class History(Stream[Account, str]):
    """Answered with lines, one by one."""

    last: int


class SavingsAccount(Actor, Account):
    """One message at a time, in arrival order: the state needs no lock."""

    def __init__(self, balance: int = 0) -> None:
        self.balance = balance
        self.lines: list[str] = []

    @Deposit.handles
    async def deposit(self, message: Deposit) -> int:
        self.balance += message.amount
        return self.balance

    @Note.handles
    async def note(self, message: Note) -> None:
        self.lines.append(message.text)

    @History.handles
    async def history(self, message: History, out: Sink[str]) -> None:
        for line in self.lines[-message.last :]:
            await out.send(line)  # waits for a reader that is slow


async def main() -> None:
    """Start one account and talk to it; it ends with the system's block."""
    async with open_system() as system:
        account: Ref[SavingsAccount] = await system.spawn(SavingsAccount, 3, name="savings")
        balance = await account.ask(Deposit(5))  # an int
        print(f"{account.path} holds {balance}")
        await account.tell(Note("the first deposit"))
        await account.tell(Note("a second thought"))
        async with account.stream(History(10)) as lines:
            async for line in lines:
                print(f"noted: {line}")
        print(account.statistics())


trio.run(main)
