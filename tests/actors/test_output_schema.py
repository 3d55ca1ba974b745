"""A class as the schema that a model is asked by, and a model's JSON as an instance of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NewType

import attrs
import pytest

from actors.chat import FinishReason, StreamChunk, StreamResponse
from actors.output import Output, Wrong, output_of
from actors.tools import Bounds

Celsius = NewType("Celsius", float)


class Sky(enum.Enum):
    CLEAR = "clear"
    RAIN = "rain"


@attrs.frozen
class Day:
    """One day.

    Attributes:
        high: The highest temperature.
    """

    high: Celsius
    low: float | None = None


@dataclasses.dataclass(frozen=True)
class Storm:
    name: str
    force: Annotated[int, Bounds(ge=8, le=12), "on Beaufort's scale"]


@attrs.frozen
class Fog:
    metres: int = attrs.field(validator=attrs.validators.ge(0))


@attrs.frozen
class Weather:
    """What the weather will be.

    Attributes:
        city: Where.
        days: From today
            on.
    """

    city: Annotated[str, Bounds(min_length=1)]
    days: Sequence[Day]
    sky: Sky
    at: dt.datetime
    warning: Storm | Fog | None = None
    sure: Literal["yes", "no"] = "no"
    _source: str = "the sky"


@attrs.frozen
class Loose:
    by_city: Mapping[str, Day] = attrs.field(factory=dict[str, Day])
    pair: tuple[int, Day] | None = None
    tags: frozenset[str] = frozenset()
    both: int | str | list[int] = 0
    few: Annotated[list[Day], Bounds(max_length=1)] = attrs.field(factory=list[Day])
    many: tuple[Day, ...] = ()
    more: Any = None


GOOD: dict[str, Any] = {
    "city": "Oslo",
    "days": [{"high": 21, "low": None}],
    "sky": "rain",
    "at": "2026-05-01T12:00:00Z",
    "warning": {"type": "Storm", "name": "Ada", "force": 9},
    "sure": "yes",
    "source": "a friend",
}
WEATHER = Weather(
    "Oslo",
    [Day(Celsius(21.0))],
    Sky.RAIN,
    dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC),
    Storm("Ada", 9),
    "yes",
    "a friend",
)


def said(text: str, reason: FinishReason = FinishReason.STOP) -> StreamResponse:
    response = StreamResponse()
    response.add(StreamChunk(text, finish_reason=reason, is_final=True))
    return response


def wrong(output: type[object], value: object) -> tuple[str, ...]:
    answer = Output(output).read(said(value if isinstance(value, str) else json.dumps(value)))
    assert isinstance(answer, Wrong)
    return answer.problems


def objects_in(schema: Any) -> list[dict[str, Any]]:
    """All that have fields, at any depth."""
    fields = schema.get("properties", {})
    inner = [*fields.values(), *schema.get("anyOf", ())]
    inner += [schema["items"]] if "items" in schema else []
    found = [each for item in inner for each in objects_in(item)]
    return [schema, *found] if fields else found


def test_a_schema_says_what_the_class_and_its_docstring_say() -> None:
    output = Output(Weather).schema

    assert output.name == "Weather"
    assert output.strict
    assert output.schema["description"] == "What the weather will be."
    fields = output.schema["properties"]
    assert fields["city"]["type"] == "string"
    assert fields["days"]["description"] == "From today on."
    assert fields["days"]["items"]["properties"]["high"] == {
        "type": "number",
        "description": "The highest temperature.",
    }
    assert fields["sky"] == {"enum": ["clear", "rain"]}
    assert fields["at"] == {"type": "string", "format": "date-time"}
    assert "source" in fields


def test_all_fields_are_required_and_no_others_allowed_as_strict_mode_wants_it() -> None:
    found = objects_in(Output(Weather).schema.schema)

    assert len(found) == 4
    for each in found:
        assert each["required"] == list(each["properties"])
        assert each["additionalProperties"] is False
        assert all("default" not in field for field in each["properties"].values())


def test_a_limit_is_told_in_words_since_providers_refuse_the_keywords() -> None:
    fields = Output(Weather).schema.schema["properties"]
    storm, _ = fields["warning"]["anyOf"][0]["anyOf"]

    assert storm["properties"]["force"] == {
        "type": "integer",
        "description": "on Beaufort's scale (at least 8 and at most 12)",
    }
    assert fields["city"]["description"] == "at least 1 characters"


def test_what_strict_mode_cannot_say_is_sent_without_it() -> None:
    assert not Output(Loose).schema.strict


def test_a_right_answer_is_an_instance() -> None:
    assert Output(Weather).read(said(json.dumps(GOOD))) == WEATHER


def test_defaults_stand_in_for_what_is_left_out_and_unknown_names_are_let_pass() -> None:
    text = json.dumps({key: GOOD[key] for key in ("city", "days", "sky", "at")} | {"more": 1})

    value = Output(Weather).read(said(text))

    assert value == attrs.evolve(WEATHER, warning=None, sure="no", source="the sky")


@pytest.mark.parametrize(
    "text", ["```json\n{}\n```", "Here it is:\n\n```\n{}\n```\nGood luck!", "  {}\n", "``` {}```"]
)
def test_a_code_fence_around_an_answer_is_forgiven(text: str) -> None:
    assert Output(Weather).read(said(text.replace("{}", json.dumps(GOOD)))) == WEATHER


def test_every_problem_is_told_with_its_place() -> None:
    bad = GOOD | {
        "city": "",
        "days": [{"high": "warm"}, 3, {"low": 1}],
        "sky": "snow",
        "at": "noon",
        "warning": {"type": "Fog", "metres": -1},
        "source": 5,
    }
    del bad["sure"]

    assert wrong(Weather, bad) == (
        'city must be a string, at least 1 characters, not ""',
        'days[0].high must be a number, not "warm"',
        "days[1] must be an object, not 3",
        "days[2].high is missing",
        'sky must be one of "clear", "rain", not "snow"',
        'at must be a string, in the format date-time, not "noon"',
        "warning is refused: 'metres' must be >= 0: -1",
        "source must be a string, not 5",
    )


def test_nothing_is_taken_for_what_it_is_not() -> None:
    bad = {
        "by_city": {"Oslo": {"high": None}},
        "pair": [1, {"high": True}],
        "tags": "abc",
        "both": 1.5,
        "few": [{"high": 1}, {"high": 2}],
        "many": {"high": 1},
    }

    assert [text.split(" must ")[0] for text in wrong(Loose, bad)] == [
        'by_city["Oslo"].high',
        "pair[1].high",
        "tags",
        "both",
        "few",
        "many",
    ]
    assert wrong(Loose, {"pair": [1]}) == ("pair must have 2 items, not 1",)


def test_collections_are_what_the_hints_say() -> None:
    given = {
        "by_city": {"Oslo": {"high": 1}},
        "pair": [1, {"high": 2}],
        "tags": ["a", "b", "a"],
        "both": [1, 2],
        "few": [{"high": 3}],
        "many": [{"high": 4}],
        "more": {"what": [None]},
    }
    day = {number: Day(Celsius(float(number))) for number in range(5)}

    assert Output(Loose).read(said(json.dumps(given))) == Loose(
        {"Oslo": day[1]},
        (1, day[2]),
        frozenset({"a", "b"}),
        [1, 2],
        [day[3]],
        (day[4],),
        {"what": [None]},
    )


def test_a_union_says_which_tags_there_are() -> None:
    (problem,) = wrong(Weather, GOOD | {"warning": {"type": "Hail"}})

    assert problem.startswith('warning must be an object with {type: "Storm"')
    assert '{type: "Fog", metres: an integer} or null' in problem


@pytest.mark.parametrize("text", ["", "It will rain.", "[1", '{"city": NaN}', "[" * 100_000])
def test_what_is_no_json_is_told(text: str) -> None:
    (problem,) = wrong(Weather, text)

    assert problem.startswith("the answer is no JSON")
    assert len(problem) < 300


def test_json_that_is_no_object_is_told() -> None:
    assert wrong(Weather, [1]) == ("the answer must be an object, not [1]",)


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (FinishReason.REFUSAL, "refused"),
        (FinishReason.CONTENT_FILTER, "filter"),
        (FinishReason.LENGTH, "max_tokens"),
    ],
)
def test_an_answer_that_cannot_improve_says_so(reason: FinishReason, text: str) -> None:
    answer = Output(Weather).read(said('{"city": "Os', reason))

    assert isinstance(answer, Wrong)
    assert not answer.can_improve
    assert text in answer.problems[0]


def test_an_answer_that_is_whole_counts_also_at_the_most_tokens() -> None:
    assert Output(Weather).read(said(json.dumps(GOOD), FinishReason.LENGTH)) == WEATHER


@attrs.frozen
class Tree:
    children: list[Tree]


@attrs.frozen
class Nothing:
    pass


@attrs.frozen
class Odd:
    what: complex


@attrs.frozen
class Untyped:
    what = attrs.field()  # type: ignore[var-annotated]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (int, "int is no class of fields: write an attrs class or a dataclass, such as"),
        (list[Day], "is no class of fields: write an attrs class"),
        (Day | Storm, "is no class of fields"),
        (WEATHER, "is no class of fields"),
        (Nothing, "Nothing has no fields"),
        (Tree, "Tree cannot be asked of a model: Tree contains itself"),
        (Odd, "complex cannot be read from JSON: write one of str, int"),
        (Untyped, "the field 'what' has no type"),
    ],
)
def test_a_class_that_cannot_be_asked_for_is_refused_at_once(given: Any, text: str) -> None:
    with pytest.raises(TypeError, match=re.escape(text)):
        output_of(given)


def test_what_a_class_is_read_as_is_made_once() -> None:
    assert output_of(Weather) is output_of(Weather)


def test_a_correction_tells_the_problems_and_the_schema_again() -> None:
    output = Output(Day)

    text = output.correction(Wrong(("high is missing", "low must be a number, not 1")))

    assert "- high is missing\n- low must be a number, not 1\n" in text
    assert json.dumps(output.schema.schema) in text
