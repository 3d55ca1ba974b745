"""A labelled set for retrieval: passages, and questions each of which one passage answers.

It is made from the word lists in `benchmarks/retrieval/`, the same every time. Most passages say
one of 16 things about one of 120 people, who share first and last names: so each has near misses
that say the same of others, other things of the same person, or almost the same ("lives in", "grew
up in"). Orders and errors have codes that differ in a digit or a letter. The rest were written by
hand, without names, each with its near miss.

The kinds of question, about as many with words of the passage as without: see `KINDS`.
"""

from __future__ import annotations

import random
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).with_name("retrieval")
PEOPLE = 120
KINDS = {
    "same words": "names the person and asks with words of the passage",
    "code": "names a code and nothing else of the passage",
    "by hand, near": "shares words with a passage that was written by hand",
    "other words": "names the person and asks with other words",
    "implied": "names the person and asks for what follows from the passage",
    "by hand, far": "shares next to no words with a passage that was written by hand",
}
COUNTS = {"same words": 60, "other words": 60, "implied": 70, "code": 50}


@attrs.frozen
class Question:
    """A question, and the number of the one passage that answers it."""

    text: str
    kind: str
    answer: int


@attrs.frozen
class RetrievalSet:
    """Passages and questions.

    Attributes:
        reworded: What says the same as a passage in other words, by its number; of most of them.
    """

    passages: tuple[str, ...]
    questions: tuple[Question, ...]
    reworded: dict[int, tuple[str, ...]]


def retrieval_set(seed: int = 1) -> RetrievalSet:
    """Make the set; another seed draws other people, values, wordings and codes."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    passages: list[str] = []
    questions: dict[str, list[Question]] = {kind: [] for kind in KINDS}
    reworded = _about_people(chance, passages, questions)
    chosen = {
        kind: chance.sample(asked, COUNTS[kind]) for kind, asked in questions.items() if asked
    }
    questions.update(chosen)
    _by_hand(passages, questions)
    order = list(range(len(passages)))
    chance.shuffle(order)
    places = {number: place for place, number in enumerate(order)}
    return RetrievalSet(
        tuple(passages[number] for number in order),
        tuple(
            attrs.evolve(question, answer=places[question.answer])
            for asked in questions.values()
            for question in asked
        ),
        {places[number]: texts for number, texts in reworded.items()},
    )


def _about_people(
    chance: random.Random, passages: list[str], questions: dict[str, list[Question]]
) -> dict[int, tuple[str, ...]]:
    """Add both; what says the same as a passage, by its number."""
    reworded: dict[int, tuple[str, ...]] = {}
    relations = tomllib.loads((FOLDER / "relations.toml").read_text("utf-8"))["relations"]
    codes = {each["code"]: _codes(chance) for each in relations if "code" in each}
    for name in people():
        for relation in relations:
            value, *implied = chance.choice(relation["values"])
            pattern = relation.get("code", "")
            letters, digits = next(codes[pattern]) if pattern else ("", "")
            words = {
                "name": name,
                "value": value,
                "code": pattern.format(letters=letters, digits=digits),
            }
            asked = {
                "same words": relation["same"],
                "other words": relation["other"],
                "implied": implied,
                "code": relation.get("by_code", []),
            }
            for kind, wordings in asked.items():
                if wordings:
                    text = chance.choice(wordings).format(**words)
                    questions[kind].append(Question(text, kind, len(passages)))
            texts = [each.format(**words) for each in relation["passages"]]
            text = chance.choice(texts)
            reworded[len(passages)] = tuple(_begun(each) for each in texts if each != text)
            passages.append(_begun(text))
    return reworded


def _begun(text: str) -> str:
    return text[0].upper() + text[1:]


def people() -> list[str]:
    """Full names: each first name has several last names, and the other way round."""
    first, last = (
        line.split() for line in (FOLDER / "people.txt").read_text("utf-8").split("\n\n")
    )
    return [
        f"{first[number % len(first)]} {last[(number * 7 + number // len(first)) % len(last)]}"
        for number in range(PEOPLE)
    ]


def _codes(chance: random.Random) -> Iterator[tuple[str, str]]:
    """Codes by fours: one, with its last digit changed, with two swapped, with another letter."""
    while True:
        letters = "".join(chance.sample("ABCDEFGHJK", 2))
        one, two, three, four = chance.sample("0123456789", 4)
        yield letters, one + two + three + four
        yield letters, one + two + three + str((int(four) + 1) % 10)
        yield letters, one + three + two + four
        yield letters[::-1], two + one + three + four


def _by_hand(passages: list[str], questions: dict[str, list[Question]]) -> None:
    for block in (FOLDER / "pairs.txt").read_text("utf-8").strip().split("\n\n"):
        passage, near_miss, near, far = block.split("\n")
        questions["by hand, near"].append(Question(near, "by hand, near", len(passages)))
        questions["by hand, far"].append(Question(far, "by hand, far", len(passages)))
        passages += [passage, near_miss]
