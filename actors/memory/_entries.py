"""What a memory holds and what it answers with. Pure and frozen.

Metadata is flat: a name and a string, number or boolean. What a store would refuse or change
silently is refused here, with what to write instead.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, cast

import attrs

from actors.errors import ConfigurationError

Value = str | int | float | bool
Metadata = Mapping[str, Value]

NOTHING: Final[Metadata] = MappingProxyType({})
LARGEST: Final = 2**63 - 1  # what the stores below hold as a whole number
EXAMPLE: Final = '{"topic": "travel", "year": 2026}'
RESERVED: Final = ("$", "#", "chroma:")


def checked_text(text: object, what: str) -> str:
    """Give back `text` if it has words that can be kept.

    Raises:
        ConfigurationError: If it is no string, has no words in it, or half a character.
    """
    if not isinstance(text, str):
        raise ConfigurationError(f"{what} is {text!r}, and must be a string")
    if not text.strip():
        raise ConfigurationError(f"{what} is empty: leave out what has no words")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(
            f'{what} has half a character in it: decode it with errors="replace"'
        ) from None
    return text


def checked_metadata(metadata: object) -> Metadata:
    """Give back a copy of `metadata` that cannot be changed; None is none.

    Raises:
        ConfigurationError: If it is empty, nested, or holds what is no string, number or boolean.
    """
    if metadata is None or metadata is NOTHING:
        return NOTHING
    if not isinstance(metadata, Mapping):
        raise ConfigurationError(f"metadata is {metadata!r}, and must be like {EXAMPLE}")
    given = cast("Mapping[object, object]", metadata)
    if not given:
        raise ConfigurationError("metadata is empty: leave it out, or write for example " + EXAMPLE)
    return MappingProxyType({checked_key(key): checked_value(key, given[key]) for key in given})


def metadata_of(text: str) -> Metadata:
    """Read metadata back from JSON."""
    return MappingProxyType(json.loads(text))


def checked_key(key: object) -> str:
    """Give back a name of metadata.

    Raises:
        ConfigurationError: If it cannot be one.
    """
    text = checked_text(key, f"the name {key!r} in metadata")
    if text.startswith(RESERVED):
        raise ConfigurationError(
            f"the name {key!r} in metadata begins with {' or '.join(RESERVED)}, which is reserved"
        )
    return text


def checked_value(key: object, value: object) -> Value:
    """Give back a value of metadata.

    Raises:
        ConfigurationError: If it cannot be one.
    """
    problem = _problem_of(value)
    if problem:
        raise ConfigurationError(f"metadata {key!r} is {value!r:.200}: {problem}")
    return cast("Value", value)


COLLECTION: Final = "a collection: write one name for each, or join them to a string"
PROBLEMS: Final[Mapping[type, str]] = {
    type(None): "leave the name out where there is no value",
    dict: 'nested: write {"a.b": 1} for {"a": {"b": 1}}',
    list: COLLECTION,
    tuple: COLLECTION,
    set: COLLECTION,
}


def _problem_of(value: object) -> str:
    match value:
        case str():
            return "" if _is_whole(value) else 'half a character: decode it with errors="replace"'
        case int():  # a boolean is one
            return "" if abs(value) <= LARGEST else "too large for 64 bits: write it as a string"
        case float():
            return "" if math.isfinite(value) else "no finite number: leave the name out"
        case _:
            return PROBLEMS.get(type(value), "must be a string, a number or a boolean")


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _checked_id(id: object) -> str | None:
    return None if id is None else checked_text(id, "the id")


def _checked_item_text(text: object) -> str:
    return checked_text(text, "the text")


@attrs.frozen
class Item:
    """Something to be remembered.

    Attributes:
        text: What is found again by its meaning.
        metadata: Names and values to filter by; `{"topic": "travel"}`.
        id: Its name for good: storing another text under it replaces this one. None for a new
            name.

    Raises:
        ConfigurationError: If one of them cannot be kept; the text says why.
    """

    text: str = attrs.field(converter=_checked_item_text)
    metadata: Metadata = attrs.field(default=NOTHING, converter=checked_metadata, hash=False)
    id: str | None = attrs.field(default=None, converter=_checked_id)


@attrs.frozen
class MemoryEntry:
    """Something that is remembered.

    Attributes:
        created: When its id was first stored, in seconds since the epoch.
        updated: When it was last stored.
    """

    id: str
    text: str
    metadata: Metadata
    created: float
    updated: float


@attrs.frozen
class Hit:
    """An entry that was found.

    Attributes:
        similarity: The cosine of the angle between the vectors of the query and of the entry:
            1 for the same direction, 0 for unrelated, down to -1. What is a good value depends
            on the embedder. Not a number by keyword, for which no vector is made.
        score: What the hits are ordered by, the highest first. By vector it is the similarity,
            by keyword BM25, which has no scale, and by both the two of them together, from 0 to 1
            within this answer.
    """

    entry: MemoryEntry
    similarity: float
    score: float = 0.0


@attrs.frozen
class Found:
    """What a search answers: hits to loop over, the best one first.

    Attributes:
        hits: At most as many as were asked for.
        pending: How many entries could not be searched yet: stored, safe, and still on their way
            into the index, or that of keywords. 0 where the answer is complete.
    """

    hits: tuple[Hit, ...]
    pending: int = 0

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, number: int) -> Hit:
        return self.hits[number]


@attrs.frozen
class IndexProgress:
    """How far the index is behind what was stored.

    Attributes:
        state: `connecting` to the server, `checking` what is there, `rebuilding` all of it,
            `indexing` what came since, or `ready`.
        pending: Changes that are on their way.
        total: Entries that are stored.
        problem: Why it is being rebuilt, or the last failure, "" if there was none.
    """

    state: str
    pending: int
    total: int
    problem: str = ""


@attrs.frozen
class MemoryStatistics:
    """A memory in numbers.

    Attributes:
        entries: How many there are.
        pending: How many changes are on their way into the index, or that of keywords.
        state: As in `IndexProgress`.
        problem: Likewise.
        embedder: What makes the vectors.
        dimensions: The length of a vector; 0 before the first one.
        embedded: Texts that the embedder was asked for since this memory was opened.
        cached: Texts whose vectors were known already.
        rebuilds: How often the index, or that of keywords, was made anew since then.
        bytes: The size of the log's file.
    """

    entries: int
    pending: int
    state: str
    problem: str
    embedder: str
    dimensions: int
    embedded: int
    cached: int
    rebuilds: int
    bytes: int
