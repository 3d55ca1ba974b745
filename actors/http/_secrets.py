"""Keeps secrets out of recordings and errors: which headers stay, and what is masked. Pure.

A mask in a recording is as long as what it hides, so that every read keeps its length and its
place.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

from actors.errors import RecordingUnusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SHORTEST: Final = 6
"""A key of fewer characters ("none", "x") hides nothing; its letters stand in any text."""

SAID: Final = b"***"
TOO_DEEP: Final = "what is to be recorded is nested too deep: use the model without Recording"
LONG_ENOUGH: Final = 8  # characters of a key; fewer are the provider's own prefix

# Lists of what stays: a header that nobody has thought of may hold anything.
_SENT: Final = frozenset(
    {"accept", "anthropic-beta", "anthropic-version", "content-type", "openai-beta"}
)
_RECEIVED: Final = frozenset(
    {
        "cf-ray",
        "content-type",
        "location",
        "openai-processing-ms",
        "request-id",
        "retry-after",
        "retry-after-ms",
        "x-amzn-requestid",
        "x-request-id",
        "x-should-retry",
    }
)
_RATES: Final = ("x-ratelimit-", "anthropic-ratelimit-")
_FIELDS: Final = frozenset(
    {
        "access_token",
        "api_key",
        "apikey",
        "authorization",
        "authorization_token",
        "client_secret",
        "password",
        "refresh_token",
        "secret",
        "x-api-key",
    }
)
_MASK: Final = re.compile(rf"(\*{{{SHORTEST},}})")


class Secrets:
    """What must not be written down, in every form in which JSON or an address may hold it."""

    def __init__(self, values: Iterable[str | None], *, shortest: int = SHORTEST) -> None:
        forms: set[str] = set()
        for value in values:
            if value is not None and len(value) >= shortest:
                escaped = json.dumps(value)[1:-1]
                forms |= {value, escaped, escaped.replace("/", "\\/"), quote(value, safe="")}
        # the longest first: one may be part of another
        self._forms = sorted((form.encode() for form in forms), key=len, reverse=True)
        self._beginnings = {form[:length] for form in self._forms for length in range(1, len(form))}
        self._last_bytes = frozenset(part[-1:] for part in self._beginnings)

    def __repr__(self) -> str:
        return "<Secrets>"

    def mask(self, data: bytes) -> bytes:
        for form in self._forms:
            if form in data:
                data = data.replace(form, b"*" * len(form))
        return data

    def mask_text(self, text: str) -> str:
        return self.mask(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def mask_said(self, text: str) -> str:
        """For a text that people read.

        It may have been cut inside a secret, so a beginning of `LONG_ENOUGH` is masked as well.
        """
        data = text.encode("utf-8", "surrogatepass")
        shown = [form.replace(b"\\", b"\\\\") for form in self._forms]  # as `repr` has it
        forms = sorted({*self._forms, *shown}, key=len, reverse=True)
        for form in forms:
            data = data.replace(form, SAID)
        # Not before, for the beginning of one form may be followed by the end of another.
        for form in forms:
            if len(form) > LONG_ENOUGH:
                data = _without_beginnings(form, data)
        return data.decode("utf-8", "surrogatepass")

    def unfinished(self, data: bytes) -> int:
        """How many bytes at the end of `data` may be the beginning of a secret."""
        if data[-1:] not in self._last_bytes:  # so it is with nearly every read
            return 0
        longest = min(len(data), len(self._forms[0]) - 1)
        lengths = range(longest, 0, -1)
        return next((length for length in lengths if data[-length:] in self._beginnings), 0)


def _without_beginnings(secret: bytes, data: bytes) -> bytes:
    """`data` with every beginning of a secret masked, if it is long enough."""
    start = 0
    while (start := data.find(secret[:LONG_ENOUGH], start)) >= 0:
        end = start
        while data[end : end + 1] == secret[end - start : end - start + 1] != b"":
            end += 1
        data = data[:start] + SAID + data[end:]
        start += len(SAID)
    return data


class MaskedReads:
    """The reads of one body, each handed on once it is certain what must be masked in it."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held: list[tuple[float, bytes]] = []

    def feed(self, at: float, data: bytes) -> list[tuple[float, bytes]]:
        """Take a read and its time; return those that are certain, masked."""
        reads = [*self._held, (at, data)]
        whole = self._secrets.mask(b"".join(data for _, data in reads))
        certain = len(whole) - self._secrets.unfinished(whole)
        done: list[tuple[float, bytes]] = []
        self._held, position = [], 0
        for moment, piece in reads:
            end = position + len(piece)
            (done if end <= certain else self._held).append((moment, whole[position:end]))
            position = end
        return done

    def finish(self) -> list[tuple[float, bytes]]:
        """Nothing more comes: what is held is no secret, but perhaps most of one."""
        held, self._held = self._held, []
        whole = b"".join(data for _, data in held)
        unfinished = self._secrets.unfinished(whole)
        if unfinished >= SHORTEST:
            whole = whole[:-unfinished] + b"*" * unfinished
        done: list[tuple[float, bytes]] = []
        for moment, piece in held:
            done.append((moment, whole[: len(piece)]))
            whole = whole[len(piece) :]
        return done


def sent_headers(headers: Mapping[str, str], secrets: Secrets) -> dict[str, str]:
    """Of a request's headers those that are known to be harmless."""
    return {
        name.lower(): secrets.mask_text(value)
        for name, value in headers.items()
        if name.lower() in _SENT
    }


def received_headers(headers: Mapping[str, str], secrets: Secrets) -> dict[str, str]:
    """Of an answer's headers, names in lower case, those that a provider actor reads."""
    kept = {
        name: secrets.mask_text(value)
        for name, value in headers.items()
        if name in _RECEIVED or name.startswith(_RATES)
    }
    if "location" in kept:  # its query may hold a signature
        kept["location"] = kept["location"].partition("?")[0]
    return kept


def without_secret_fields(value: Any) -> Any:
    """JSON with the text of all fields masked whose name says that it is secret.

    Raises:
        RecordingUnusable: It is nested too deep to be looked through.
    """
    try:
        return _looked_through(value)
    except RecursionError:
        raise RecordingUnusable(TOO_DEEP) from None


def _looked_through(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {name: _field(name, inner) for name, inner in fields.items()}
    if isinstance(value, list):
        return [_looked_through(inner) for inner in cast("list[object]", value)]
    return value


def _field(name: str, value: object) -> Any:
    if isinstance(value, str) and name.lower() in _FIELDS:
        return "*" * max(len(value), SHORTEST)
    return _looked_through(value)


def is_same_text(recorded: str, asked: str) -> bool:
    """Whether two texts are equal where the recorded one is not masked."""
    if recorded == asked:
        return True
    if len(recorded) != len(asked) or "*" * SHORTEST not in recorded:
        return False
    position = 0
    for piece in _MASK.split(recorded):
        end = position + len(piece)
        if not _MASK.fullmatch(piece) and asked[position:end] != piece:
            return False
        position = end
    return True


def body_to_keep(body: bytes) -> Any:
    """A request's body as it may be written down: JSON without secret fields, or else text.

    Raises:
        RecordingUnusable: As `without_secret_fields` says.
    """
    try:
        value = json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
    except RecursionError:
        raise RecordingUnusable(TOO_DEEP) from None
    return without_secret_fields(value)
