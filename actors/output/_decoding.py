"""Turns a model's JSON into an instance of a class, or says all that is wrong with it. Pure.

cattrs takes classes and collections apart, and reports every problem with its place. What has no
parts is checked by msgspec, which is strict: `"3"` is no number here. Names that the class does
not have are let pass.
"""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Final, Union, cast

import cattrs
import msgspec
from cattrs.errors import IterableValidationNote
from cattrs.gen import make_dict_structure_fn

from actors.schema import TAG, Hints, in_words, is_record, json_schema, record_fields, shown

Hook = Callable[[Any, Any], Any]

SETS: Final = (set, frozenset, collections.abc.Set)
MAPPINGS: Final = (dict, collections.abc.Mapping)


class Decoder:
    """Reads values of one class.

    Args:
        record: An attrs class or a dataclass that `hints` has taken.
    """

    def __init__(self, record: type, hints: Hints) -> None:
        self._record = record
        self._hints = hints
        self._converter = cattrs.Converter(detailed_validation=True, forbid_extra_keys=False)
        self._converter.register_structure_hook_factory(_is_any_hint, self._hook)
        for scalar in (str, int, float, bool):  # else cattrs would take "3" for a number
            self._converter.register_structure_hook(scalar, self._leaf(scalar))
        self._read = self._converter.get_structure_hook(record)

    def read(self, value: object) -> Any:
        """Make the instance.

        Raises:
            Exception: As `problems` reads it; a class's own validators may raise any.
        """
        return self._read(value, self._record)

    def _hook(self, hint: Any) -> Hook:
        if _shape(hint) is None:
            return self._leaf(self._hints.checked(hint))
        if isinstance(hint, typing.NewType):
            return self._hook(hint.__supertype__)
        if is_record(hint):
            return self._class(hint)
        origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
        if origin is Annotated:
            return self._annotated(hint, args[0])
        if origin in (Union, types.UnionType):
            return self._union(hint, args)
        return self._collection(origin, args)

    def _leaf(self, checked: Any, words: str = "") -> Hook:
        words = words or in_words(json_schema(checked))

        def read(value: Any, _: Any) -> Any:
            try:
                return msgspec.convert(value, checked)
            except msgspec.ValidationError as error:
                raise _unfit(words, value) from error

        return read

    def _class(self, record: type) -> Hook:
        make: Any = make_dict_structure_fn
        structure: Hook = make(record, self._converter, _cattrs_use_alias=True)

        def read(value: Any, _: Any) -> Any:
            return structure(_object(value), record)

        return read

    def _annotated(self, hint: Any, inner: Any) -> Hook:
        """Bounds are checked by msgspec, what they bound by ourselves."""
        checked = self._hints.checked(hint)
        meta = [each for each in typing.get_args(checked)[1:] if isinstance(each, msgspec.Meta)]
        parts = _shape(inner)
        read_inner = self._hook(inner)
        check = self._leaf(Annotated[parts, meta[0]]) if parts in (dict, list) else read_inner

        def read(value: Any, _: Any) -> Any:
            check(value, None)
            return read_inner(value, None)

        return read

    def _union(self, hint: Any, members: tuple[Any, ...]) -> Hook:
        words = in_words(json_schema(self._hints.checked(hint)))
        leaves = tuple(each for each in members if _shape(each) is None)
        by_shape = {_shape(each): self._hook(each) for each in members if each not in leaves}
        tagged = {each.__name__: self._hook(each) for each in members if is_record(each)}
        if leaves:
            checked = self._hints.checked(Union[leaves])  # noqa: UP007 - known at run time only
            by_shape[None] = self._leaf(checked, words)

        def read(value: Any, _: Any) -> Any:
            kind = cast("type[object]", type(value))
            if kind is dict and len(tagged) > 1:
                hook = tagged.get(str(value.get(TAG)))
            else:
                hook = by_shape.get(kind if kind in (dict, list) else None)
            if hook is None:
                raise _unfit(words, value)
            return hook(value, None)

        return read

    def _collection(self, origin: Any, args: tuple[Any, ...]) -> Hook:
        if origin in MAPPINGS:
            read_entry = self._hook(args[1] if args else Any)
            return lambda value, _: dict(_gathered(origin, _object(value).items(), read_entry))
        if origin is tuple and args and args[-1] is not Ellipsis:
            return self._fixed(args)
        read_item = self._hook(args[0] if args else Any)
        make: Any = tuple if origin is tuple else list
        return lambda value, _: make(
            item for _, item in _gathered(origin, enumerate(_array(value)), read_item)
        )

    def _fixed(self, args: tuple[Any, ...]) -> Hook:
        hooks = [self._hook(arg) for arg in args]

        def read(value: Any, _: Any) -> Any:
            items = _array(value)
            if len(items) != len(hooks):
                raise msgspec.ValidationError(f"must have {len(hooks)} items, not {len(items)}")
            numbered = enumerate(zip(hooks, items, strict=True))
            return tuple(
                item
                for _, item in _gathered(tuple, numbered, lambda pair, _: pair[0](pair[1], None))
            )

        return read


