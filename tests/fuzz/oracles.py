"""What must hold for every answer, whatever its bytes: the promises of a codec, checked."""

from __future__ import annotations

import gc
import random
import sys
import time
import zlib
from typing import TYPE_CHECKING, Any, Final

import attrs

from actors.chat import Request, StreamChunk, StreamResponse, user
from actors.errors import AnswerFailed, ConfigurationError, ProviderError, StreamTruncated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.providers import Codec, Decoder

CUTTINGS: Final = 2
SMALL_EVENT: Final = 512
SECONDS: Final = 1.0  # of CPU, for an answer of some kilobytes: a hang, or a cost that explodes
BYTES_FOR_A_BYTE: Final = 400  # `{}` is two bytes on the wire and a dict of 64 here
OWN_BYTES: Final = 200_000
PLAIN: Final = (str, bytes, list, dict, tuple, set, int, float)


class Broken(AssertionError):
    """A promise of a codec does not hold."""


@attrs.frozen
class Outcome:
    """What one decoder made of an answer."""

    chunks: list[StreamChunk]
    error: str | None


def check(codec: Codec, body: bytes) -> None:
    """Decode `body` in several ways and compare.

    Raises:
        Broken: A promise does not hold. Any other exception is one that left the codec.
    """
    started = time.process_time()
    chance = random.Random(zlib.crc32(body))  # noqa: S311 - so that an input says everything
    whole = decode(codec, [body])
    _check_final(whole)
    for _ in range(CUTTINGS):
        reads = list(cut(body, chance))
        if (other := decode(codec, reads)) != whole:
            raise Broken(f"cut as {[len(read) for read in reads]}:\n{other}\n{whole}")
    _check_use(codec, whole)
    if chance.random() < 1 / 16:
        _check_bounds(codec, list(cut(body, chance)))
    if (seconds := time.process_time() - started) > SECONDS:
        raise Broken(f"{len(body)} bytes took {seconds} s")


def decode(codec: Codec, reads: list[bytes]) -> Outcome:
    decoder = codec.decoder()
    chunks: list[StreamChunk] = []
    for read in reads:
        chunks += decoder.feed(read, 0.0)  # may not raise
    try:
        chunks += decoder.finish(0.0)
    except (StreamTruncated, ProviderError) as error:
        _check_error(error, decoder)
        return Outcome(chunks, f"{type(error).__name__}: {error}")
    if not decoder.done:
        raise Broken("it finished, and is not done")
    if decoder.feed(b"data: more\n\n", 0.0) or decoder.finish(0.0):
        raise Broken("something came after the end")
    return Outcome(chunks, None)


def _check_error(error: AnswerFailed, decoder: Decoder) -> None:
    if not str(error) or len(str(error)) > 4096:
        raise Broken(f"the error's text has {len(str(error))} characters")
    if decoder.done:
        raise Broken(f"it is done, and failed with {error!r}")


def cut(body: bytes, chance: random.Random) -> Iterator[bytes]:
    """`body` in reads: of a byte each, or anywhere."""
    if chance.random() < 0.3 and len(body) < 2000:
        places = list(range(1, len(body)))
    else:
        places = sorted(chance.choices(range(len(body) + 1), k=chance.choice((1, 3, 20))))
    for start, end in zip([0, *places], [*places, len(body)], strict=True):
        yield body[start:end]


def _check_final(outcome: Outcome) -> None:
    """A whole answer has one final chunk, its last; any other has none."""
    finals = [place for place, chunk in enumerate(outcome.chunks) if chunk.is_final]
    wanted = [] if outcome.error is not None else [len(outcome.chunks) - 1]
    if finals != wanted:
        raise Broken(f"final chunks at {finals} of {len(outcome.chunks)}, error {outcome.error}")


def _check_use(codec: Codec, outcome: Outcome) -> None:
    """The answer can be read and sent back, whole or not."""
    response = StreamResponse(0.0)
    for chunk in outcome.chunks:
        response.add(chunk)
    if response.is_complete != (outcome.error is None):
        raise Broken("complete and failed")
    if not (response.text + response.thinking).isascii():
        (response.text + response.thinking).encode()  # no half of a surrogate pair
    repr(response)
    try:
        codec.encode(Request((user("?"), response.turn, user("!"))), "m")
    except ConfigurationError:
        return  # said in words


def _check_bounds(codec: Codec, reads: list[bytes]) -> None:
    """A decoder holds what it was fed, not more; and of one event no more than the limit."""
    decoder: Any = codec.decoder()
    framing = decoder._framing  # noqa: SLF001 - there is no public way to a smaller limit
    framing._max = SMALL_EVENT  # noqa: SLF001
    fed = 0
    for read in reads:
        decoder.feed(read, 0.0)
        fed += len(read)
        holder = getattr(framing, "_framing", framing)  # Gemini's is one of two, once it is known
        held = sum(len(piece) for piece in getattr(holder, "_held", ()))
        if held > SMALL_EVENT + max(map(len, reads)):
            raise Broken(f"{held} bytes of one event are held, and the limit is {SMALL_EVENT}")
    size = _reachable(decoder)
    if size > OWN_BYTES + BYTES_FOR_A_BYTE * fed:
        raise Broken(f"{fed} bytes became {size}")


def is_plain(item: object) -> bool:
    """Whether it is data, which is all that may pile up. Not a type guard: it need not narrow."""
    return isinstance(item, PLAIN)


def _reachable(thing: object) -> int:
    """About how many bytes are held by `thing` and all that it alone leads to."""
    seen: set[int] = set()
    waiting: list[object] = [thing]
    size = 0
    while waiting:
        item = waiting.pop()
        is_own = type(item).__module__.startswith("actors")
        if id(item) in seen or not (is_own or is_plain(item)):
            continue
        seen.add(id(item))
        size += sys.getsizeof(item)
        waiting += gc.get_referents(item)
    return size
