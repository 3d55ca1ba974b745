"""What a program may write: both type checkers must accept every line, strictly."""

# ruff: noqa: ARG002 - only types matter here
from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar, assert_type

import attrs
import trio

import actors.asyncio
import actors.blocking
from actors import AgentOptions, open_agent
from actors.agents import (
    Agent,
    AgentHandle,
    AgentRecipe,
    AgentRun,
    Guard,
    agent_tool,
    ask_agent,
    fan_out,
)
from actors.asyncio import AsyncioAgent
from actors.blocking import BlockingAgent
from actors.chat import Event, StreamResponse, user
from actors.output import Partial
from actors.providers import Structured
from runtime import (
    Actor,
    Ask,
    Attach,
    ChildOptions,
    ConsistentHash,
    Crashed,
    DeadLetter,
    Detach,
    Exit,
    Fact,
    Key,
    MailboxOptions,
    MessageEnded,
    Partitions,
    Pool,
    PoolOptions,
    Publish,
    Ref,
    RestartPolicy,
    Routing,
    RuntimeFault,
    Sink,
    Stream,
    Subscribe,
    Supervisor,
    System,
    Tell,
    Topic,
    open_system,
)
from runtime.telemetry import FactLogger, FactMeter, OpenTelemetryPropagator
from runtime.testing import (
    Faults,
    Probe,
    open_test_system,
    record_facts,
    simulate,
    simulate_many,
)

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Tracer

    from actors.providers import ProviderHandle
    from runtime.bridge import AsyncioBridge, Bridge

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


async def use_a_pool(pool: Pool[Account]) -> None:
    assert_type(await pool.ask(Deposit(5)), int)
    assert_type(await pool.ask(Deposit(5), timeout=1.5), int)
    await pool.tell(Note("hello"))
    pool.tell_nowait(Note("hello"))
    await pool.broadcast(Note("hello"))
    async with pool.stream(History(10), buffer=2) as lines:
        async for line in lines:
            assert_type(line, str)
    assert_type(pool.refs, tuple[Ref[Account], ...])
    assert_type(pool.statistics().running, int)
    await pool.stop(drain=True)


def key_of(message: Deposit) -> Key:
    return ("account", message.amount)


async def use_pools(supervisor: Supervisor) -> None:
    pool = await supervisor.pool("savings", Savings, 3, size=2, routing=Routing.LEAST_LOADED)
    assert_type(pool, Pool[Savings])
    await use_a_pool(pool)  # a pool of an actor is a pool of what it implements
    by_key = ConsistentHash(key_of)
    options = PoolOptions(worker=ChildOptions(grace=1))
    owned = await supervisor.pool("mine", savings_of, "me", routing=by_key, options=options)
    assert_type(await owned.ask(Audit()), list[str])


async def use_partitions(supervisor: Supervisor) -> None:
    users = await supervisor.partition("users", 8)
    assert_type(users, Partitions)
    for key in ("ada", b"ada", 1, ("ada", 1, (b"x",))):
        assert_type(users.supervisor_for(key), Supervisor)


class Valued: ...


@attrs.frozen
class Worth(Tell[Valued]):
    amount: float


class Worthy(Actor, Valued):
    @Worth.handles
    async def worth(self, message: Worth) -> None: ...


async def use_topics(system: System, house: Ref[Worthy]) -> None:
    topic = await system.spawn(Topic[float], name="worth")
    assert_type(topic, Ref[Topic[float]])
    await topic.tell(Publish(1.5))
    await topic.tell(Publish(1))  # a topic of numbers takes integers
    topic.tell_nowait(Publish(1.5))
    async with topic.stream(Subscribe[float](MailboxOptions(1)), buffer=0) as items:
        async for item in items:
            assert_type(item, float)
    await topic.tell(Attach(house, Worth))
    await topic.tell(Attach[float, Worthy](house, lambda amount: Worth(amount + 1)))
    await topic.tell(Detach(house))


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


class Naming:
    """A propagator."""

    def capture(self) -> object | None:
        return "name"

    def attach(self, trace: object, path: str, message: object) -> object:
        return (trace, path, message)

    def detach(self, token: object, error: BaseException | None) -> None: ...


async def use_telemetry(tracer: Tracer, meter: Meter) -> None:
    propagator = OpenTelemetryPropagator(spans=True, tracer=tracer)
    for each in (propagator, OpenTelemetryPropagator(), Naming(), None):
        async with open_system(propagator=each) as system:
            assert_type(await system.spawn(FactMeter, system), Ref[FactMeter])
            assert_type(await system.spawn(FactMeter, system, meter), Ref[FactMeter])
            timing = partial(FactMeter, system, durations=True, seconds=5.0)
            assert_type(await system.spawn(timing), Ref[FactMeter])
            await system.spawn(FactLogger, system, 16)
            await system.spawn(partial(FactLogger, messages=True), system)
            assert_type(system.events().take_nowait(), list[Fact])


async def count(number: int) -> int:
    return number


async def use_a_test_system() -> None:
    async with open_test_system(allow=(ValueError, DeadLetter), mailbox=1) as system:
        assert_type(system, System)
        async with record_facts(system) as facts:
            assert_type(facts.of(Crashed), list[Crashed])
            assert_type(await facts.wait_for(Crashed, times=2), Crashed)
        await use_a_probe(await Probe.spawn(system, Account, name="account"))
        texts = await Probe.spawn(system, Store[str])
        assert_type(texts.ref, Ref[Store[str]])


