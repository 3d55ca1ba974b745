"""Facts of who or what is related to whom: records, checks, and how names are compared. Pure."""

from __future__ import annotations

import unicodedata
from typing import Final

import attrs

from actors.errors import ConfigurationError

from ._entries import checked_text

LONGEST: Final = 200  # characters: what is longer is a sentence, not a name


def _checked_name(name: object) -> str:
    text = " ".join(checked_text(name, "the name in a fact").split())
    if len(text) > LONGEST or not key_of(text):
        raise ConfigurationError(
            f"a fact names a person, a thing or a relation, in at most {LONGEST} characters, not "
            f"{text!r:.80}"
        )
    return text


def key_of(name: str) -> str:
    """What names are compared by: without case, compatible forms and punctuation around them."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    words = " ".join(folded.split())
    while words and not words[0].isalnum() and not _is_sign(words[0]):
        words = words[1:]
    while words and not words[-1].isalnum() and not _is_sign(words[-1]):
        words = words[:-1]
    return words


def _is_sign(character: str) -> bool:
    """Whether it distinguishes names: "C" and "C++"."""
    return unicodedata.category(character)[0] in "SM" or character in "#&*"


@attrs.frozen
class Fact:
    """That one is related to another: `Fact("Ada", "works at", "Acme")`.

    Attributes:
        subject: Who or what.
        relation: How.
        object: To whom or what.

    Raises:
        ConfigurationError: If one of them cannot be a name; the text says why.
    """

    subject: str = attrs.field(converter=_checked_name)
    relation: str = attrs.field(converter=_checked_name)
    object: str = attrs.field(converter=_checked_name)

    def __str__(self) -> str:
        return f"{self.subject} {self.relation} {self.object}"


@attrs.frozen
class KnownFact:
    """A fact that is kept.

    Attributes:
        fact: With the names by which its entities were first called.
        sources: Ids of the entries where it was said.
        by_hand: Whether it was also added without one, and stays until it is removed.
    """

    fact: Fact
    sources: tuple[str, ...]
    by_hand: bool


@attrs.frozen
class Neighbour:
    """An entity that is related to another, at once or over others.

    Attributes:
        name: Of it.
        distance: How many facts away.
        by: The last of them, which names both it and one that is nearer.
    """

    name: str
    distance: int
    by: KnownFact
