"""Tools that tell the time and count with it: what a model cannot know, and is bad at.

Days are days of the calendar, hours are hours that pass: a day after noon is noon, also over
a change of the clocks; 24 hours after may not be.
"""

from __future__ import annotations

import time
import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

from actors.schema import Bounds

from ._tool import AnyTool, tool

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DAYS: Final = 4_000_000  # more than there are between the first and the last date
MAX_HOURS: Final = 24 * MAX_DAYS

Days = Annotated[int, Bounds(ge=-MAX_DAYS, le=MAX_DAYS)]
Hours = Annotated[float, Bounds(ge=-MAX_HOURS, le=MAX_HOURS)]


def clock_tools(*, zone: str = "UTC", now: Callable[[], float] = time.time) -> tuple[AnyTool, ...]:
    """Make the tools `current_time`, `shift_time` and `time_between`.

    Args:
        zone: The time zone that holds where the model names none, such as "Europe/Berlin".
        now: Seconds since the epoch. The wall clock by default; in virtual time, and in a
            test, pass another.

    Raises:
        ValueError: If there is no such zone here.
    """
    _zone(zone)

    @tool
    def current_time(zone: str = zone) -> str:
        """Tell the date, the time and the day of the week, now.

        Args:
            zone: A time zone by its IANA name, such as Europe/Berlin or UTC.
        """
        return _told(datetime.fromtimestamp(now(), _zone(zone)))

    @tool
    def shift_time(start: str, days: Days = 0, hours: Hours = 0, zone: str = zone) -> str:
        """Find the date and time so many days and hours after another, or before it.

        Args:
            start: A date or a time in ISO 8601, such as 2026-02-27 or 2026-02-27T14:30.
            days: Calendar days to add; negative to go back.
            hours: Hours to add; negative to go back; 0.5 for half an hour.
            zone: The time zone of a start that has none, by its IANA name.
        """
        begun = _read(start, zone)
        try:
            local = begun + timedelta(days=days)
            shifted = (local.astimezone(UTC) + timedelta(hours=hours)).astimezone(begun.tzinfo)
        except OverflowError as error:
            raise ValueError(_BEYOND) from error
        return _told(shifted)

    @tool
    def time_between(start: str, end: str, zone: str = zone) -> str:
        """Measure the time from one date or time to another.

        Args:
            start: A date or a time in ISO 8601, such as 2026-02-27 or 2026-02-27T14:30.
            end: Likewise; before the start gives a negative answer.
            zone: The time zone of those that have none, by its IANA name.
        """
        first, last = _read(start, zone), _read(end, zone)
        days = (last.date() - first.date()).days
        # In UTC, for Python compares two times of one zone by what their clocks show.
        seconds = (last.astimezone(UTC) - first.astimezone(UTC)).total_seconds()
        return f"{seconds / 3600:.10g} hours ({seconds:.10g} seconds); {days} calendar days"

    return (current_time, shift_time, time_between)


def _told(moment: datetime) -> str:
    """For example: 2026-02-27T14:30:00+01:00 Friday, week 9 (Europe/Berlin)."""
    _, week, _ = moment.isocalendar()
    text = moment.isoformat(timespec="seconds")
    return f"{text} {_WEEKDAYS[moment.weekday()]}, week {week} ({moment.tzinfo})"


_BEYOND: Final = "that is beyond the years 1 to 9999"
# `strftime` would speak the language of the process.
_WEEKDAYS: Final = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)


def _read(text: str, zone: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no date or time: write 2026-02-27 or 2026-02-27T14:30+01:00"
        ) from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=_zone(zone))


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        alike = [each for each in zoneinfo.available_timezones() if _resembles(each, name)]
        known = ", ".join(sorted(alike)[:5]) or "UTC, Europe/Berlin, America/New_York"
        raise ValueError(f"there is no time zone {name!r}. Write one such as {known}") from error


def _resembles(zone: str, name: str) -> bool:
    wanted = name.strip().replace(" ", "_").lower()
    return zone.lower().rpartition("/")[2] == wanted.rpartition("/")[2]
