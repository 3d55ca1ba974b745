"""Filters over metadata: checked before a store sees them, and decided here where none does.

Pure. `{"topic": "travel"}` is equality; several names must all hold. `{"year": {"$gte": 2020}}`
has one of `$eq $ne $gt $gte $lt $lte $in $nin`; `{"$and": [...]}` and `{"$or": [...]}` join
filters. `$ne` and `$nin` also match entries that lack the name altogether, as Chroma does it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from actors.errors import ConfigurationError

from ._entries import Metadata, Value, checked_key, checked_value

Filter = Mapping[str, Any]

ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
SETS: Final = ("$in", "$nin")
OPERATORS: Final = ("$eq", "$ne", *ORDERS, *SETS)
JOINS: Final = ("$and", "$or")
# Chroma 1.5.9 refuses some 60 joins within joins and 900 conditions; 5 000 end its process.
DEEPEST: Final = 32
MOST: Final = 256
MOST_VALUES: Final = 10_000  # of `$in`; it takes some 20 000
EXAMPLE: Final = '{"topic": "travel"} or {"year": {"$gte": 2020}}'


def checked_filter(where: object) -> Filter | None:
    """Give a filter in the one form that Chroma takes; None is none.

    Raises:
        ConfigurationError: If it is none; the text says what to write.
    """
    found = _checked(where, DEEPEST)
    if found is not None and (count := _count(found)) > MOST:
        raise ConfigurationError(
            f"the filter has {count} conditions, and {MOST} are the most: join values of one name "
            'by {"topic": {"$in": [...]}}'
        )
    return found


def _count(where: Filter) -> int:
    ((key, wanted),) = where.items()
    return sum(map(_count, wanted)) if key in JOINS else 1


def _checked(where: object, deepest: int) -> Filter | None:
    if where is None:
        return None
    if not isinstance(where, Mapping):
        raise ConfigurationError(f"the filter is {where!r}, and must be like {EXAMPLE}")
    if not where:
        raise ConfigurationError(f"the filter is empty: leave it out, or write {EXAMPLE}")
    if not deepest:
        raise ConfigurationError(f"the filter is deeper than {DEEPEST} joins: write a flat one")
    given = cast("Mapping[object, object]", where)
    parts = [_checked_part(key, given[key], deepest - 1) for key in given]
    return parts[0] if len(parts) == 1 else {"$and": parts}


def _checked_part(key: object, wanted: object, deepest: int) -> Filter:
    if key in JOINS:
        return _checked_join(key, wanted, deepest)
    name = checked_key(key)
    if not isinstance(wanted, Mapping):
        return {name: {"$eq": checked_value(key, wanted)}}
    given = cast("Mapping[object, object]", wanted)
    rules = [{name: {each: _checked_operand(name, each, given[each])}} for each in given]
    if not rules:
        raise ConfigurationError(f"the filter on {name!r} is empty: write {EXAMPLE}")
    return rules[0] if len(rules) == 1 else {"$and": rules}


def _checked_join(join: object, wanted: object, deepest: int) -> Filter:
    if not isinstance(wanted, list | tuple) or not wanted:
        raise ConfigurationError(f'{join} joins a list of filters: {{"{join}": [{EXAMPLE}]}}')
    parts = [_checked(part, deepest) for part in cast("Sequence[object]", wanted)]
    filters = [part for part in parts if part is not None]
    if len(filters) < len(parts):
        raise ConfigurationError(f"None stands in the list of {join}: leave it out")
    return filters[0] if len(filters) == 1 else {str(join): filters}


def _checked_operand(name: str, operator: object, operand: object) -> Any:
    if operator not in OPERATORS:
        raise ConfigurationError(
            f"the filter on {name!r} has {operator!r}: there is {', '.join(OPERATORS)}"
        )
    if operator in SETS:
        return _checked_set(name, operator, operand)
    value = checked_value(name, operand)
    if operator in ORDERS and isinstance(value, bool | str):
        raise ConfigurationError(f"{operator} on {name!r} compares numbers, not {value!r}")
    return value


def _checked_set(name: str, operator: object, operand: object) -> list[Value]:
    if not isinstance(operand, list | tuple | set | frozenset) or not operand:
        raise ConfigurationError(f"{operator} on {name!r} takes a list of values, not {operand!r}")
    if len(cast("Sequence[object]", operand)) > MOST_VALUES:
        raise ConfigurationError(f"{operator} on {name!r} has more than {MOST_VALUES} values")
    values = [checked_value(name, each) for each in cast("Sequence[object]", operand)]
    if len({_kind_of(value) for value in values}) > 1:
        raise ConfigurationError(f"{operator} on {name!r} takes values of one type")
    return values


def matches(where: Filter | None, metadata: Metadata) -> bool:
    """Whether an entry with this metadata passes a filter that `checked_filter` gave."""
    if where is None:
        return True
    ((key, wanted),) = where.items()
    if key == "$and":
        return all(matches(part, metadata) for part in wanted)
    if key == "$or":
        return any(matches(part, metadata) for part in wanted)
    ((rule, operand),) = wanted.items()
    return _holds(rule, metadata.get(key), operand)


def _holds(rule: str, value: Value | None, operand: Any) -> bool:
    if rule in ORDERS:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        order: Callable[[Any, Any], bool] = ORDERS[rule]
        return is_number and order(value, operand)
    wanted = operand if rule in SETS else [operand]
    is_in = any(_is_same(value, each) for each in wanted)
    return is_in if rule in {"$eq", "$in"} else not is_in


def _is_same(value: Value | None, other: Value) -> bool:
    """Equal and of one kind: true is not 1, nor is 1 "1"; but 1 is 1.0."""
    return _kind_of(value) is _kind_of(other) and value == other


def _kind_of(value: Value | None) -> type:
    return float if type(value) is int else type(value)


def metadata_for_index(metadata: Metadata) -> dict[str, Value]:
    """Metadata with all numbers as floats.

    Chroma compares a float with a whole number by cutting off what is behind the point: 1 passes
    `{"$eq": 1.5}`, and does not pass `{"$lt": 1.5}`. Whole numbers beyond 2**53 are rounded.
    """
    return {key: _as_float(value) for key, value in metadata.items()}


def filter_for_index(where: Filter | None) -> Filter | None:
    """A checked filter with all numbers as floats, for the same reason."""
    return None if where is None else cast("Filter", _floated(where))


def _floated(part: object) -> object:
    if isinstance(part, Mapping):
        inner = cast("Mapping[str, object]", part)
        return {key: _floated(each) for key, each in inner.items()}
    if isinstance(part, list):
        return [_floated(each) for each in cast("list[object]", part)]
    return _as_float(cast("Value", part))


def _as_float(value: Value) -> Value:
    return float(value) if type(value) is int else value
