"""What a program may not write: both type checkers must refuse every marked line.

A marked line that a checker accepts is an error too: its mark is then unused.
"""

# ruff: noqa: ARG002, F841 - only types matter here
from __future__ import annotations

from typing import TYPE_CHECKING

from accepted import (
    Account,
    Audit,
    Audited,
    Deposit,
    Get,
    History,
    Note,
    Savings,
    Texts,
    Worth,
    Worthy,
    count,
)

from actors import AgentOptions, open_agent
from actors.agents import AgentRecipe, fan_out
from actors.chat import user
from runtime import (
    Actor,
    Attach,
    ChildOptions,
    Detach,
    Partitions,
    Pool,
    Publish,
    Ref,
    Sink,
    Subscribe,
    Supervisor,
    System,
    Tell,
    Topic,
    open_system,
)
from runtime.telemetry import FactMeter, OpenTelemetryPropagator
from runtime.testing import Probe, open_test_system, simulate

if TYPE_CHECKING:
    from actors.agents import AgentHandle
    from actors.blocking import BlockingAgent
    from actors.chat import StreamResponse
    from actors.providers import ProviderHandle


class Stranger: ...


class Order(Tell[Stranger]): ...


async def a_wrong_target(audited: Ref[Audited], texts: Ref[Texts]) -> None:
    await audited.ask(Deposit(5))  # type: ignore[arg-type]
    await audited.tell(Note("a"))  # type: ignore[arg-type]
    audited.tell_nowait(Note("a"))  # type: ignore[arg-type]
    audited.stream(History(1))  # type: ignore[arg-type]
    await texts.ask(Get[int]("a"))  # type: ignore[arg-type]


async def a_wrong_kind(account: Ref[Account]) -> None:
    await account.tell(Deposit(5))  # type: ignore[arg-type]
    await account.ask(Note("a"))  # type: ignore[arg-type]
    account.stream(Deposit(5))  # type: ignore[arg-type]
    await account.ask(History(1))  # type: ignore[arg-type]


async def a_wrong_reply(account: Ref[Account]) -> None:
    text: str = await account.ask(Deposit(5))  # type: ignore[arg-type]
    async with account.stream(History(1)) as lines:
        async for line in lines:
            number: int = line  # type: ignore[assignment]


async def another_ref(audited: Ref[Audited], account: Ref[Account]) -> None:
    a: Ref[Account] = audited  # type: ignore[assignment]
    b: Ref[Savings] = account  # type: ignore[assignment]


async def a_wrong_spawn(above: Supervisor) -> None:
    await above.spawn(Savings, "3")  # type: ignore[arg-type]
    await above.spawn(Account)  # type: ignore[type-var]
    await above.spawn(Savings, 3, options=3)  # type: ignore[arg-type]


async def a_wrong_pool(above: Supervisor, pool: Pool[Account]) -> None:
    await above.pool("a", Savings, "3")  # type: ignore[arg-type]
    await above.pool("a", Account)  # type: ignore[type-var]
    await above.pool("a", Savings, options=ChildOptions())  # type: ignore[arg-type]
    await above.pool("a", Savings, routing="random")  # type: ignore[arg-type]
    await pool.ask(Audit())  # type: ignore[arg-type]
    await pool.tell(Deposit(5))  # type: ignore[arg-type]
    await pool.broadcast(Deposit(5))  # type: ignore[arg-type]
    text: str = await pool.ask(Deposit(5))  # type: ignore[arg-type]
    other: Pool[Savings] = pool  # type: ignore[assignment]


async def a_wrong_key(users: Partitions) -> None:
    users.supervisor_for(1.5)  # type: ignore[arg-type]
    users.supervisor_for(["ada"])  # type: ignore[arg-type]


async def a_wrong_topic(topic: Ref[Topic[str]], account: Ref[Account], house: Ref[Worthy]) -> None:
    await topic.tell(Publish(1))  # type: ignore[arg-type]
    topic.stream(Subscribe[int]())  # type: ignore[arg-type]
    await topic.tell(Subscribe[str]())  # type: ignore[arg-type]
    await topic.tell(Attach(house, Worth))  # type: ignore[arg-type]
    await topic.tell(Attach(house, Note))  # type: ignore[arg-type]
    await account.tell(Detach(account))  # type: ignore[arg-type]
    integers: Ref[Topic[int]] = topic  # type: ignore[assignment]


class WrongHandlers(Actor, Account):
    @Deposit.handles  # type: ignore[arg-type]
    async def a_wrong_result(self, message: Deposit) -> str:
        return ""

    @Deposit.handles  # type: ignore[arg-type]
    async def a_wrong_message(self, message: Note) -> int:
        return 0

    @History.handles  # type: ignore[arg-type]
    async def no_sink(self, message: History) -> None: ...

    @History.handles  # type: ignore[arg-type]
    async def a_wrong_sink(self, message: History, out: Sink[int]) -> None: ...

    @Note.handles  # type: ignore[arg-type]
    def no_coroutine(self, message: Note) -> None: ...

    @History.handles
    async def a_wrong_item(self, message: History, out: Sink[str]) -> None:
        await out.send(1)  # type: ignore[arg-type]


