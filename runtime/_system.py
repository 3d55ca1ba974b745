"""A system: the root supervisor, and the block that owns everything below it."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

import trio
from trio.lowlevel import enable_ki_protection

from ._actor import Actor
from ._agenda import DEFAULT_LIMIT, Plan
from ._cycles import chain_to_caller, is_needed_below, refuse_cycle, waiting_for
from ._hub import Hub
from ._lifecycle import unwrapped
from ._member import ActorMember, Member, check_name
from ._occupants import End
from ._outcome import Outcome
from ._pool import DEFAULT_POOL, Pool, PoolOptions, check_options
from ._ref import Ref
from ._restart import Backoff, RestartLimit, RestartPolicy, RestartStrategy
from ._routing import ConsistentHash, Key, Router, Routing, partition_of
from ._signals import Signals
from ._subscription import Subscription
from ._supervisor import Branch
from ._tree import Node, node_of
from ._waits import is_in_an_actor

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from ._carried import Propagator
    from ._options import ChildOptions
    from ._supervision import Supervision

T = TypeVar("T", bound=Actor)
A = TypeVar("A")
Ts = TypeVarTuple("Ts")

OUTSIDE: Final = (
    "actors need trio: write `trio.run(main)` in place of `asyncio.run(main())`, or use "
    "`runtime.bridge` (for agents `actors.asyncio`) in an asyncio program"
)


class Supervisor:
    """Starts children and restarts them; it ends with the block of its system at the latest."""

    def __init__(self, branch: Branch) -> None:
        self._branch = branch

    @property
    def path(self) -> str:
        return self._branch.path

    async def spawn(
        self,
        factory: Callable[[*Ts], T],
        *args: *Ts,
        name: str | None = None,
        options: ChildOptions | None = None,
    ) -> Ref[T]:
        """Start an actor: `await system.spawn(SavingsAccount, 3, name="savings")`.

        Args:
            factory: Makes the actor; called again for every restart. Use
                `functools.partial` for keyword arguments.
            args: For the factory.
            name: Unique among the siblings; made from the factory's name if None.
            options: How it is treated; the class's `default_options` if None.

        Cancelled while it waits for `started`: the actor has ended and leaves nothing.

        Raises:
            ActorStopped: If the supervisor is stopping.
            TypeError: If the factory makes no actor, or one that lacks a handler.
            ValueError: If the name is taken.
            Exception: What the factory or `started` raised.
        """
        self._branch.hub.check_run(self.path)
        return Ref(await self._branch.running.spawn(factory, args, name, options))

    async def supervise(
        self,
        name: str,
        *,
        strategy: RestartStrategy = RestartStrategy.ONE_FOR_ONE,
        limit: RestartLimit = DEFAULT_LIMIT,
        backoff: Backoff | None = None,
        restart: RestartPolicy = RestartPolicy.PERMANENT,
    ) -> Supervisor:
        """Start a supervisor below this one.

        Args:
            name: Unique among the siblings.
            strategy: Which siblings are restarted with a child.
            limit: How many restarts it takes before it gives up and fails itself.
            backoff: How long to wait before a restart; not at all if None.
            restart: Whether it is itself restarted, with its children, when it has given up.

        Raises:
            ActorStopped: If this supervisor is stopping.
            ValueError: If the name is taken.
        """
        self._branch.hub.check_run(self.path)
        check_name(name)
        branch = Branch(
            self._branch.path_of(name), self._branch.hub, Plan(strategy, limit, backoff, restart)
        )
        await self._branch.running.add(branch)
        return Supervisor(branch)

    @enable_ki_protection
    async def pool(
        self,
        name: str,
        factory: Callable[[*Ts], T],
        *args: *Ts,
        size: int = 4,
        routing: Routing | ConsistentHash = Routing.ROUND_ROBIN,
        options: PoolOptions = DEFAULT_POOL,
    ) -> Pool[T]:
        """Start several workers behind one handle: `await system.pool("searches", Search, index)`.

        They are the children "worker-1", "worker-2" … of a supervisor of the pool's name.

        Args:
            name: Unique among the siblings.
            factory: Makes a worker; see `spawn`.
            args: For the factory.
            size: How many workers.
            routing: Which of them gets a message.
            options: How they are treated, each alone and as a group.

        Cancelled while it waits, or if a worker does not start: all have ended.

        Raises:
            ActorStopped, TypeError, ValueError, Exception: As `spawn` does.
        """
        router = Router(routing)
        _check_count("size", size, "workers")
        check_options(options)
        group = await self.supervise(
            name, limit=options.limit, backoff=options.backoff, restart=options.restart
        )
        try:
            refs = [
                await group.spawn(factory, *args, name=f"worker-{number}", options=options.worker)
                for number in range(1, size + 1)
            ]
        except BaseException:
            await group._undo()  # noqa: SLF001 - of the same class
            raise
        return Pool(group._branch, router, refs)  # noqa: SLF001 - of the same class

    @enable_ki_protection
    async def partition(
        self,
        name: str,
        count: int,
        *,
        strategy: RestartStrategy = RestartStrategy.ONE_FOR_ONE,
        limit: RestartLimit = DEFAULT_LIMIT,
        backoff: Backoff | None = None,
    ) -> Partitions:
        """Start `count` supervisors that do not disturb each other, each for a part of the keys.

        One that gives up is restarted with its children, after a pause that grows from 0.1 s to
        10 s, for as often as it takes; the others do not notice.

        Args:
            name: Of the supervisor above them, unique among the siblings.
            count: How many partitions.
            strategy: In each partition, which siblings are restarted with a child.
            limit: How many restarts each partition takes before it gives up.
            backoff: In each partition, how long to wait before a restart; not at all if None.

        Raises:
            ActorStopped: If this supervisor is stopping.
            ValueError: If the name is taken or `count` is below 1.
        """
        _check_count("count", count, "partitions")
        # To give up on one partition would end them all.
        parent = await self.supervise(name, limit=RestartLimit(sys.maxsize), backoff=Backoff())
        try:
            return Partitions(
                parent,
                [
                    await parent.supervise(
                        f"partition-{number}", strategy=strategy, limit=limit, backoff=backoff
                    )
                    for number in range(1, count + 1)
                ],
            )
        except BaseException:
            await parent._undo()  # noqa: SLF001 - likewise
            raise

    @enable_ki_protection
    async def stop(self, *, drain: bool = False, now: bool = False) -> None:
        """Stop all children in reverse order, and wait until all is quiet.

        Each finishes what it has begun, within its grace. With `drain` each also handles what
        is queued, however long that takes: bound it with `trio.move_on_after`. With `now` each
        is cancelled at once. Cancelled while it waits: what is left is cancelled, and has ended
        when this returns control; in an actor, that is not waited for. And whoever belongs to
        what is stopped, a task of one of the actors, or with `now` a handler, is cancelled here
        with it, and the stop goes on.

        Raises:
            AskCycle: If one of them waits for whoever calls; nothing has been stopped.
            ValueError: If it is to be both.
        """
        self._branch.hub.check_run(self.path)
        if drain and now:
            raise ValueError("either drain=True or now=True: what is queued is handled, or not")
        end = End(self.path, self._branch.cells())
        if not now:
            refuse_cycle(end)
        running = self._last_life()
        try:
            if now:
                running.kill("its supervisor was stopped")
            else:
                running.request_stop(drain=drain)
            with waiting_for(end):
                await running.wait_down()
        finally:
            end = End(self.path, self._branch.cells(), everything=True)
            is_part_of_it = is_needed_below(running.nursery) or chain_to_caller(end) is not None
            if not running.is_down and not is_part_of_it:
                running.kill("whoever stopped its supervisor was cancelled")
                if not is_in_an_actor():  # which may yet come to be part of it
                    await _wait_down(running)

    def _last_life(self) -> Supervision:
        """What runs now; there shall be nothing after it."""
        branch = self._branch
        branch.unwanted = True
        if branch.running.is_down and branch.above is not None:  # it is to be started again
            branch.above.forget(branch)
        return branch.running

    async def _undo(self) -> None:
        """End what has just been started for somebody who does not get it."""
        running = self._last_life()
        running.kill("whoever started its supervisor was cancelled")
        await _wait_down(running)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path} with {len(self._branch.members)} children>"


class Partitions:
    """Supervisors side by side, each for a part of the keys, so that trouble stays in its part.

    Made by `await supervisor.partition(...)`.
    """

    def __init__(self, parent: Supervisor, supervisors: Sequence[Supervisor]) -> None:
        self._parent = parent
        self._supervisors = tuple(supervisors)

    @property
    def path(self) -> str:
        return self._parent.path

    @property
    def supervisors(self) -> tuple[Supervisor, ...]:
        return self._supervisors

    def supervisor_for(self, key: Key) -> Supervisor:
        """The partition of a key, the same in every process with as many partitions.

        Args:
            key: Text, bytes, an integer, or a tuple of these.

        Raises:
            TypeError: If it is something else.
        """
        return self._supervisors[partition_of(key, len(self._supervisors))]

    async def stop(self, *, now: bool = False) -> None:
        """Stop all partitions in reverse order; as `Supervisor.stop`."""
        await self._parent.stop(now=now)

    def __repr__(self) -> str:
        return f"<Partitions {self.path} of {len(self._supervisors)}>"


async def _wait_down(life: Supervision) -> None:
    with trio.CancelScope(shield=True):
        await life.wait_down()


def _check_count(name: str, count: int, what: str) -> None:
    if count < 1:
        raise ValueError(f"{name} must be 1 or more {what}, not {count}")


class System(Supervisor):
    """The root supervisor of one `open_system()` block."""

    def tree(self) -> Node:
        """The live tree, as it is now; print it to see it drawn."""
        return node_of(self._branch)

    def whereis(self, path: str, interface: type[A]) -> Ref[A] | None:
        """The actor at a path like "/group/savings", or None if there is none.

        Raises:
            TypeError: If the actor there does not implement `interface`.
        """
        member: Member | None = self._branch
        for name in path.strip("/").split("/"):
            below = member.branch_below if isinstance(member, ActorMember) else member
            member = below.members.get(name) if isinstance(below, Branch) else None
        if not isinstance(member, ActorMember) or member.cell is None:
            return None
        if not issubclass(member.kind, interface):
            raise TypeError(f"{path} is a {member.kind.__name__}, not a {interface.__name__}")
        return Ref(member.cell)

    def events(self, *, buffer: int = 256, messages: bool = False) -> Subscription:
        """Subscribe to what happens: `async with system.events() as events: async for ...`.

        Args:
            buffer: How many facts may wait to be read; beyond, the oldest are dropped.
            messages: Whether to hear of each handler's begin and end, too.
        """
        return Subscription(self._branch.hub, buffer, messages)


@asynccontextmanager
@enable_ki_protection
async def open_system(
    *,
    limit: RestartLimit = DEFAULT_LIMIT,
    propagator: Propagator | None = None,
    signals: bool = False,
    drain_seconds: float = 30.0,
) -> AsyncGenerator[System]:
    """Open a system of actors; all of it has ended when the block is left.

    Leaving normally stops the actors in reverse start order, each with its grace. An error or
    a cancel that leaves the block cancels them instead, in the same order.

    With `signals`, SIGTERM cancels the block, and the actors handle what is queued before they
    stop; that is a normal end. SIGUSR1 prints the tree to standard error, even while a handler
    hogs the loop. What the process did at these signals before is restored afterwards.

    Args:
        limit: How many restarts of its children the root supervisor takes before it gives up.
        propagator: Takes trace contexts from senders to handlers.
        signals: Whether SIGTERM and SIGUSR1 are for this system; in the main thread only, and
            for one system at a time.
        drain_seconds: How long after a SIGTERM what is left is cancelled; a second one does so
            at once.

    Raises:
        RuntimeError: If `signals` cannot be had, or trio does not run here.
        SystemFailed: If the root supervisor gave up; the block is cancelled then.
        ValueError: If `drain_seconds` is negative.
        BaseException: What the block raised, bare.
    """
    if not drain_seconds >= 0:
        raise ValueError(f"drain_seconds must be 0 or more, not {drain_seconds}")
    if not trio.lowlevel.in_trio_run():
        raise RuntimeError(OUTSIDE)
    hub = Hub(propagator)
    outcome = Outcome()
    root = Branch("/", hub, Plan(limit=limit), outcome.root_failed)
    hub.abort = outcome.abort
    life = root.begin()
    terminate = partial(outcome.terminate, life, drain_seconds)
    heard = Signals(root, terminate) if signals else nullcontext()
    with heard:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(life.run, name="root supervisor")
                nursery.start_soon(hub.watchdog.run, name="watchdog")
                try:
                    await life.wait_ready()
                    with outcome.body:
                        yield System(root)
                    if not outcome.has_failed:
                        life.request_stop(drain=outcome.is_terminated)
                        with outcome.stop:
                            await life.wait_down()
                except BaseException as error:  # noqa: BLE001 - raised again once all is quiet
                    outcome.body_error = error
                finally:
                    await outcome.outlast(life)
                    hub.watchdog.close()
        except BaseExceptionGroup as group:  # a Ctrl-C while the nursery closes
            outcome.abort(unwrapped(group))
    outcome.raise_error()
