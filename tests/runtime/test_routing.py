"""Who gets a message: in turn, by load, by key; and keys that hardly ever move."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runtime import ConsistentHash, Key, Routing
from runtime._routing import Router, Standing, encoded_key, owner_of, partition_of

ROOT = Path(__file__).parents[2]
IN_TURN = pytest.mark.parametrize("routing", [Routing.ROUND_ROBIN, Routing.LEAST_LOADED])
BY_KEY = ConsistentHash(str)

KEYS = st.recursive(
    st.text() | st.binary() | st.integers(),
    lambda parts: st.lists(parts, max_size=3).map(tuple),
    max_leaves=4,
)
COUNTS = st.integers(2, 12)


@attrs.define
class FakeWorker:
    name: str
    standing: Standing = Standing.RUNNING
    load: int = 0


def workers_of(count: int) -> list[FakeWorker]:
    return [FakeWorker(f"worker-{number}") for number in range(1, count + 1)]


def picks(router: Router, workers: list[FakeWorker], times: int) -> str:
    """The numbers of the workers that get the next messages."""
    found = [router.pick("message", workers) for _ in range(times)]
    return " ".join(worker.name.removeprefix("worker-") if worker else "-" for worker in found)


@IN_TURN
def test_workers_take_turns_while_all_are_alike(routing: Routing) -> None:
    assert picks(Router(routing), workers_of(3), 7) == "1 2 3 1 2 3 1"


@IN_TURN
def test_the_turns_of_a_worker_that_is_away_are_shared_by_the_others(routing: Routing) -> None:
    router, workers = Router(routing), workers_of(4)
    workers[1].standing = Standing.AWAY

    assert picks(router, workers, 6) == "1 3 4 1 3 4"

    workers[1].standing = Standing.RUNNING
    assert picks(router, workers, 4) == "1 2 3 4"


@IN_TURN
def test_where_none_runs_one_that_comes_back_is_preferred_to_one_that_leaves(
    routing: Routing,
) -> None:
    router, workers = Router(routing), workers_of(3)
    workers[0].standing = Standing.LEAVING
    workers[1].standing = workers[2].standing = Standing.AWAY

    assert picks(router, workers, 4) == "2 3 2 3"


@IN_TURN
def test_where_all_leave_one_of_them_is_picked_to_say_so(routing: Routing) -> None:
    workers = workers_of(2)
    for worker in workers:
        worker.standing = Standing.LEAVING

    assert picks(Router(routing), workers, 3) == "1 2 1"


def test_the_least_loaded_worker_is_picked_and_among_equals_the_one_whose_turn_it_is() -> None:
    router, workers = Router(Routing.LEAST_LOADED), workers_of(4)
    workers[0].load, workers[1].load, workers[2].load, workers[3].load = 5, 2, 9, 2

    assert picks(router, workers, 4) == "2 4 2 4"


def test_a_running_worker_is_picked_before_a_less_loaded_one_that_is_away() -> None:
    router, workers = Router(Routing.LEAST_LOADED), workers_of(2)
    workers[0].standing, workers[1].load = Standing.AWAY, 100

    assert picks(router, workers, 2) == "2 2"


def test_round_robin_does_not_look_at_the_load() -> None:
    router, workers = Router(Routing.ROUND_ROBIN), workers_of(2)
    workers[0].load = 100

    assert picks(router, workers, 4) == "1 2 1 2"


@pytest.mark.parametrize("routing", [Routing.ROUND_ROBIN, Routing.LEAST_LOADED, BY_KEY])
def test_where_there_are_no_workers_none_is_picked(routing: Routing | ConsistentHash) -> None:
    assert picks(Router(routing), [], 2) == "- -"


@IN_TURN
def test_turns_go_on_when_a_worker_has_left_the_pool(routing: Routing) -> None:
    router, workers = Router(routing), workers_of(3)
    assert picks(router, workers, 3) == "1 2 3"

    del workers[2]
    assert picks(router, workers, 3) == "2 1 2"


def test_a_broadcast_picks_nobody() -> None:
    with pytest.raises(TypeError, match="str has one receiver, and this pool sends to all"):
        Router(Routing.BROADCAST).pick("message", workers_of(2))


def test_a_routing_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match=r"not 'round': write for example Routing\.LEAST_LOADED"):
        Router("round")  # type: ignore[arg-type]


# Keys


@pytest.mark.parametrize("standing", Standing)
def test_a_key_stays_with_its_worker_whatever_that_is_doing(standing: Standing) -> None:
    router, workers = Router(BY_KEY), workers_of(5)
    before = router.pick("key", workers)
    assert before is not None
    before.standing, before.load = standing, 1_000

    assert router.pick("key", workers) is before


@given(count=COUNTS, keys=st.lists(KEYS, max_size=30), gone=st.integers(0, 11))
def test_a_worker_that_leaves_moves_only_its_own_keys(
    count: int, keys: list[Key], gone: int
) -> None:
    workers = workers_of(count)
    left = [worker for worker in workers if worker is not workers[gone % count]]

    for key in keys:
        before, after = owner_of(key, workers), owner_of(key, left)
        assert after is before or before is workers[gone % count]


@given(count=COUNTS, key=KEYS)
def test_the_order_of_the_workers_does_not_matter(count: int, key: Key) -> None:
    workers = workers_of(count)

    assert owner_of(key, workers) is owner_of(key, workers[::-1])


@pytest.mark.parametrize("count", [2, 4, 9])
def test_a_worker_more_takes_over_its_share_of_the_keys_and_no_key_moves_elsewhere(
    count: int,
) -> None:
    keys = range(20_000)
    more = workers_of(count + 1)
    moved = [key for key in keys if owner_of(key, more) is not owner_of(key, more[:-1])]

    assert all(owner_of(key, more) is more[-1] for key in moved)
    assert len(moved) == pytest.approx(len(keys) / (count + 1), rel=0.1)


@pytest.mark.parametrize("count", [2, 5, 16])
def test_keys_are_spread_evenly(count: int) -> None:
    workers = workers_of(count)
    owned = Counter(owner.name for key in range(20_000) if (owner := owner_of(key, workers)))
    parted = Counter(partition_of(key, count) for key in range(20_000))

    assert len(owned) == len(parted) == count
    for share in (*owned.values(), *parted.values()):
        assert share == pytest.approx(20_000 / count, rel=0.1)


def test_keys_are_where_they_were_when_this_was_written() -> None:
    keys: list[Key] = ["", "ada", "Ünïcode", b"ada", 0, -1, 2**100, ("ada", 1), ()]
    owners = [owner_of(key, workers_of(4)) for key in keys]

    assert [owner.name[-1] for owner in owners if owner] == list("242441131")
    assert [partition_of(key, 8) for key in keys] == [6, 7, 4, 2, 3, 7, 7, 3, 6]


def test_keys_are_in_the_same_place_in_every_process() -> None:
    program = (
        "from test_routing import *\n"
        "print([owner_of(f'{n}', workers_of(7)).name for n in range(50)])\n"
        "print([partition_of((n, 'a'), 7) for n in range(50)])\n"
    )
    answers = {
        subprocess.run(  # noqa: S603 - our own interpreter, our own program
            [sys.executable, "-c", program],
            env=os.environ
            | {"PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }

    assert len(answers) == 1


@given(one=KEYS, other=KEYS)
def test_keys_are_encoded_alike_if_and_only_if_they_are_equal(one: Key, other: Key) -> None:
    assert (encoded_key(one) == encoded_key(other)) is (one == other)


@given(parts=st.lists(st.text("ab:s1t", max_size=4), max_size=3), cut=st.integers(0, 4))
def test_parts_of_a_key_do_not_run_into_each_other(parts: list[str], cut: int) -> None:
    assume(parts)
    joined = (*parts[:-1], parts[-1][:cut], parts[-1][cut:])

    assert encoded_key(tuple(parts)) != encoded_key(joined)


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(("one", "other"), [(True, 1), (Colour.RED, "red")])
def test_what_is_equal_to_a_key_is_that_key(one: Key, other: Key) -> None:
    assert encoded_key(one) == encoded_key(other)


@given(key=KEYS, count=st.integers(1, 50))
def test_every_key_is_in_one_partition(key: Key, count: int) -> None:
    assert 0 <= partition_of(key, count) < count


@pytest.mark.parametrize("key", [None, 1.5, ["a"], ("a", object()), {"a": 1}])
def test_what_cannot_be_a_key_is_refused(key: Any) -> None:
    with pytest.raises(TypeError, match="a key is text, bytes, an integer or a tuple of these"):
        owner_of(key, workers_of(2))
    with pytest.raises(TypeError, match="a key is text, bytes, an integer or a tuple of these"):
        partition_of(key, 2)
