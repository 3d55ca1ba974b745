"""A pool: several workers behind one handle, with the promises of a single ref."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
import trio.testing
from puppet import Do, Feed, Heard, Order, Puppet, crash, crash_now, nothing, outcome_of, sleeps

from runtime import (
    Actor,
    ActorRestarting,
    ActorStopped,
    Ask,
    AskCycle,
    AskTimeout,
    Backoff,
    ChildOptions,
    ConsistentHash,
    DeadLetter,
    Exit,
    ForeignRun,
    MailboxFull,
    MailboxOptions,
    Overflow,
    Pool,
    PoolOptions,
    RestartLimit,
    RestartPolicy,
    RestartStrategy,
    Routing,
    Sink,
    Stopped,
    System,
    open_system,
)
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from trio.testing import MockClock

IN_TURN = pytest.mark.parametrize("routing", [Routing.ROUND_ROBIN, Routing.LEAST_LOADED])
PLENTY = RestartLimit(1_000, 1.0)
LATER = PoolOptions(limit=PLENTY, backoff=Backoff(1.0, 1.0, jitter=0))
ONCE = PoolOptions(worker=ChildOptions(restart=RestartPolicy.TEMPORARY))
CAPACITY_1 = MailboxOptions(1)


async def name_of(puppet: Puppet) -> str:
    return puppet.ref.path.rpartition("/")[2].removeprefix("worker-")


WHO = Do(name_of)  # who got this message?


class Keyed: ...


@attrs.frozen
class Whose(Ask[Keyed, str]):
    """The reply is the path of the worker, or its crash."""

    key: str
    crashes: bool = False


class KeyedWorker(Actor, Keyed):
    @Whose.handles
    async def whose(self, message: Whose) -> str:
        if message.crashes:
            raise ValueError
        return self.ref.path


BY_KEY = ConsistentHash(lambda message: message.key)


async def puppets(system: System, size: int, options: PoolOptions = LATER) -> Pool[Puppet]:
    return await system.pool("pool", Puppet, size=size, options=options)


async def asked(pool: Pool[Puppet], times: int) -> str:
    return " ".join([await pool.ask(WHO) for _ in range(times)])


async def wait_until_blocked() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_the_workers_of_a_pool_take_turns() -> None:
    async with open_system() as system:
        pool = await puppets(system, 3)
        assert await asked(pool, 7) == "1 2 3 1 2 3 1"


async def test_the_workers_stand_in_the_tree_below_a_supervisor_of_the_name_of_the_pool() -> None:
    async with open_system() as system:
        group = await system.supervise("group")
        pool = await group.pool("pool", Puppet, size=2)
        node = system.tree().children[0].children[0]

        assert (node.path, node.kind) == ("/group/pool", "one_for_one")
        assert [child.path for child in node.children] == [ref.path for ref in pool.refs]
        assert [child.path for child in node.children] == [
            "/group/pool/worker-1",
            "/group/pool/worker-2",
        ]
        assert (pool.path, repr(pool)) == ("/group/pool", "<Pool /group/pool 2 of 2 running>")
        assert system.whereis("/group/pool/worker-2", Puppet) == pool.refs[1]


async def test_the_factory_gets_its_arguments_for_each_worker_and_again_after_a_crash() -> None:
    started = list[str]()

    async def on_start(puppet: Puppet) -> None:
        started.append(await name_of(puppet))

    async with open_system() as system:
        pool = await system.pool("pool", Puppet, on_start, size=2)
        await crash_now(pool.refs[1])
        assert started == ["1", "2", "2"]


async def test_the_least_loaded_worker_is_the_one_with_the_fewest_messages(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        pool = await system.pool("pool", Puppet, size=3, routing=Routing.LEAST_LOADED)
        one, two, three = pool.refs
        for ref in (one, one, two):
            nursery.start_soon(ref.ask, Do(sleeps(10)))  # in hand, and one queued
        await wait_until_blocked()
        assert await pool.ask(WHO) == "3"
        for _ in range(2):
            nursery.start_soon(three.ask, Do(sleeps(10)))
        await wait_until_blocked()
        assert await pool.ask(WHO) == "2"


@IN_TURN
async def test_a_worker_that_restarts_is_passed_over_while_another_runs(
    routing: Routing, autojump_clock: MockClock
) -> None:
    async with open_system() as system:
        pool = await system.pool("pool", Puppet, size=3, routing=routing, options=LATER)
        await crash_now(pool.refs[1])
        assert pool.statistics().running == 2
        assert sorted((await asked(pool, 6)).split()) == ["1", "1", "1", "3", "3", "3"]

        await trio.sleep(1.5)
        assert sorted((await asked(pool, 3)).split()) == ["1", "2", "3"]


@IN_TURN
async def test_a_worker_that_has_crashed_and_cleans_up_is_passed_over(
    routing: Routing, autojump_clock: MockClock
) -> None:
    async def slowly(puppet: Puppet, exit: Exit) -> None:
        await trio.sleep(3)

    async with open_system() as system, trio.open_nursery() as nursery:
        pool = await system.pool("pool", Puppet, nothing, slowly, size=2, routing=routing)
        nursery.start_soon(crash_now, pool.refs[0])
        await trio.sleep(1.5)
        assert pool.refs[0].statistics().state == "running"  # so says its cell, as yet
        assert await asked(pool, 2) == "2 2"


@IN_TURN
async def test_a_worker_that_starts_again_is_passed_over_until_it_has(
    routing: Routing, autojump_clock: MockClock
) -> None:
    async with open_system() as system:
        pool = await system.pool("pool", Puppet, sleeps(1), size=2, routing=routing)
        await crash_now(pool.refs[0])
        assert pool.refs[0].statistics().state == "starting"
        assert await asked(pool, 2) == "2 2"


@IN_TURN
async def test_where_no_worker_runs_an_ask_ends_as_with_a_single_ref(
    routing: Routing, autojump_clock: MockClock
) -> None:
    async with open_system() as system:
        pool = await system.pool("pool", Puppet, size=2, routing=routing, options=LATER)
        for ref in pool.refs:
            await crash_now(ref)
        with pytest.raises(ActorRestarting) as caught:
            await pool.ask(WHO)
        assert caught.value.message is WHO
        await trio.sleep(1.5)
        assert await pool.ask(WHO) in {"1", "2"}


async def test_where_no_worker_runs_an_ask_waits_if_the_mailboxes_are_kept(
    autojump_clock: MockClock,
) -> None:
    options = attrs.evolve(LATER, worker=ChildOptions(keep_mailbox=True))
    async with open_system() as system:
        pool = await puppets(system, 2, options)
        for ref in pool.refs:
            await crash_now(ref)
        assert await pool.ask(WHO) == "1"
        assert trio.current_time() == pytest.approx(1)


async def test_a_worker_that_stops_and_comes_back_is_preferred_to_one_that_stops_for_good(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        group = await system.supervise("group", strategy=RestartStrategy.ONE_FOR_ALL)
        pool = await group.pool("pool", Puppet, size=2)
        sibling = await group.spawn(Puppet)
        for ref in pool.refs:
            nursery.start_soon(ref.ask, Do(sleeps(2)))
        await wait_until_blocked()
        nursery.start_soon(pool.refs[0].stop)
        await crash_now(sibling)  # which takes the pool down with it, for a while
        assert [ref.statistics().state for ref in pool.refs] == ["stopping", "stopping"]
        for _ in range(2):
            with pytest.raises(ActorRestarting, match="worker-2 is restarting"):
                await pool.ask(WHO)


async def test_a_worker_that_is_gone_for_good_leaves_the_pool() -> None:
    async with open_system() as system:
        pool = await puppets(system, 3, ONCE)
        gone, *left = pool.refs
        await crash_now(gone)
        assert list(pool.refs) == left
        assert await asked(pool, 4) == "2 3 2 3"
        assert repr(pool) == "<Pool /pool 2 of 2 running>"


@pytest.mark.parametrize("routing", [*Routing, BY_KEY])
async def test_an_empty_pool_is_like_an_actor_that_has_ended(
    routing: Routing | ConsistentHash, autojump_clock: MockClock
) -> None:
    heard = Heard()
    order, feed = Order(nothing), Feed(nothing)
    by_kind = ConsistentHash(lambda message: type(message).__name__)
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        pool = await system.pool(
            "pool",
            Puppet,
            size=2,
            routing=by_kind if routing is BY_KEY else routing,
            options=ONCE,
        )
        for ref in pool.refs:
            await ref.stop()
        assert (pool.refs, repr(pool)) == ((), "<Pool /pool 0 of 0 running>")
        if routing is not Routing.BROADCAST:
            with pytest.raises(ActorStopped, match=r"^/pool has stopped") as caught:
                await pool.ask(WHO)
            assert (caught.value.message, caught.value.started) == (WHO, False)
            with pytest.raises(ActorStopped, match=r"^/pool has stopped") as caught:
                async with pool.stream(feed):
                    pytest.fail("there is nobody to feed")
            assert caught.value.message is feed
            pool.tell_nowait(order)
        await pool.tell(order)
        await pool.broadcast(order)
        await wait_until_blocked()
        nursery.cancel_scope.cancel()
    letters = heard.of(DeadLetter)
    assert {(letter.path, letter.message) for letter in letters} == {("/pool", order)}
    assert len(letters) == (2 if routing is Routing.BROADCAST else 3)


async def test_a_message_that_the_workers_do_not_handle_is_refused_also_by_an_empty_pool() -> None:
    async with open_system() as system:
        pool: Pool[Any] = await puppets(system, 1, ONCE)
        for _ in range(2):
            with pytest.raises(TypeError, match="has no handler for Whose"):
                await pool.ask(Whose("a"))
            for ref in pool.refs:
                await ref.stop()


# Keys


async def test_a_key_keeps_its_worker_while_that_restarts(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        pool = await system.pool("pool", KeyedWorker, size=4, routing=BY_KEY, options=LATER)
        owners = {key: await pool.ask(Whose(key)) for key in "abcdefghijklmnop"}
        assert len(set(owners.values())) == 4
        with pytest.raises(Exception, match="crashed while it handled Whose"):
            await pool.ask(Whose("a", crashes=True))
        for key, owner in owners.items():
            if owner == owners["a"]:
                with pytest.raises(ActorRestarting):
                    await pool.ask(Whose(key))
            else:
                assert await pool.ask(Whose(key)) == owner

        await trio.sleep(1.5)
        assert owners == {key: await pool.ask(Whose(key)) for key in owners}


async def test_the_keys_of_a_worker_that_is_gone_move_to_others_and_no_other_key_moves() -> None:
    async with open_system() as system:
        pool = await system.pool("pool", KeyedWorker, size=4, routing=BY_KEY)
        owners = {key: await pool.ask(Whose(key)) for key in "abcdefghijklmnop"}
        gone = pool.refs[2]
        await gone.stop()
        for key, owner in owners.items():
            assert ((now := await pool.ask(Whose(key))) == owner) is (owner != gone.path)
            assert now in {ref.path for ref in pool.refs}


async def test_a_key_does_not_move_before_its_worker_has_ended(autojump_clock: MockClock) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        pool = await system.pool("pool", Puppet, size=2, routing=ConsistentHash(lambda _: "key"))
        owner = pool.refs[int(await pool.ask(WHO)) - 1]
        nursery.start_soon(owner.ask, Do(sleeps(2)))
        await wait_until_blocked()
        nursery.start_soon(owner.stop)
        await trio.sleep(1.5)
        with pytest.raises(ActorStopped):
            await pool.ask(WHO)
        await trio.sleep(2)
        assert not owner.path.endswith(await pool.ask(WHO))


# Every verb of a ref


async def test_a_tell_and_a_stream_go_to_one_worker() -> None:
    told = list[str]()

    async def note(puppet: Puppet) -> None:
        told.append(await name_of(puppet))

    async def feed(puppet: Puppet, out: Sink[Any]) -> None:
        await out.send_many([await name_of(puppet)] * 3)

    async with open_system() as system:
        pool = await puppets(system, 2)
        await pool.tell(Order(note))
        pool.tell_nowait(Order(note))
        async with pool.stream(Feed(feed), buffer=2) as items:
            assert [item async for item in items] == ["1", "1", "1"]
        await wait_until_blocked()
        assert sorted(told) == ["1", "2"]


async def test_a_message_goes_straight_into_the_mailbox_of_a_worker(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        pool = await puppets(system, 1, PoolOptions(worker=ChildOptions(mailbox=CAPACITY_1)))
        pool.tell_nowait(Order(sleeps(1)))
        await wait_until_blocked()
        pool.tell_nowait(Order(nothing))
        with pytest.raises(trio.WouldBlock):
            pool.tell_nowait(Order(nothing))
        nursery.start_soon(pool.tell, Order(nothing))
        await wait_until_blocked()
        assert pool.refs[0].statistics().queued == 1
        assert pool.refs[0].statistics().in_line == 1


async def test_the_timeout_of_an_ask_holds(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        pool = await puppets(system, 2)
        with pytest.raises(AskTimeout, match="/pool/worker-1 did not answer Do within 1 s"):
            await pool.ask(Do(sleeps(5)), timeout=1)
        assert trio.current_time() == 1


async def test_the_statistics_of_a_pool_are_sums_over_its_workers(
    autojump_clock: MockClock,
) -> None:
    options = attrs.evolve(LATER, worker=ChildOptions(mailbox=CAPACITY_1))
    async with open_system() as system, trio.open_nursery() as nursery:
        pool = await puppets(system, 2, options)
        await crash_now(pool.refs[0])
        await trio.sleep(1.5)
        for _ in range(5):
            nursery.start_soon(pool.ask, Do(sleeps(1)))
            await wait_until_blocked()
        statistics = pool.statistics()
        assert (statistics.running, statistics.handled, statistics.restarts) == (2, 3, 1)
        assert (statistics.queued, statistics.in_line) == (2, 1)
        assert statistics.workers == tuple(ref.statistics() for ref in pool.refs)


async def test_a_pool_is_refused_in_another_run() -> None:
    async with open_system() as system:
        pool = await puppets(system, 1)

        async def use_every_verb() -> None:
            for call in (
                pool.ask(WHO),
                pool.tell(Order(nothing)),
                pool.broadcast(Order(nothing)),
                pool.stop(),
            ):
                with pytest.raises(ForeignRun):
                    await call

        await trio.to_thread.run_sync(trio.run, use_every_verb)


# Broadcast


@pytest.mark.parametrize("routing", Routing)
async def test_a_broadcast_reaches_every_worker(routing: Routing) -> None:
    told = list[str]()

    async def note(puppet: Puppet) -> None:
        told.append(await name_of(puppet))

    async with open_system() as system:
        pool = await system.pool("pool", Puppet, size=3, routing=routing)
        await pool.broadcast(Order(note))
        if routing is Routing.BROADCAST:
            await pool.tell(Order(note))
        await wait_until_blocked()
    times = 2 if routing is Routing.BROADCAST else 1
    assert sorted(told) == sorted(["1", "2", "3"] * times)


async def test_a_pool_that_broadcasts_takes_nothing_that_has_one_receiver() -> None:
    async with open_system() as system:
        pool = await system.pool("pool", Puppet, routing=Routing.BROADCAST)
        with pytest.raises(TypeError, match="Do has one receiver"):
            await pool.ask(WHO)
        with pytest.raises(TypeError, match="Feed has one receiver"):
            pool.stream(Feed(nothing))
        with pytest.raises(TypeError, match="Order has one receiver"):
            pool.tell_nowait(Order(nothing))


async def test_a_broadcast_waits_for_a_full_worker_after_the_others_have_got_it(
    autojump_clock: MockClock,
) -> None:
    told = list[tuple[str, float]]()

    async def note(puppet: Puppet) -> None:
        told.append((await name_of(puppet), trio.current_time()))

    async with open_system() as system:
        pool = await puppets(system, 3, PoolOptions(worker=ChildOptions(mailbox=CAPACITY_1)))
        first = pool.refs[0]
        for seconds in (1, 2):
            await first.tell(Order(sleeps(seconds)))
            await wait_until_blocked()
        await pool.broadcast(Order(note))
        assert trio.current_time() == 1
        await trio.sleep(5)
    assert sorted(told) == [("1", 3), ("2", 0), ("3", 0)]


async def test_a_broadcast_that_a_full_worker_refuses_has_reached_the_others(
    autojump_clock: MockClock,
) -> None:
    told = list[str]()

    async def note(puppet: Puppet) -> None:
        told.append(await name_of(puppet))

    options = ChildOptions(mailbox=MailboxOptions(1, Overflow.FAIL))
    async with open_system() as system:
        pool = await puppets(system, 3, PoolOptions(worker=options))
        for _ in range(2):
            await pool.refs[0].tell(Order(sleeps(1)))
            await wait_until_blocked()
        order = Order(note)
        with pytest.raises(MailboxFull) as caught:
            await pool.broadcast(order)
        assert (caught.value.path, caught.value.message) == ("/pool/worker-1", order)
        await wait_until_blocked()
        assert sorted(told) == ["2", "3"]


# Begin and end


async def test_a_pool_that_is_stopped_with_drain_has_handled_all_that_was_queued(
    autojump_clock: MockClock,
) -> None:
    done = list[int]()

    def work(number: int) -> Order:
        async def work(puppet: Puppet) -> None:
            await trio.sleep(1)
            done.append(number)

        return Order(work)

    async with open_system() as system:
        pool = await puppets(system, 2)
        for number in range(4):
            await pool.tell(work(number))
        await pool.stop(drain=True)
        assert sorted(done) == [0, 1, 2, 3]
        assert trio.current_time() == 2  # both workers at once
        assert system.tree().children == ()
        with pytest.raises(ActorStopped):
            await pool.ask(WHO)


async def test_a_pool_that_is_stopped_handles_no_further_message(
    autojump_clock: MockClock,
) -> None:
    outcomes = list[Any]()
    async with open_system() as system, trio.open_nursery() as nursery:
        pool = await puppets(system, 1)
        for work in (sleeps(1), sleeps(0)):
            nursery.start_soon(outcome_of, pool.refs[0], Do(work), outcomes)
            await wait_until_blocked()
        nursery.start_soon(pool.stop)
        await wait_until_blocked()
        with pytest.raises(ActorStopped):
            await pool.ask(WHO)
        await trio.sleep(1.5)
        assert system.tree().children == ()
        assert {type(outcome) for outcome in outcomes} == {type(None), ActorStopped}
        await pool.stop()  # once more does no harm


async def test_a_stop_that_is_cancelled_stops_the_pool_all_the_same(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        pool = await puppets(system, 2)
        nursery.start_soon(pool.ask, Do(sleeps(2)))
        await wait_until_blocked()
        with trio.move_on_after(1):
            await pool.stop()
        assert system.tree().children != ()
        await trio.sleep(1.5)
        assert system.tree().children == ()


async def test_a_pool_can_be_stopped_while_it_waits_to_be_restarted(
    autojump_clock: MockClock,
) -> None:
    async with open_system() as system:
        group = await system.supervise("group", backoff=Backoff(5, 5, jitter=0))
        pool = await group.pool("pool", Puppet, options=PoolOptions(limit=RestartLimit(0)))
        await crash_now(pool.refs[0])
        await pool.stop()
        await trio.sleep(10)
        assert system.tree().children[0].children == ()


async def test_a_pool_that_gives_up_comes_back_behind_the_same_handle() -> None:
    async with open_system() as system:
        pool = await puppets(system, 2, PoolOptions(limit=RestartLimit(1)))
        before = pool.refs
        for _ in range(2):
            await crash_now(pool.refs[0])
        assert pool.refs == before
        assert await asked(pool, 2) == "1 2"
        assert [ref.statistics().restarts for ref in pool.refs] == [2, 1]


async def test_a_pool_that_gives_up_for_good_is_gone() -> None:
    heard = Heard()
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(heard.listen, system)
        options = PoolOptions(limit=RestartLimit(0), restart=RestartPolicy.TEMPORARY)
        pool = await puppets(system, 2, options)
        await crash_now(pool.refs[0])
        assert pool.refs == ()
        with pytest.raises(ActorStopped, match=r"^/pool has stopped"):
            await pool.ask(WHO)
        nursery.cancel_scope.cancel()
    assert [fact.path for fact in heard.of(Stopped)][-1] == "/pool"


async def test_a_pool_whose_worker_does_not_start_leaves_nothing() -> None:
    begun = list[str]()

    async def fail_third(puppet: Puppet) -> None:
        begun.append(await name_of(puppet))
        if len(begun) == 3:
            raise OSError("no more")

    async with open_system() as system:
        with pytest.raises(OSError, match="no more"):
            await system.pool("pool", Puppet, fail_third)
        assert begun == ["1", "2", "3"]
        assert system.tree().children == ()
        await system.pool("pool", Puppet)  # the name is free


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        ({"size": 0}, ValueError, "size must be 1 or more workers, not 0"),
        ({"routing": "random"}, TypeError, "routing must be a Routing or ConsistentHash"),
        ({"options": ChildOptions()}, TypeError, r"PoolOptions\(worker=ChildOptions\(...\)\)"),
    ],
)
async def test_what_makes_no_pool_is_refused_and_leaves_nothing(
    wrong: dict[str, Any], error: type[Exception], match: str
) -> None:
    async with open_system() as system:
        with pytest.raises(error, match=match):
            await system.pool("pool", Puppet, **wrong)
        assert system.tree().children == ()


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(TypeError, match="restart must be a RestartPolicy"):
        PoolOptions(restart="never")  # type: ignore[arg-type]


async def test_a_name_that_is_taken_is_refused_and_its_owner_left_alone() -> None:
    async with open_system() as system:
        pool = await puppets(system, 1)
        with pytest.raises(ValueError, match="there is a /pool already"):
            await puppets(system, 2)
        assert await pool.ask(WHO) == "1"


@pytest.mark.parametrize("routing", [Routing.ROUND_ROBIN, Routing.BROADCAST])
async def test_a_pool_survives_a_cancel_at_every_checkpoint(routing: Routing) -> None:
    async def scenario() -> None:
        async with assert_no_leaks(), open_system() as system:
            pool = await system.pool("pool", Puppet, size=2, routing=routing)
            try:
                if routing is not Routing.BROADCAST:
                    assert await pool.ask(WHO) == "1"
                await pool.tell(Order(nothing))
                await pool.broadcast(Order(nothing))
                await pool.stop(drain=True)
            finally:
                for ref in pool.refs:
                    assert ref.statistics().handling == ()

    assert await cancel_everywhere(scenario) > 20


async def test_a_pool_whose_start_is_cancelled_leaves_nothing() -> None:
    async def scenario() -> None:
        with trio.CancelScope() as scope:
            async with assert_no_leaks(), open_system() as system:
                try:
                    await system.pool("pool", Puppet, size=2)
                except trio.Cancelled:
                    assert system.tree().children == ()
                    raise
        assert not scope.cancelled_caught

    assert await cancel_everywhere(scenario) > 5


async def test_no_ask_of_a_pool_notices_that_one_worker_after_the_other_crashes(
    autojump_clock: MockClock,
) -> None:
    answers = list[str]()

    async def ask(number: int, pool: Pool[Puppet]) -> None:
        await trio.sleep(number * 0.1)
        answers.append(await pool.ask(WHO))
        if number % 15 == 0:  # every one and a half seconds, and each is away for one
            await pool.tell(Order(crash))

    async with open_system() as system:
        pool = await system.pool("pool", Puppet, size=3, options=LATER)
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(ask, number, pool)
        await trio.sleep(1.5)
        assert pool.statistics().restarts == 7
    assert len(answers) == 100


async def test_a_worker_that_broadcasts_to_its_own_full_mailbox_has_reached_the_others(
    autojump_clock: MockClock,
) -> None:
    told = list[str]()

    async def note(puppet: Puppet) -> None:
        told.append(await name_of(puppet))

    async def broadcast(_: Puppet) -> None:
        for ref in pool.refs:
            await ref.tell(Order(nothing))
        with pytest.raises(AskCycle) as caught:
            await pool.broadcast(order)
        assert caught.value.message is order

    order = Order(note)
    async with open_system() as system:
        pool = await puppets(system, 3, PoolOptions(worker=ChildOptions(mailbox=CAPACITY_1)))
        for ref in pool.refs[1:]:
            await ref.tell(Order(sleeps(1)))
        await wait_until_blocked()
        await pool.refs[0].ask(Do(broadcast))
        await wait_until_blocked()
    assert sorted(told) == ["2", "3"]