class WrongContext(Actor, Account):
    """Each call would be a mistake."""

    def __init__(self, savings: Ref[Savings], texts: Ref[Texts], audited: Ref[Audited]) -> None:
        self.savings = savings
        self.texts = texts
        self.audited = audited

    @Deposit.handles
    async def deposit(self, message: Deposit) -> int:
        self.forward(self.audited, message)  # type: ignore[misc]
        self.forward(self.savings, Note("a tell"))  # type: ignore[call-overload]
        self.forward(self.savings, History(1))  # type: ignore[call-overload]
        text: str = self.stash(message)  # type: ignore[assignment]
        return self.forward(self.savings, Audit())  # type: ignore[return-value]

    @Note.handles
    async def note(self, message: Note) -> None:
        self.after(1, Deposit(5))  # type: ignore[arg-type]
        self.after("1", Note("a"))  # type: ignore[arg-type]
        self.every(1, Order())  # type: ignore[arg-type]
        self.every(1, Note("a"), key=["no key"])  # type: ignore[arg-type]
        self.watch(self.savings, lambda _: Deposit(5))  # type: ignore[arg-type, return-value]
        self.watch(self.savings, Note("a"))  # type: ignore[arg-type]
        self.link(self)  # type: ignore[arg-type]
        self.become(Deposit.handled_by(self.note))  # type: ignore[arg-type]
        self.become(History.handled_by(self.numbers))  # type: ignore[arg-type]
        self.become(self.note)  # type: ignore[arg-type]
        self.pipe_to_self(self.balance_of, 3, to=self.note_of)  # type: ignore[arg-type]
        self.pipe_to_self(self.balance_of, "me", to=note_of_text)  # type: ignore[misc]
        self.pipe_to_self(self.balance_of, "me", to=lambda _: Deposit(5))  # type: ignore[arg-type, return-value]

    async def balance_of(self, owner: str) -> float:
        return 0.0

    def note_of(self, balance: float) -> Note:
        return Note(str(balance))

    @History.handles
    async def history(self, message: History, out: Sink[str]) -> None:
        await self.savings.stream_into(Deposit(5), out)  # type: ignore[arg-type]
        await self.audited.stream_into(message, out)  # type: ignore[arg-type]

    async def numbers(self, message: History, out: Sink[int]) -> None:
        await self.savings.stream_into(message, out)  # type: ignore[misc]
        return self.forward(self.savings, message, out)  # type: ignore[misc]


def note_of_text(text: str) -> Note:
    return Note(text)


def wrong_options() -> None:
    ChildOptions(restart="permanent")  # type: ignore[arg-type]
    Audit.raises = ValueError  # type: ignore[assignment]


async def a_wrong_use_of_a_probe(account: Probe[Account]) -> None:
    other: Ref[Audited] = account.ref  # type: ignore[assignment]
    note: Note = await account.expect(Deposit)  # type: ignore[arg-type]
    await account.expect(int)  # type: ignore[type-var]
    account.answers(Audit, [])  # type: ignore[arg-type]
    account.answers(History, "line")  # type: ignore[arg-type]
    account.reply(5, to=Note("a"))  # type: ignore[arg-type]


def a_wrong_simulation() -> None:
    text: str = simulate(7).run(count, 3)  # type: ignore[assignment]
    simulate(7).run(count, "3")  # type: ignore[arg-type]
    open_test_system(allow=(ValueError(),))  # type: ignore[arg-type]


class Untold:
    """No propagator: it is not told how a handler ended."""

    def capture(self) -> object | None: ...
    def attach(self, trace: object, path: str, message: object) -> object: ...
    def detach(self, token: object) -> None: ...


async def a_wrong_use_of_telemetry(system: System) -> None:
    open_system(propagator=Untold())  # type: ignore[arg-type]
    open_system(propagator=OpenTelemetryPropagator)  # type: ignore[arg-type]
    OpenTelemetryPropagator(tracer="tracer")  # type: ignore[arg-type]
    await system.spawn(FactMeter, "system")  # type: ignore[arg-type]
    await system.spawn(FactMeter, system, "meter")  # type: ignore[arg-type]


async def wrong_structured_output(provider: ProviderHandle) -> None:
    note: Note = (await provider.complete_as(Deposit, [user("Hello")])).value  # type: ignore[assignment]
    await provider.complete_as(Deposit(5), [user("Hello")])  # type: ignore[arg-type]
    async with provider.stream_as(Deposit, [user("Hello")]) as stream:
        pass
    other: Note = stream.value  # type: ignore[assignment]
    AgentOptions(output=Deposit(5))  # type: ignore[arg-type]


async def wrong_outputs_of_agents(agent: AgentHandle[Deposit]) -> None:
    answer = await agent.run("Hello")
    note: Note = answer.value  # type: ignore[assignment]
    text = answer.value.text  # type: ignore[attr-defined]
    async with agent.stream("Hello") as run:
        pass
    amount = run.value.amount  # type: ignore[union-attr]
    other: AgentHandle[Note] = agent  # type: ignore[assignment]
    AgentRecipe[Note]("finder", options=AgentOptions(output=Deposit))  # type: ignore[arg-type]
    notes: list[StreamResponse[Note]] = await fan_out([(agent, "Hello")])  # type: ignore[list-item]
    async with open_agent("scripted:echo", options=AgentOptions(output=Deposit)) as opened:
        wrong: AgentHandle[Note] = opened  # type: ignore[assignment]


def a_wrong_output_that_blocks(agent: BlockingAgent[Deposit]) -> None:
    note: Note = agent.run("Hello").value  # type: ignore[assignment]
