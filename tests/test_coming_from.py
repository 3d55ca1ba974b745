"""No name of AgentiCraft's or goagents' is lost: each stands in docs/coming-from.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

PAGE: Final = Path(__file__).parents[1] / "docs" / "coming-from.md"
AGENTICRAFT: Final = """
Agent agent.run agent.arun agent.stream temperature max_tokens top_p frequency_penalty
presence_penalty stop .content agent.add_tool @tool agent.get_messages get_provider_info
supports_streaming StreamChunk token is_final timestamp StreamingResponse chunks complete_text
metadata start_time end_time total_tokens duration chunk_count add_chunk StreamingProvider
StreamInterruptedError partial_response ProviderError StreamingManager stream_with_timeout
interrupt_stream create_mock_stream collect_stream stream_to_string event_type stream_sync
LegacyAgent.run ChainOfThoughtReasoning think ReasoningTrace.add_step ThoughtStep step_number
thought confidence evidence WorkflowAgent create_workflow add_step register_handler
execute_workflow create_streaming_handler WorkflowVisualizer to_mermaid to_ascii to_json MCPServer
register_tool tool/list tool/call resource/list resource/get trace_operation
trace_agent_operation duration_ms VectorMemory collection_name persist_directory store search
similarity threshold consolidate plugins
"""
GOAGENTS: Final = """
StreamChunk Content Delta Index FinishReason Metadata Timestamp stop length tool_calls
content_filter StreamEvent token thought tool_start tool_end answer complete error ChatStream
CompleteStream RunStream StreamingLLM StreamingAgent OpenAI Anthropic Gemini Ollama FunctionAgent
ReActAgent ConversationalAgent window summarize selective all ExportConversation calculator file
HTTP mocks
"""
RECIPES: Final = ("FastAPI", "click", "Jupyter", "batches", "many streams", "constant memory")


def section(title: str) -> str:
    """What the page says under a heading of the second level."""
    found = re.search(
        rf"^## {title}\n(.*?)(?=^## |\Z)",
        PAGE.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    assert found is not None
    return found[1]


def first_cells(title: str) -> str:
    """The left column of the tables under a heading: their names."""
    return "\n".join(re.findall(r"^\| (.*?) \| ", section(title), re.MULTILINE))


@pytest.mark.parametrize("name", [*AGENTICRAFT.split(), *RECIPES])
def test_a_name_of_agenticraft_is_on_the_page(name: str) -> None:
    assert re.search(rf"(?<!\w){re.escape(name)}(?!\w)", first_cells("AgentiCraft"))


@pytest.mark.parametrize("name", GOAGENTS.split())
def test_a_name_of_goagents_is_on_the_page(name: str) -> None:
    assert re.search(rf"(?<!\w){re.escape(name)}(?!\w)", first_cells("goagents"))
