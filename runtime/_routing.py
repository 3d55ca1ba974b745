"""Which worker of a pool gets a message, and which partition a key belongs to.

Pure. The pool shows its workers as they are now; the router picks one and remembers only
whose turn it is. Keys are hashed over an encoding of their own and not with `hash()`, so that
every process, today and tomorrow, sends a key to the same place.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar, cast

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

Key: TypeAlias = str | bytes | int | tuple["Key", ...]


class Routing(enum.Enum):
    """Who gets the next message."""

    ROUND_ROBIN = "round_robin"  # each in its turn
    LEAST_LOADED = "least_loaded"  # whoever has the fewest messages, in the mailbox or in hand
    BROADCAST = "broadcast"  # every worker; for tells


@attrs.frozen
class ConsistentHash:
    """Messages with the same key go to the same worker, also in other processes.

    A worker more or less moves only the keys that it takes over or leaves behind, about one
    in as many as there are workers. A restart moves none.

    Attributes:
        key: From a message to its key: text, bytes, an integer, or a tuple of these.
    """

    key: Callable[[Any], Key]


class Standing(enum.IntEnum):
    """What a worker is good for now; the lower the better."""

    RUNNING = 0
    AWAY = 1  # starting, or between two lives: it comes back
    LEAVING = 2  # for good


class Worker(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def standing(self) -> Standing: ...
    @property
    def load(self) -> int:
        """Messages in its mailbox, in line before it, and in hand."""
        ...


W = TypeVar("W", bound=Worker)
Rank: TypeAlias = "tuple[Standing, int]"

# By what workers are compared; among equals the one whose turn it is.
RANKS: Final[dict[Routing, Callable[[Worker], Rank]]] = {
    Routing.ROUND_ROBIN: lambda worker: (worker.standing, 0),
    Routing.LEAST_LOADED: lambda worker: (worker.standing, worker.load),
}
BEST: Final[Rank] = (Standing.RUNNING, 0)


class Router:
    """Picks workers for messages.

    Raises:
        TypeError: If `routing` is none.
    """

    __slots__ = ("_turn", "routing")

    def __init__(self, routing: Routing | ConsistentHash) -> None:
        if not isinstance(routing, Routing | ConsistentHash):  # pyright: ignore[reportUnnecessaryIsInstance] - not all are type-checked
            raise TypeError(
                f"routing must be a Routing or ConsistentHash(key), not {routing!r}: "
                "write for example Routing.LEAST_LOADED"
            )
        self.routing = routing
        self._turn = 0

    def pick(self, message: object, workers: Sequence[W]) -> W | None:
        """Who gets `message`; None if there are no workers.

        Raises:
            TypeError: If the routing is `BROADCAST`, or the message's key cannot be one.
        """
        routing = self.routing
        if isinstance(routing, ConsistentHash):
            return owner_of(routing.key(message), workers)
        rank = RANKS.get(routing)
        if rank is None:
            raise TypeError(
                f"{type(message).__name__} has one receiver, and this pool sends to all workers: "
                "send it with `await pool.tell(...)`, or give the pool another routing"
            )
        return self._pick_in_turn(workers, rank)

    def _pick_in_turn(self, workers: Sequence[W], rank: Callable[[Worker], Rank]) -> W | None:
        """The first of the best ranked, beginning with the one whose turn it is."""
        found: Rank | None = None
        chosen = 0
        for step in range(len(workers)):
            index = (self._turn + step) % len(workers)
            candidate = rank(workers[index])
            if found is None or candidate < found:
                found, chosen = candidate, index
                if found == BEST:
                    break
        if found is None:
            return None
        self._turn = chosen + 1
        return workers[chosen]


def owner_of(key: Key, workers: Sequence[W]) -> W | None:
    """The worker whose name weighs most with the key (rendezvous hashing), or None.

    Every key ranks all names anew, so that what one worker leaves behind is shared by all
    others, and nothing else moves. Takes time in proportion to the number of workers.

    Raises:
        TypeError: If it cannot be a key.
    """
    encoded = encoded_key(key)
    return max(workers, key=lambda worker: _digest(worker.name.encode() + encoded), default=None)


def partition_of(key: Key, count: int) -> int:
    """Which of `count` partitions a key belongs to, from 0.

    Raises:
        TypeError: If it cannot be a key.
    """
    return int.from_bytes(_digest(encoded_key(key)), "big") % count


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=8).digest()


def encoded_key(key: Key) -> bytes:
    """The same bytes for equal keys, and others for others, in every process.

    Raises:
        TypeError: If it cannot be a key.
    """
    for kind, encode in ENCODINGS.items():
        if isinstance(key, kind):
            return encode(key)
    raise TypeError(
        f"a key is text, bytes, an integer or a tuple of these, not {key!r}: what it is in every "
        "process has to be plain from it, so write for example `str(...)`"
    )


def _encoded_tuple(key: tuple[Key, ...]) -> bytes:
    parts = [encoded_key(part) for part in key]
    return b"t" + b"".join(b"%d:%b" % (len(part), part) for part in parts)


# True equals 1, and a StrEnum's member its text: they are encoded alike.
ENCODINGS: Final[dict[type, Callable[[Any], bytes]]] = {
    str: lambda key: b"s" + cast("str", key).encode("utf-8", "surrogatepass"),
    bytes: lambda key: b"b" + cast("bytes", key),
    int: lambda key: b"i%x" % cast("int", key),
    tuple: _encoded_tuple,
}