async def use_a_probe(account: Probe[Account]) -> None:
    assert_type(account.ref, Ref[Account])
    await use_an_account(account.ref)
    deposit = await account.expect(Deposit, within=1.5)
    assert_type(deposit, Deposit)
    account.reply(deposit.amount, to=deposit)
    account.fail(Overdrawn())
    history = await account.expect(History)
    await account.send("line", to=history)
    account.end(to=history)
    account.answers(Deposit, 5)
    account.answers(Deposit, lambda message: message.amount)
    account.streams(History, ["line"])


def use_a_simulation() -> None:
    simulation = simulate(7, faults=Faults(crash=0.02), mailbox=1)
    assert_type(simulation.run(count, 3), int)
    assert_type(simulation.trace, tuple[str, ...])
    simulate_many(range(10), use_a_test_system)


async def main() -> None:
    async with open_system() as system:
        await use_a_system(system)
        assert_type(str(system.tree()), str)
    async with open_system(signals=True, drain_seconds=10.0) as system:
        await system.stop(drain=True)


@attrs.frozen
class Found:
    text: str


async def structured_output(provider: ProviderHandle) -> None:
    found = await provider.complete_as(Found, [user("Hello")], attempts=2)
    assert_type(found, Structured[Found])
    assert_type(found.value, Found)
    async with provider.stream_as(Found, [user("Hello")]) as stream:
        async for partial in stream:
            assert_type(partial, Partial)
    assert_type(stream.value, Found)
    AgentOptions(output=Found, output_attempts=2)


FINDS = AgentOptions(output=Found, conversation="finds")


async def an_agent_with_an_output() -> None:
    async with open_agent("scripted:echo", options=FINDS) as agent:
        assert_type(agent, AgentHandle[Found])
        assert_type((await agent.run("Hello")).value, Found)
        async with agent.stream("Hello") as run:
            async for event in run:
                assert_type(event, Event)
        assert_type(run.value, Found | None)  # not before `Complete`
        assert_type(run.response.value, Found | None)
        assert_type(agent.resume(run.id), AgentRun[Found])
        await any_agent(agent)
        await an_object(agent)


async def any_agent(agent: AgentHandle, options: AgentOptions = AgentOptions()) -> None:  # noqa: B008 - frozen
    """Without parameters: of whatever output."""
    answer = await agent.run("Hello")
    answer.value.whatever()
    await any_agent(agent, FINDS)
    async with open_agent("scripted:echo", options=options) as another:
        assert_type(another, AgentHandle)


async def an_object(agent: AgentHandle[object]) -> None:
    assert_type((await agent.run("Hello")).value, object)


async def a_plain_agent() -> None:
    async with open_agent("scripted:echo") as agent:
        assert_type(agent, AgentHandle)
        assert_type((await agent.run("Hello")).text, str)
        await any_agent(agent)
        await an_object(agent)


async def several_agents(agent: AgentHandle[Found], ref: Ref[Agent]) -> None:
    recipe = AgentRecipe("finder", "scripted:echo", options=FINDS)
    assert_type(recipe, AgentRecipe[Found])
    plain = AgentRecipe("plain", "scripted:echo", tools=[agent_tool(recipe), agent_tool(agent)])
    assert_type(plain, AgentRecipe)
    both = await fan_out([(agent, "Hello"), (agent, "Bye")])
    assert_type(both, list[StreamResponse[Found]])
    kept = await fan_out(((recipe, text) for text in ("a", "b")), on_error="keep")
    assert_type(kept, list[StreamResponse[Found] | RuntimeFault])
    assert_type(await fan_out([(ref, "Hello")]), list[StreamResponse])
    Guard(ask_agent(recipe), on="input")


async def agents_of_asyncio() -> None:
    async with actors.asyncio.open_agent("scripted:echo", options=FINDS) as agent:
        assert_type(agent, AsyncioAgent[Found])
        assert_type((await agent.run("Hello")).value, Found)
        assert_type(agent.stream("Hello").value, Found | None)
    async with actors.asyncio.open_agent("scripted:echo") as plain:
        assert_type(plain, AsyncioAgent)


def agents_that_block() -> None:
    with actors.blocking.open_agent("scripted:echo", options=FINDS) as agent:
        assert_type(agent, BlockingAgent[Found])
        assert_type(agent.run("Hello").value, Found)
        assert_type(agent.stream("Hello").value, Found | None)
    with actors.blocking.open_agent("scripted:echo") as plain:
        assert_type(plain, BlockingAgent)


def behind_a_bridge(bridge: Bridge, ref: Ref[Savings]) -> None:
    assert_type(bridge.run(ref.ask, Deposit(5)), int)
    with bridge.open(open_system) as system:
        assert_type(system, System)
    with bridge.stream(ref.stream, History(3)) as lines:
        for line in lines:
            assert_type(line, str)


async def behind_a_bridge_in_asyncio(bridge: AsyncioBridge, ref: Ref[Savings]) -> None:
    assert_type(await bridge.run(ref.ask, Deposit(5)), int)
    async with bridge.open(open_system) as system:
        assert_type(system, System)
    async with bridge.stream(ref.stream, History(3)) as lines:
        async for line in lines:
            assert_type(line, str)
