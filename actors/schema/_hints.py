"""Turns a type hint into a type that msgspec can check, and values back.

Pure. msgspec makes the JSON schema and does the strict checking. It reads attrs classes and
dataclasses, but neither unions of them nor converters; so each such class, a *record*, gets a
*mirror*, a struct with the same fields that refuses unknown ones, and a checked mirror is turned
into the real class. In a union of several records the mirror has one more field, `type`: the
class's name.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime as dt
import enum
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeGuard, Union, cast

import attrs
import msgspec

from ._docstring import read_docstring

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TAG: Final = "type"
SCALARS: Final[dict[object, Any]] = {
    str: str,
    int: int,
    float: float,
    bool: bool,
    None: None,
    types.NoneType: None,
    dt.date: dt.date,
    # msgspec leaves the format out because it also reads times without a zone.
    dt.datetime: Annotated[dt.datetime, msgspec.Meta(extra_json_schema={"format": "date-time"})],
}
LISTS: Final = (
    list,
    collections.abc.Sequence,
    collections.abc.Iterable,
    collections.abc.Collection,
)
SETS: Final[dict[type, type]] = {set: set, frozenset: frozenset, collections.abc.Set: frozenset}
# `list[x]` for an x that is known at run time only is no type to a type checker.
ALIASES: Final[dict[type, Any]] = {each: each for each in (list, tuple, set, frozenset, dict)}
MAPPINGS: Final = (dict, collections.abc.Mapping)
SUPPORTED: Final = (
    "str, int, float, bool, None, Any, datetime.date, datetime.datetime, list, tuple, set, "
    "dict[str, ...], Literal, enums of strings or of integers, attrs classes, dataclasses, and "
    "unions of these"
)


@attrs.frozen
class Bounds:
    """Limits of a value from a model, checked when it comes: `Annotated[int, Bounds(ge=1, le=10)]`.

    Attributes:
        ge: For numbers: at least.
        gt: For numbers: greater than.
        le: For numbers: at most.
        lt: For numbers: less than.
        min_length: For strings (in characters) and collections (in items).
        max_length: Likewise.
        pattern: For strings: a regular expression found anywhere in it.

    Raises:
        TypeError: If a limit is not a number, a length not an integer.
        ValueError: If limits exclude each other or the pattern is not a regular expression.
    """

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None

    def __attrs_post_init__(self) -> None:
        self.to_meta(None)

    def to_meta(self, description: str | None) -> msgspec.Meta:
        return msgspec.Meta(**attrs.asdict(self), description=description)


class Hints:
    """Translates the hints of one tool or class, and turns checked values back into its own types.

    Args:
        names: Where hints that are written as strings look up their names.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names
        self._mirrors: dict[tuple[type, bool], type[msgspec.Struct]] = {}
        self._originals: dict[type, type] = {}
        self._inside: list[type] = []

    def checked(self, hint: object) -> Any:
        """Give the type to be checked.

        Raises:
            TypeError: If the hint cannot stand for JSON; the text says what can.
        """
        if isinstance(hint, str):  # `from __future__ import annotations`
            return self.checked(self._evaluated(hint))
        for scalar, checked in SCALARS.items():  # no look-up: a hint may have no hash
            if hint is scalar:
                return checked
        if is_record(hint):
            return self._mirror(hint, tagged=False)
        if isinstance(hint, typing.NewType):
            return self.checked(hint.__supertype__)
        return self._composed(hint)

    def restored(self, value: object) -> object:
        """Turn what msgspec has checked into what was hinted.

        Raises:
            Exception: Whatever a converter or validator of a record raises.
        """
        if not self._originals:
            return value
        if isinstance(value, msgspec.Struct):
            given = {name: getattr(value, name) for name in value.__struct_fields__}
            return self._originals[type(value)](
                **{k: self.restored(v) for k, v in given.items() if v is not msgspec.UNSET}
            )
        if isinstance(value, list | tuple):
            items = cast("Iterable[object]", value)
            restored = [self.restored(item) for item in items]
            return tuple(restored) if isinstance(value, tuple) else restored
        if isinstance(value, dict):
            mapping = cast("dict[object, object]", value)
            return {key: self.restored(item) for key, item in mapping.items()}
        return value

    def _evaluated(self, text: str) -> object:
        """Hints are evaluated one by one: that of the result may name what is not imported."""
        try:
            return eval(text, self._names)  # noqa: S307 (a hint from the tool's own source)
        except NameError as error:
            raise TypeError(
                f"its type cannot be read: {error}. Import what it names at the top of the "
                "module, outside `if TYPE_CHECKING`"
            ) from error

    def _composed(self, hint: object) -> Any:
        origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
        if origin is Annotated:
            return self._annotated(args[0], args[1:])
        if origin in (Any, Literal) or _is_enum(hint):
            return hint
        if origin in (Union, types.UnionType):
            return self._union(args)
        if isinstance(origin, type):
            return self._collection(origin, args)
        raise _unsupported(hint)

    def _annotated(self, hint: object, metadata: tuple[object, ...]) -> Any:
        descriptions = [item for item in metadata if isinstance(item, str)]
        bounds = [item for item in metadata if isinstance(item, Bounds)]
        if len(descriptions) > 1 or len(bounds) > 1 or len(descriptions + bounds) < len(metadata):
            raise TypeError(
                f"Annotated takes a description (a string) and one Bounds, not {metadata!r}: write "
                f'for example Annotated[int, Bounds(ge=1, le=10), "how many"]'
            )
        meta = (bounds or [Bounds()])[0].to_meta(descriptions[0] if descriptions else None)
        return Annotated[self.checked(hint), meta]

    def _union(self, members: tuple[object, ...]) -> Any:
        tagged = sum(is_record(member) for member in members) > 1
        checked = [
            self._mirror(member, tagged=True)
            if tagged and is_record(member)
            else self.checked(member)
            for member in members
        ]
        return Union[tuple(checked)]  # noqa: UP007 (members are known at run time only)

    def _collection(self, origin: type, args: tuple[Any, ...]) -> Any:
        if origin in LISTS:
            return ALIASES[list][self.checked(args[0] if args else Any)]
        if origin is tuple:
            return self._tuple(args)
        if origin in SETS:
            return ALIASES[SETS[origin]][self._hashable(args)]
        if origin in MAPPINGS:
            if args and args[0] is not str:
                raise TypeError(f"keys of JSON objects are strings: write dict[str, {args[1]}]")
            return ALIASES[dict][str, self.checked(args[1] if args else Any)]
        raise _unsupported(origin)

    def _tuple(self, args: tuple[Any, ...]) -> Any:
        if not args:
            return tuple[Any, ...]
        return ALIASES[tuple][tuple(a if a is Ellipsis else self.checked(a) for a in args)]

    def _hashable(self, args: tuple[Any, ...]) -> Any:
        item = args[0] if args else str
        plain = typing.get_args(item)[0] if typing.get_origin(item) is Annotated else item
        is_enum = isinstance(plain, type) and issubclass(plain, enum.Enum)
        if plain in SCALARS or is_enum or typing.get_origin(plain) is Literal:
            return self.checked(item)
        raise TypeError(f"a set holds plain values, not {_name(item)}: write list[{_name(item)}]")

    def _mirror(self, original: type, *, tagged: bool) -> type[msgspec.Struct]:
        if original in self._inside:
            raise TypeError(
                f"{original.__name__} contains itself, and what a model sends must have an end: "
                "take a flat list of it instead"
            )
        if (original, tagged) not in self._mirrors:
            self._inside.append(original)
            mirror = self._new_mirror(original, tagged=tagged)
            self._inside.pop()
            self._mirrors[original, tagged] = mirror
            self._originals[mirror] = original
        return self._mirrors[original, tagged]

    def _new_mirror(self, original: type, *, tagged: bool) -> type[msgspec.Struct]:
        doc = read_docstring(_written_docstring(original))
        fields = record_fields(original)
        if tagged and any(field.key == TAG for field in fields):
            raise TypeError(
                f"{original.__name__} has a field {TAG!r}, which is what tells the classes of a "
                "union apart: rename the field"
            )
        return msgspec.defstruct(
            f"{original.__name__}_{len(self._mirrors)}",  # unique: msgspec keys schemas by name
            [self._field(field, doc.entries) for field in fields],
            namespace={"__doc__": doc.description},
            tag_field=TAG if tagged else None,
            tag=original.__name__ if tagged else None,
            forbid_unknown_fields=True,
            kw_only=True,
        )

    def _field(
        self, field: RecordField, entries: Mapping[str, str]
    ) -> tuple[str, Any] | tuple[str, Any, Any]:
        if field.hint is None:
            raise TypeError(f"the field {field.name!r} has no type: annotate it")
        hint = self.checked(field.hint)
        if field.name in entries and typing.get_origin(field.hint) is not Annotated:
            hint = Annotated[hint, msgspec.Meta(description=entries[field.name])]
        # UNSET is left out when the real class is made: its own default or factory applies.
        return (field.key, hint) if field.required else (field.key, hint, msgspec.UNSET)


