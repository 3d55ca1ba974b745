"""`open_provider`: what it starts, what it takes, and what it leaves."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio

from actors.chat import StreamChunk, ToolSpec, user
from actors.errors import ConfigurationError, StreamTruncated, UnknownModel
from actors.providers import (
    Generate,
    Model,
    ProviderApi,
    ProviderHandle,
    Requests,
    call,
    open_provider,
    say,
    script,
    stall,
)
from actors.providers._scripted import Scripted
from runtime import Actor, Node, Ref, Sink, open_system

SPEC = ToolSpec("multiply", "Multiply", {"type": "object"})


@attrs.frozen
class FakeTool:
    spec: ToolSpec


def names(node: Node) -> set[str]:
    return {node.path}.union(*(names(child) for child in node.children))


async def test_a_provider_opens_a_system_of_its_own_and_answers() -> None:
    async with open_provider("scripted:echo") as provider:
        response = await provider.complete([user("Hello big world")])

    assert response.text == "Hello big world"
    assert [chunk.content for chunk in response.chunks] == ["Hello", " big", " world", ""]


async def test_in_a_given_system_it_is_in_the_tree_until_it_is_left() -> None:
    async with open_system() as system:
        async with open_provider("scripted:echo", system=system) as first:
            async with open_provider("scripted:echo", system=system):
                assert len(names(system.tree())) == 5
            assert first.ref.path in names(system.tree())
        assert names(system.tree()) == {"/"}


async def test_an_unknown_model_starts_nothing() -> None:
    async with open_system() as system:
        with pytest.raises(UnknownModel):
            async with open_provider("gpt-4o", system=system):
                pass
        assert names(system.tree()) == {"/"}


async def test_an_error_of_the_block_comes_out_bare() -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_provider("scripted:echo"):
            raise ZeroDivisionError
    async with open_system() as system:
        with pytest.raises(ZeroDivisionError):
            async with open_provider("scripted:echo", system=system):
                raise ZeroDivisionError


async def test_a_cancel_of_the_block_leaves_nothing(autojump_clock: trio.testing.MockClock) -> None:
    del autojump_clock
    model = Model("scripted:demo", script=script("Hello", stall()))
    async with open_system() as system:
        with trio.move_on_after(1) as scope:
            async with open_provider(model, system=system) as provider:
                await provider.complete([user("Hi")])
        assert scope.cancelled_caught
        assert names(system.tree()) == {"/"}


async def test_tools_are_given_as_specs_or_as_tools_that_have_one() -> None:
    model = Model("scripted:demo", script=script(call("multiply", a=2), repeat=True))
    async with open_provider(model) as provider:
        ref: Ref[Any] = provider.ref
        await provider.complete([user("Hi")], tools=[SPEC])
        await provider.complete([user("Hi")], tools=[FakeTool(SPEC)])
        requests = await ref.ask(Requests())

    assert [request.tools for request in requests] == [(SPEC,), (SPEC,)]


async def test_a_function_that_is_no_tool_is_told_to_become_one() -> None:
    wrong: Any = len
    async with open_provider("scripted:echo") as provider:
        with pytest.raises(ConfigurationError, match="write @tool above the function"):
            provider.stream([user("Hi")], tools=[wrong])


@pytest.mark.parametrize(
    "turns", [None, 5, user("Hello"), "Hello", ["Hello"], [{"role": "user", "content": "Hello"}]]
)
async def test_what_is_no_list_of_turns_is_told_what_one_is(turns: Any) -> None:
    async with open_provider("scripted:echo") as provider:
        with pytest.raises(ConfigurationError, match=r"such as \[user\('Hello'\)\]"):
            await provider.complete(turns)


async def test_turns_may_come_from_any_iterable() -> None:
    async with open_provider("scripted:echo") as provider:
        given: Any = (turn for turn in [user("Hello")])
        assert (await provider.complete(given)).text == "Hello"


async def test_a_stream_hands_out_chunks_and_adds_them_up() -> None:
    model = Model("scripted:demo", script=script(say("Hello", pieces=5)))
    seen = ""
    async with (
        open_provider(model) as provider,
        provider.stream([user("Hi")]) as stream,
    ):
        async for chunk in stream:
            seen += chunk.content
            assert stream.response.text == seen
    assert stream.response.is_complete


class Careless(Actor, ProviderApi):
    """A provider of somebody else's, which forgets the final chunk."""

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        del message
        await out.send(StreamChunk("Hel"))


async def test_an_answer_without_its_final_chunk_is_truncated_whoever_sent_it() -> None:
    async with open_system() as system:
        provider = ProviderHandle(await system.spawn(Careless))
        with pytest.raises(StreamTruncated) as caught:
            await provider.complete([user("Hi")])

    assert caught.value.partial.text == "Hel"


async def test_a_handle_works_over_any_provider_that_is_running() -> None:
    async with open_system() as system, open_provider("scripted:echo", system=system) as provider:
        again = ProviderHandle(provider.ref)
        assert (await again.complete([user("Hi")])).text == "Hi"
        assert Scripted.__name__ in repr(system.tree())
