"""Pairs of notes that say the same, and pairs that only look so: what a consolidation must tell.

Made from the relations of `retrieval_set.py`, the same every time. `SAME` and `OTHER` say how the
second note of a pair comes from the first. Only the words differ in those of `SAME`; in those of
`OTHER` what is said.
"""

from __future__ import annotations

import random
import tomllib
from typing import TYPE_CHECKING

import attrs
from retrieval_set import FOLDER, people

if TYPE_CHECKING:
    from collections.abc import Iterator

SAME = {
    "retyped": "in small letters, without its full stop",
    "introduced": 'with "by the way" and the like before it',
    "in other words": "as another sentence",
}
OTHER = {
    "another person": "of the same last name",
    "another value": '"lives in Oslo", "lives in Cairo"',
    "another digit": "of a code",
    "another relation": '"lives in Oslo", "grew up in Oslo"',
    "no longer": 'with "it is no longer true that" before it',
}
RELATED = {1: 2, 3: 4, 7: 8}  # numbers of relations that take each other's values
PEOPLE = 25  # of each relation
INTRODUCTIONS = ("By the way, ", "Remember: ", "As I said, ", "Note that ")


@attrs.frozen
class Twins:
    """Two notes that are nearly the same, and in what they differ: see `SAME` and `OTHER`."""

    kind: str
    one: str
    other: str


def again(text: str, number: int) -> tuple[str, str]:
    """A note retyped, and introduced; the number chooses how."""
    return text.rstrip(".").lower(), INTRODUCTIONS[number % len(INTRODUCTIONS)] + text


def near_duplicates(seed: int = 1) -> tuple[Twins, ...]:
    """Make the pairs."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    relations = tomllib.loads((FOLDER / "relations.toml").read_text("utf-8"))["relations"]
    found: list[Twins] = []
    for number, relation in enumerate(relations):
        related = relations[RELATED[number]] if number in RELATED else None
        for person in chance.sample(range(len(people())), PEOPLE):
            found += _of_one(chance, relation, related, person)
    return tuple(found)


def _of_one(
    chance: random.Random,
    relation: dict[str, list[str]],
    related: dict[str, list[str]] | None,
    person: int,
) -> Iterator[Twins]:
    wording, reworded = chance.sample(relation["passages"], 2)
    (value, *_), (wrong, *_) = chance.sample(relation["values"], 2)
    digits = chance.randrange(1_000, 9_999)
    name = people()[person]
    words = {"name": name, "value": value, "code": f"KD-{digits}"}
    text = wording.format(**words)
    retyped, introduced = again(text, person)
    yield Twins("retyped", text, retyped)
    yield Twins("introduced", text, introduced)
    yield Twins("in other words", text, reworded.format(**words))
    namesake = chance.choice([each for each in people() if _are_namesakes(each, name)])
    yield Twins("another person", text, wording.format(**{**words, "name": namesake}))
    yield Twins("another value", text, wording.format(**{**words, "value": wrong}))
    if "code" in relation:
        yield Twins("another digit", text, wording.format(**{**words, "code": f"KD-{digits + 1}"}))
    if related:
        yield Twins("another relation", text, chance.choice(related["passages"]).format(**words))
    yield Twins("no longer", text, f"It is no longer true that {text}")


def _are_namesakes(one: str, other: str) -> bool:
    return one != other and one.split()[1] == other.split()[1]
