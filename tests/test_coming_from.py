"""No name of AgentiCraft's or goagents' is lost, and each that has a counterpart is shown to work.

Each row of the two pages has their names, ours, and where a program uses them: a section with what
it was before and a program that `test_docs.py` runs. What has no program is said not to be there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import attrs
import pytest
from test_docs import BLOCK

DOCS: Final = Path(__file__).parents[1] / "docs"
AGENTICRAFT: Final = """
Agent name= model= provider= agent.run agent.arun .content agent.stream temperature= max_tokens=
top_p= frequency_penalty= presence_penalty= stop= agent.add_tool @tool agent.get_messages
agent.get_provider_info supports_streaming StreamChunk content token metadata is_final timestamp
StreamingResponse chunks complete_text start_time end_time total_tokens duration chunk_count
add_chunk StreamingProvider.stream StreamInterruptedError partial_response ProviderError
StreamingManager stream_with_timeout interrupt_stream create_mock_stream chunk_size= delay=
collect_stream stream_to_string func usage event_type thinking LegacyAgent.run stream_sync
ChainOfThoughtReasoning.think ReasoningTrace.add_step ThoughtStep step_number thought confidence
evidence WorkflowAgent.create_workflow add_step handler= action= depends_on= register_handler
execute_workflow create_streaming_handler execute WorkflowVisualizer to_mermaid to_ascii to_json
MCPServer register_tool tool/list tool/call resource/list resource/get trace_operation
trace_agent_operation OTLP duration_ms VectorMemory collection_name persist_directory
VectorMemory.store VectorMemory.search limit= threshold= similarity VectorMemory.consolidate
plugins
"""
PHRASES: Final = (
    *("stop reason", "model options", "timings", "tree of thoughts", "ReAct", "pattern selection"),
    *("tool wrapper", "provider switching with rollback", "agenticraft new"),
    *("retry with a limit", "many streams at once", "batches of ten chunks", "constant memory"),
    *("progress with tokens per second", "FastAPI SSE", "click", "Jupyter", "synchronous wrapper"),
)
GOAGENTS: Final = """
StreamChunk Content Delta Index FinishReason Metadata Timestamp stop length tool_calls
content_filter StreamEvent Type Data Error token thought tool_start tool_end answer complete error
StreamingLLM ChatStream CompleteStream StreamingAgent.RunStream OpenAI Anthropic Gemini Ollama key
model FunctionAgent ReActAgent Thought Action Observation ConversationalAgent window summarize
selective all ExportConversation calculator file HTTP mocks
"""
EXAMPLES: Final = (
    *("base URL", "Final Answer", "maximum iterations", "basic streaming"),
    *("ReAct with visual progress", "progress indicators"),
)
ABSENT: Final = "not there yet"
CODE: Final = re.compile(r"`([^`]+)`")
LINK: Final = re.compile(r"\[[^\]]*\]\([^)]*\)")


@attrs.frozen
class Row:
    """A row of a table: their names, ours, and the anchor of the program that uses them."""

    theirs: str
    ours: str
    anchor: str | None

    def __str__(self) -> str:
        return self.theirs


@attrs.frozen
class Section:
    """What stands under a heading: how it was, and the program that took its place."""

    before: str
    after: str


def rows_of(text: str) -> list[Row]:
    found: list[Row] = []
    for line in BLOCK.sub("", text).splitlines():
        if line.startswith("| ") and not line.startswith("| theirs"):
            theirs, ours, *rest = line.removeprefix("| ").removesuffix(" |").split(" | ")
            anchor = re.search(r"\(#([\w-]+)\)", rest[0]) if rest else None
            found.append(Row(theirs, ours, anchor[1] if anchor else None))
    return found


def sections_of(text: str) -> dict[str, Section]:
    found: dict[str, Section] = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        title = part.partition("\n")[0]
        blocks = [(block["info"], block["text"]) for block in BLOCK.finditer(part)]
        assert [info for info, _ in blocks] == ["text", "python run", "text output"], title
        anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        found[anchor] = Section(blocks[0][1], blocks[1][1])
    return found


PAGES: Final = {
    name: (DOCS / f"coming-from-{name}.md").read_text(encoding="utf-8")
    for name in ("agenticraft", "goagents")
}
ROWS: Final = {name: rows_of(text) for name, text in PAGES.items()}
SECTIONS: Final = {name: sections_of(text) for name, text in PAGES.items()}
PRESENT: Final = [
    pytest.param(page, row, id=str(row))
    for page, rows in ROWS.items()
    for row in rows
    if not row.ours.startswith(ABSENT)
]


def names(text: str) -> set[str]:
    """The identifiers in a cell's code."""
    code = " ".join(CODE.findall(LINK.sub("", text)))
    return set(re.findall(r"[A-Za-z_]\w+", code))


def says(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


@pytest.mark.parametrize("name", [*AGENTICRAFT.split(), *PHRASES])
def test_a_name_of_agenticraft_is_on_its_page(name: str) -> None:
    assert any(says(row.theirs, name.removesuffix("=")) for row in ROWS["agenticraft"])


@pytest.mark.parametrize("name", [*GOAGENTS.split(), *EXAMPLES])
def test_a_name_of_goagents_is_on_its_page(name: str) -> None:
    assert any(says(row.theirs, name) for row in ROWS["goagents"])


@pytest.mark.parametrize(("page", "row"), PRESENT)
def test_what_has_a_counterpart_has_a_before_with_their_names(page: str, row: Row) -> None:
    assert row.anchor is not None, "no link to a program"
    before = SECTIONS[page][row.anchor].before

    assert {name for name in names(row.theirs) if not says(before, name)} == set()


@pytest.mark.parametrize(("page", "row"), PRESENT)
def test_what_has_a_counterpart_has_an_after_with_our_names(page: str, row: Row) -> None:
    assert row.anchor is not None, "no link to a program"
    after = SECTIONS[page][row.anchor].after

    assert {name for name in names(row.ours) if not says(after, name)} == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_program_is_reached_from_a_table(page: str) -> None:
    assert set(SECTIONS[page]) == {row.anchor for row in ROWS[page] if row.anchor is not None}


def test_what_is_not_there_yet_has_no_program() -> None:
    absent = [row for rows in ROWS.values() for row in rows if row.ours.startswith(ABSENT)]

    assert absent != []
    assert [row.theirs for row in absent if row.anchor is not None] == []