def _is_any_hint(hint: Any) -> bool:
    del hint
    return True


def _shape(hint: Any) -> type | None:
    """What it is in JSON, for what may have places inside: `dict`, `list`; None for the rest."""
    origin = typing.get_origin(hint) or hint
    if isinstance(hint, typing.NewType):
        return _shape(hint.__supertype__)
    if origin is Annotated:
        return _shape(typing.get_args(hint)[0])
    if origin in (Union, types.UnionType):
        shapes = {_shape(each) for each in typing.get_args(hint)}
        return None if shapes == {None} else object
    if is_record(hint) or origin in MAPPINGS:
        return dict
    if not isinstance(origin, type) or origin in SETS or issubclass(origin, str):
        return None  # a set holds plain values: msgspec checks it whole
    return list if issubclass(origin, collections.abc.Iterable) else None


def _gathered(kind: Any, items: Iterable[tuple[Any, Any]], read: Hook) -> Iterator[tuple[Any, Any]]:
    """Read each; the problems of all come in one exception, as cattrs has them."""
    done: list[tuple[Any, Any]] = []
    errors: list[Exception] = []
    for place, item in items:
        try:
            done.append((place, read(item, None)))
        except Exception as error:  # noqa: BLE001 (the model hears of it; validators may raise anything)
            note = IterableValidationNote(f"at {place}", place, kind)
            error.__notes__ = [*getattr(error, "__notes__", ()), note]
            errors.append(error)
    if errors:
        make: Any = cattrs.IterableValidationError  # takes three, and does not say so
        raise make("some items do not fit", errors, kind)
    return iter(done)


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unfit("an object", value)
    return cast("dict[str, Any]", value)


def _array(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _unfit("an array", value)
    return list(cast("Iterable[Any]", value))


def _unfit(words: str, value: object) -> msgspec.ValidationError:
    """Its text goes on after the name of the value's place."""
    return msgspec.ValidationError(f"must be {words}, not {shown(value)}")


def problems(error: Exception, place: str = "") -> Iterator[str]:
    """Say what is wrong, a sentence each, with its place: `days[2].high must be a number`."""
    if isinstance(error, cattrs.IterableValidationError):
        for inner, note in error.group_exceptions()[0]:
            yield from problems(inner, f"{place}[{shown(note.index)}]")
    elif isinstance(error, cattrs.ClassValidationError):
        fields, whole = error.group_exceptions()
        keys = {field.name: field.key for field in record_fields(error.cl)}
        for inner, field in fields:
            yield from problems(inner, f"{place}.{keys[field.name]}".removeprefix("."))
        for inner in whole:
            yield from problems(inner, place)
    else:
        where = place or "the answer"
        match error:
            case KeyError():
                yield f"{where} is missing"
            case msgspec.ValidationError():
                yield f"{where} {error}"
            case _:
                yield f"{where} is refused: {error}"
