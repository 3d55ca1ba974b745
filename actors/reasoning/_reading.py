"""What a model means by a number or an answer, however it writes it. Pure.

What cannot be read is None: nothing is made up.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

NUMBER: Final = re.compile(
    r"(?<![\w.,])(-?\d{1,9}(?:\.\d{1,9})?)(?:[ \t]*(%)|[ \t]*(?:/|out of)[ \t]*(\d{1,9}))?(?![\w])"
)


def read_share(text: str, whole: float = 1.0) -> float | None:
    """The first number of a text as a share of `whole`, from 0 to 1.

    `0.8`, `80%`, `8/10` and `8 out of 10` are read; None where there is no number or it is out
    of range. Words such as "high" are no number.
    """
    found = NUMBER.search(text)
    if found is None:
        return None
    number, percent, of = found.groups()
    divisor = 100.0 if percent else float(of) if of else whole
    share = float(number) / divisor if divisor else -1.0
    return share if 0 <= share <= 1 else None


def same_answer(text: str) -> str:
    """What two answers have in common that say the same in other letters.

    Case, blanks, punctuation at the ends and thousands' commas make no difference, nor do the
    noughts at the end of a decimal fraction.
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = " ".join(text.split()).strip(" .,;:!?\"'`*_$")
    if re.fullmatch(r"-?\d+\.\d+", text):
        text = text.rstrip("0").rstrip(".")
    return text