def _is_enum(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, enum.Enum)


def _written_docstring(record: type) -> str | None:
    """None for the signature that `dataclass` puts in the place of a docstring."""
    text: str | None = vars(record).get("__doc__")
    made = dataclasses.is_dataclass(record) and text and text.startswith(f"{record.__name__}(")
    return None if made else text


@attrs.frozen
class RecordField:
    """A field of an attrs class or a dataclass; `key` is its name in `__init__`, and in JSON."""

    name: str
    key: str
    hint: Any
    required: bool


def is_record(hint: object) -> TypeGuard[type]:
    """Whether it is an attrs class or a dataclass."""
    return isinstance(hint, type) and (attrs.has(hint) or dataclasses.is_dataclass(hint))


def record_fields(record: type) -> tuple[RecordField, ...]:
    """What the `__init__` of a record takes.

    Raises:
        TypeError: If a hint names what cannot be found.
    """
    try:
        return tuple(_attrs_fields(record) if attrs.has(record) else _dataclass_fields(record))
    except NameError as error:
        raise TypeError(
            f"the hints of {record.__name__} cannot be read: {error}. Import what they name "
            "at the top of the module, outside `if TYPE_CHECKING`"
        ) from error


def _attrs_fields(record: type[attrs.AttrsInstance]) -> Iterator[RecordField]:
    attrs.resolve_types(record, include_extras=True)
    for field in attrs.fields(record):
        if field.init:
            required = field.default is attrs.NOTHING
            yield RecordField(field.name, field.alias or field.name, field.type, required)


def _dataclass_fields(record: Any) -> Iterator[RecordField]:
    hints = typing.get_type_hints(record, include_extras=True)
    for field in dataclasses.fields(record):
        if field.init:
            defaults = (field.default, field.default_factory)
            required = all(default is dataclasses.MISSING for default in defaults)
            yield RecordField(field.name, field.name, hints[field.name], required)


def _unsupported(hint: object) -> TypeError:
    return TypeError(f"{_name(hint)} cannot be read from JSON: write one of {SUPPORTED}")


def _name(hint: object) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)
