"""What an answer shall be: a class, its JSON schema, and how an answer is read. Pure."""

from __future__ import annotations

import functools
import re
import typing
from typing import Any, Final, Generic, TypeVar

import attrs
import msgspec

from actors.chat import FinishReason, StreamResponse, Usage
from actors.errors import OutputInvalid
from actors.schema import Hints, is_record, json_schema, record_fields, shown

from ._asking import in_instructions, output_schema

T = TypeVar("T")

FENCED: Final = re.compile(r"```\w*\s*(\{.*?)```", re.DOTALL)
GAVE_UP: Final = {
    FinishReason.REFUSAL: "the model refused to answer",
    FinishReason.CONTENT_FILTER: "the provider's filter stopped the answer",
    FinishReason.LENGTH: (
        "the answer was cut at the most tokens that it may have: raise Settings(max_tokens=...), "
        "or ask for less"
    ),
}


@attrs.frozen
class Wrong:
    """An answer that is not what was asked for.

    Attributes:
        problems: What is wrong with it, a sentence each.
        can_improve: Whether telling the model makes sense.
    """

    problems: tuple[str, ...]
    can_improve: bool = True


class Output(Generic[T]):
    """What an answer shall be.

    Args:
        record: An attrs class or a dataclass.

    Attributes:
        record: The same.
        schema: What the model is asked for.

    Raises:
        TypeError: If it cannot be asked for; the text says what to write.
    """

    def __init__(self, record: type[T]) -> None:
        from ._decoding import Decoder, problems  # noqa: PLC0415 - cattrs, where it is wanted

        if not is_record(record):
            raise TypeError(_no_record(record))
        name = record.__name__
        if not record_fields(record):
            raise TypeError(f"{name} has no fields, so that there is nothing to ask for: add one")
        hints = Hints({})
        try:
            schema = json_schema(hints.checked(record))
            self._decoder, self._problems = Decoder(record, hints), problems
        except TypeError as error:
            raise TypeError(f"{name} cannot be asked of a model: {error}") from error
        self.record: type[T] = record
        self.schema = output_schema(name, schema)

    def read(self, response: StreamResponse) -> T | Wrong:
        """Make the instance of a complete answer, or say what is wrong with it."""
        value = self._value(response.text)
        gave_up = GAVE_UP.get(response.finish_reason or FinishReason.STOP)
        if isinstance(value, Wrong) and gave_up is not None:
            return Wrong((gave_up,), can_improve=False)
        return value

    def _value(self, text: str) -> T | Wrong:
        try:
            plain = msgspec.json.decode(_unfenced(text))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            return Wrong((f"the answer is no JSON ({error}): {shown(text)}",))
        try:
            value: T = self._decoder.read(plain)
        except Exception as error:  # noqa: BLE001 (the model hears of it; validators may raise anything)
            return Wrong(tuple(self._problems(error)))
        return value

    def correction(self, wrong: Wrong) -> str:
        """What the model is told of a wrong answer."""
        listed = "\n".join(f"- {problem}" for problem in wrong.problems)
        return f"That is not what was asked for:\n{listed}\n{in_instructions(self.schema)}"

    def fault(
        self, wrong: Wrong, response: StreamResponse, *, attempts: int, usage: Usage
    ) -> OutputInvalid:
        """What is raised when there is no further attempt."""
        return OutputInvalid(
            wrong.problems,
            output=self.record.__name__,
            attempts=attempts,
            usage=usage,
            partial=response,
        )

    def __repr__(self) -> str:
        return f"Output({self.record.__name__})"


@functools.lru_cache(maxsize=256)  # a program has few classes; making one takes a millisecond
def _output_of(record: Any) -> Output[Any]:
    return Output(record)


def output_of(record: type[T]) -> Output[T]:
    """As `Output`, made once for each class."""
    made_once: Any = _output_of
    output: Output[T] = made_once(record) if is_record(record) else Output(record)
    return output


def _unfenced(text: str) -> str:
    """The object within a code fence, if there is one; else the text itself."""
    fenced = None if text.lstrip().startswith("{") else FENCED.search(text)
    return fenced[1] if fenced else text


def _no_record(given: object) -> str:
    if isinstance(given, type):
        name = given.__name__
    elif typing.get_origin(given) is not None or given is Any:
        name = str(given)
    else:
        name = f"{given!r}"
    return (
        f"{name} is no class of fields: write an attrs class or a dataclass, such as "
        f"@attrs.frozen class Found: value: {name if isinstance(given, type) else '...'}"
    )
