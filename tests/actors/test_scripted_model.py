"""Scripted models: what they say, in virtual time, and every fault on demand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import trio
import trio.testing

from actors.chat import FinishReason, Opaque, Request, StreamChunk, assistant, system, user
from actors.errors import (
    ConfigurationError,
    ProviderRateLimited,
    StreamStalled,
    StreamTruncated,
)
from actors.http import Limits
from actors.providers import (
    Model,
    Requests,
    Script,
    call,
    call_text,
    crash,
    echo,
    fail,
    finish,
    opaque,
    open_provider,
    pause,
    play,
    reset,
    say,
    script,
    stall,
    think,
    together,
    truncate,
    usage,
)
from runtime import ActorCrashed

HI = [user("Hi")]
ASKED = Request(tuple(HI))


def chunks(answer: Script, request: Request = ASKED) -> list[StreamChunk]:
    return [item for item in play(answer, request, 0) if isinstance(item, StreamChunk)]


def demo(*answers: Script, limits: Limits | None = None) -> Model:
    return Model("scripted:demo", script=answers, limits=limits or Limits())


def test_text_comes_in_as_many_pieces_as_asked_for() -> None:
    assert [c.content for c in chunks(script(say("abcdef", pieces=3)))] == ["ab", "cd", "ef", ""]
    assert [c.content for c in chunks(script(say("ab", pieces=9)))] == ["a", "b", ""]
    assert [c.content for c in chunks(script("ab"))] == ["ab", ""]


def test_a_call_comes_in_pieces_that_belong_together() -> None:
    first, *rest, final = chunks(script(call("add", a=1), call_text("add", '{"a": ')))

    assert (first.tool_calls[0].id, first.tool_calls[0].name) == ("call_0_0", "add")
    assert [piece.tool_calls[0].index for piece in rest] == [0, 0, 1, 1]
    assert final.finish_reason is FinishReason.TOOL_CALLS


def test_calls_together_take_turns_and_each_has_its_own_slot() -> None:
    pair = together(call_text("a", "123", pieces=3), call_text("b", "4"))
    deltas = [c.tool_calls[0] for c in chunks(script(pair, call_text("c", "5"))) if c.tool_calls]

    assert [(d.index, d.name, d.arguments) for d in deltas] == [
        (0, "a", ""),
        (1, "b", ""),
        (0, "", "1"),
        (1, "", "4"),
        (0, "", "2"),
        (0, "", "3"),
        (2, "c", ""),
        (2, "", "5"),
    ]
    assert len({delta.id for delta in deltas if delta.id}) == 3


def test_thinking_is_sealed_behind_its_last_piece() -> None:
    first, second, seal, _ = chunks(script(think("abcd", pieces=2, signature="s")))

    assert [first.thinking, second.thinking, seal.thinking] == ["ab", "cd", ""]
    assert [first.signature, second.signature, seal.signature] == [None, None, "s"]


def test_an_opaque_part_is_kept_as_it_is() -> None:
    first, _ = chunks(script(opaque("anthropic", type="x", data=1)))

    assert first.opaque == (Opaque("anthropic", {"type": "x", "data": 1}),)


def test_only_the_last_chunk_is_final_and_it_has_the_usage_and_the_reason() -> None:
    *rest, final = chunks(script("Hello", usage(3, 1, cached=2), finish(FinishReason.LENGTH)))

    assert not any(chunk.is_final for chunk in rest)
    assert final.is_final
    assert final.finish_reason is FinishReason.LENGTH
    assert final.usage is not None
    assert (final.usage.input_tokens, final.usage.cache_read_tokens) == (3, 2)


def test_the_echo_says_the_last_thing_that_the_user_said() -> None:
    request = Request((system("x"), user("no"), assistant("no"), user("one two")))

    assert [c.content for c in chunks(script(echo()), request)] == ["one", " two", ""]


def test_what_is_no_step_is_told_what_is_one() -> None:
    wrong: Any = len
    with pytest.raises(ConfigurationError, match=r"write say\(\.\.\.\)"):
        script(wrong)


async def test_answers_are_played_one_a_request_and_then_end_with_a_clear_error() -> None:
    async with open_provider(demo(script("one"), script("two"))) as provider:
        assert (await provider.complete(HI)).text == "one"
        assert (await provider.complete(HI)).text == "two"
        with pytest.raises(ConfigurationError, match=r"2 answers and this is request 3.*repeat"):
            await provider.complete(HI)


async def test_the_last_answer_is_repeated_on_demand() -> None:
    async with open_provider(demo(script("one"), script("two", repeat=True))) as provider:
        texts = [(await provider.complete(HI)).text for _ in range(4)]

    assert texts == ["one", "two", "two", "two"]


async def test_ids_of_calls_are_unique_over_the_whole_conversation() -> None:
    async with open_provider(demo(script(call("now"), call("now"), repeat=True))) as provider:
        ids = [c.id for _ in range(3) for c in (await provider.complete(HI)).tool_calls]

    assert len(set(ids)) == 6


async def test_it_tells_which_requests_it_got() -> None:
    async with open_provider("scripted:echo") as provider:
        ref: Any = provider.ref
        await provider.complete(HI)
        await provider.complete([*HI, assistant("Hi"), user("Bye")])
        requests = await ref.ask(Requests())

    assert [len(request.turns) for request in requests] == [1, 3]


async def test_pauses_pass_in_virtual_time(autojump_clock: trio.testing.MockClock) -> None:
    del autojump_clock
    answer = script(pause(5), think("hm"), pause(7), say("Hello"))
    began = trio.current_time()
    async with open_provider(demo(answer)) as provider:
        response = await provider.complete(HI)

    assert trio.current_time() - began == pytest.approx(12)
    assert response.time_to_first_chunk == pytest.approx(5, abs=0.1)
    assert response.duration == pytest.approx(12, abs=0.1)


@pytest.mark.parametrize("fault", [truncate(), reset()])
async def test_a_cut_is_a_truncation_with_what_came(fault: Any) -> None:
    async with open_provider(demo(script("Hel", fault, "lo"))) as provider:
        with pytest.raises(StreamTruncated) as caught:
            await provider.complete(HI)

    assert caught.value.partial.text == "Hel"


@pytest.mark.parametrize(
    ("answer", "limit", "seconds"),
    [
        (script(stall()), "first_byte", 3.0),
        (script("Hel", stall()), "idle", 2.0),
        (script("Hel", pause(2.5)), "idle", 2.0),
    ],
)
async def test_silence_stalls_after_the_limits_of_the_model(
    autojump_clock: trio.testing.MockClock, answer: Script, limit: str, seconds: float
) -> None:
    del autojump_clock
    began = trio.current_time()
    async with open_provider(demo(answer, limits=Limits(first_byte=3, idle=2))) as provider:
        with pytest.raises(StreamStalled) as caught:
            await provider.complete(HI)

    assert (caught.value.limit, caught.value.seconds) == (limit, seconds)
    assert trio.current_time() - began == pytest.approx(seconds)


async def test_a_stall_without_limits_lasts_for_ever(
    autojump_clock: trio.testing.MockClock,
) -> None:
    del autojump_clock
    forever = Limits(idle=math.inf, first_byte=math.inf)
    async with open_provider(demo(script(stall()), limits=forever)) as provider:
        with trio.move_on_after(10_000_000) as scope:
            await provider.complete(HI)
    assert scope.cancelled_caught


async def test_a_providers_error_has_what_came() -> None:
    said = ProviderRateLimited("slow down", retry_after=2.0)
    async with open_provider(demo(script("Hel", fail(said)))) as provider:
        with pytest.raises(ProviderRateLimited) as caught:
            await provider.complete(HI)

    assert caught.value.partial.text == "Hel"
    assert caught.value.retry_after == 2.0


async def test_a_crash_restarts_the_actor_and_the_play_goes_on() -> None:
    async with open_provider(demo(script("Hel", crash("boom")), script("Hello"))) as provider:
        with pytest.raises(ActorCrashed) as caught:
            await provider.complete(HI)
        assert "boom" in str(caught.value.__cause__)
        await trio.testing.wait_all_tasks_blocked()
        assert (await provider.complete(HI)).text == "Hello"
        ref: Any = provider.ref
        assert len(await ref.ask(Requests())) == 2
