"""The tool that searches a memory: what a model is told, and what it cannot ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.chat import ToolCall, ToolResult, ToolStatus
from actors.errors import ConfigurationError, MemoryUnreachable
from actors.memory import Found, Hit, MemoryEntry, search_tool
from actors.tools import Toolbox, execute

if TYPE_CHECKING:
    from actors.memory._filters import Filter


class Shelf:
    """Answers every search alike, and remembers what was asked."""

    def __init__(self, *hits: Hit, pending: int = 0) -> None:
        self.found = Found(hits, pending)
        self.asked: list[tuple[str, int, float | None, Filter | None]] = []

    async def search(
        self, text: str, *, limit: int, threshold: float | None, where: Filter | None
    ) -> Found:
        self.asked.append((text, limit, threshold, where))
        return self.found


class Unreachable:
    async def search(
        self, text: str, *, limit: int, threshold: float | None, where: Filter | None
    ) -> Found:
        raise MemoryUnreachable(f"no answer for {text}, {limit}, {threshold}, {where}")


def hit(text: str, similarity: float, **metadata: str | int) -> Hit:
    return Hit(MemoryEntry("1", text, metadata, 0.0, 0.0), similarity)


async def search(box: Toolbox, **arguments: object) -> ToolResult:
    return await execute(box, ToolCall("1", "search_memory", arguments))


async def test_what_is_found_is_told_with_its_similarity_and_metadata() -> None:
    shelf = Shelf(hit("Lisbon was sunny.", 0.831, topic="travel", year=2026), hit("Rain.", 0.2))
    box = Toolbox([search_tool(shelf, limit=2, threshold=0.1, where={"user": "ann"})])
    result = await search(box, query="weather")

    assert result.content == (
        "1. (0.83; topic: travel; year: 2026) Lisbon was sunny.\n2. (0.20) Rain."
    )
    assert shelf.asked == [("weather", 2, 0.1, {"user": "ann"})]


async def test_nothing_found_and_what_is_not_searched_yet_are_said() -> None:
    assert (await search(Toolbox([search_tool(Shelf())]), query="x")).content == "(nothing found)"
    late = Toolbox([search_tool(Shelf(pending=3))])
    assert "[3 more are kept" in (await search(late, query="x")).content


async def test_a_model_cannot_lift_the_filter() -> None:
    shelf = Shelf()
    result = await search(Toolbox([search_tool(shelf)]), query="x", where={})

    assert (result.status, shelf.asked) == (ToolStatus.ERROR, [])


async def test_a_memory_that_does_not_answer_is_an_error_that_the_model_is_told() -> None:
    result = await search(Toolbox([search_tool(Unreachable())]), query="x")

    assert result.status is ToolStatus.ERROR
    assert "MemoryUnreachable: no answer" in result.content


def test_what_no_memory_could_be_asked_is_refused_when_the_tool_is_made() -> None:
    with pytest.raises(ConfigurationError, match="limit is 0"):
        search_tool(Shelf(), limit=0)
    with pytest.raises(ConfigurationError, match="threshold is 7"):
        search_tool(Shelf(), threshold=7)
