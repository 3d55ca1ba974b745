"""Our own providers against the fakes: what a script says is read, goes back, and is accepted.

The second half of `a history is always sendable`: a strict fake refuses what the real one would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from test_truncation_matrix import PROVIDERS, each_wire

from actors.chat import FinishReason, ToolResult, ToolTurn, user
from actors.providers import Model, Retry, call, opaque, open_provider, say, think, together, usage
from actors.testing import FakeAnswer, FakeProvider, answer, open_fake_provider

if TYPE_CHECKING:
    from actors.chat import StreamResponse

SEAL = "c2VhbGVk"
EVERYTHING = (
    think("First add.", signature=SEAL),
    say("Let me see. \N{SPARKLES}", pieces=3),
    call("add", a=1, b=[2, {"c": "\N{SNOWMAN}"}]),
    call("now"),
    usage(20, 12, cached=5, reasoning=4),
)
SEALED = ("openai-responses", "anthropic", "gemini")
COUNTS_CACHED = ("openai-chat", "openai-responses", "anthropic", "gemini")


def model(server: FakeProvider, wire: str) -> Model:
    return Model(
        f"{PROVIDERS[wire]}:gemini-3-m",
        base_url=server.base_url,
        api_key="sk-fake",
        retry=Retry(attempts=1),
    )


def results(response: StreamResponse) -> ToolTurn:
    return ToolTurn(tuple(ToolResult(each.id, each.name, "3") for each in response.tool_calls))


@each_wire
async def test_our_provider_reads_what_the_script_says(wire: Any) -> None:
    async with (
        open_fake_provider(answer(*EVERYTHING), wire=wire) as server,
        open_provider(model(server, wire)) as provider,
    ):
        response = await provider.complete([user("What is 1 + 2?")])

    assert response.text == "Let me see. \N{SPARKLES}"
    assert response.thinking == "First add."
    assert [(each.name, each.arguments) for each in response.tool_calls] == [
        ("add", {"a": 1, "b": [2, {"c": "\N{SNOWMAN}"}]}),
        ("now", {}),
    ]
    assert response.finish_reason is FinishReason.TOOL_CALLS
    counted = response.usage
    assert (counted.input_tokens, counted.output_tokens) == (20, 12)
    assert counted.cache_read_tokens == (5 if wire in COUNTS_CACHED else 0)


def steps_of(given: FakeAnswer) -> str:
    return "-".join(type(step).__name__ for step in given.script.steps) or "nothing"


@each_wire
@pytest.mark.parametrize(
    "first",
    [
        answer(*EVERYTHING),
        answer(call("now")),
        answer(together(call("add", a=1), call("add", a=2), call("now"))),
        answer(think("Hm.", signature=SEAL), together(call("add", a=1), call("now"))),
        answer(think("Hm."), call("now")),
        answer(opaque("anthropic", type="redacted_thinking", data="x"), call("now")),
        answer("Hello"),
        answer(think("Hm.", signature=SEAL), "Hello"),
        answer(think("Only a thought.", signature=SEAL)),
        answer(),
    ],
    ids=steps_of,
)
async def test_what_was_answered_goes_back_and_is_accepted(wire: Any, first: FakeAnswer) -> None:
    async with (
        open_fake_provider(first, answer("Done"), wire=wire) as server,
        open_provider(model(server, wire)) as provider,
    ):
        asked = user("What is 1 + 2?")
        response = await provider.complete([asked])
        told = results(response) if response.tool_calls else user("And?")
        done = await provider.complete([asked, response.turn, told])

    assert [request.refused for request in server.requests] == [None, None]
    assert done.text == "Done"
    sent = repr(server.requests[1].body)
    goes_on = len(first.script.steps) > 1  # a thought alone may be left out
    assert (SEAL in sent) >= (goes_on and wire in SEALED and SEAL in repr(first.script.steps))
