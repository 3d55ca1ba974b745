"""The clock: the time of a zone, and counting with dates, on a clock that the test holds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from actors.chat import ToolCall, ToolStatus
from actors.tools import Toolbox, clock_tools, execute

NOON = datetime(2026, 2, 27, 12, 0, tzinfo=UTC).timestamp()
BOX = Toolbox(clock_tools(now=lambda: NOON))


async def told(name: str, **arguments: object) -> str:
    result = await execute(BOX, ToolCall("1", name, arguments))
    assert result.status is ToolStatus.OK, result.content
    return result.content


async def refused(name: str, **arguments: object) -> str:
    result = await execute(BOX, ToolCall("1", name, arguments))
    assert result.status is ToolStatus.ERROR, result.content
    return result.content


async def test_it_tells_the_time_of_a_zone() -> None:
    assert await told("current_time") == "2026-02-27T12:00:00+00:00 Friday, week 9 (UTC)"
    assert (
        await told("current_time", zone="Asia/Kolkata")
        == "2026-02-27T17:30:00+05:30 Friday, week 9 (Asia/Kolkata)"
    )


async def test_the_zone_that_holds_by_default_can_be_chosen() -> None:
    current_time, *_ = clock_tools(zone="Europe/Berlin", now=lambda: NOON)

    assert current_time() == "2026-02-27T13:00:00+01:00 Friday, week 9 (Europe/Berlin)"
    assert current_time.spec.parameters["properties"]["zone"]["default"] == "Europe/Berlin"


async def test_it_is_asked_anew_for_each_call() -> None:
    seconds = [0.0]
    current_time, *_ = clock_tools(now=lambda: seconds[0])
    before = current_time()
    seconds[0] = 86_400.0

    assert (before[:10], current_time()[:10]) == ("1970-01-01", "1970-01-02")


@pytest.mark.parametrize("name", ["Mars", "", "../etc/passwd", "/etc/passwd", "America", "a\0b"])
async def test_an_unknown_zone_is_an_error_with_names_to_write(name: str) -> None:
    assert "Europe/Berlin" in await refused("current_time", zone=name)


async def test_a_city_alone_brings_the_name_of_its_zone() -> None:
    assert "Write one such as Europe/Berlin" in await refused("current_time", zone="Berlin")
    assert "America/New_York" in await refused("current_time", zone="new york")


async def test_a_zone_that_is_not_there_is_refused_when_the_tools_are_made() -> None:
    with pytest.raises(ValueError, match="there is no time zone 'Nowhere'"):
        clock_tools(zone="Nowhere")


async def test_days_are_of_the_calendar_and_hours_pass() -> None:
    night = {"start": "2026-03-28T12:00", "zone": "Europe/Berlin"}  # the clocks go forward

    assert (await told("shift_time", **night, days=1)).startswith("2026-03-29T12:00:00+02:00")
    assert (await told("shift_time", **night, hours=24)).startswith("2026-03-29T13:00:00+02:00")


async def test_dates_are_shifted_over_months_and_back() -> None:
    assert (await told("shift_time", start="2028-02-28", days=1)).startswith("2028-02-29")
    assert (await told("shift_time", start="2026-01-01", days=-1)).startswith("2025-12-31")
    assert (await told("shift_time", start="2026-01-01T00:00Z", hours=0.5)).startswith(
        "2026-01-01T00:30:00+00:00"
    )


async def test_the_time_between_is_told_in_hours_and_days() -> None:
    between = {"start": "2026-03-28", "end": "2026-03-30", "zone": "Europe/Berlin"}

    assert await told("time_between", **between) == "47 hours (169200 seconds); 2 calendar days"
    assert (await told("time_between", start="2026-01-02", end="2026-01-01")).startswith("-24 ")


async def test_what_is_no_date_is_refused_with_an_example() -> None:
    assert "write 2026-02-27" in await refused("shift_time", start="tomorrow")
    assert "years 1 to 9999" in await refused("shift_time", start="9999-12-31", days=1)
    assert "years 1 to 9999" in await refused("shift_time", start="0001-01-01T00:00Z", hours=-1)
    assert "at most" in await refused("shift_time", start="2026-01-01", days=10**12)
