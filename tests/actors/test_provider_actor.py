"""The provider actor over a real socket: faults, bounds, secrets, and what leaving does."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest
import trio

from actors.chat import Request, Settings, StreamResponse, user
from actors.errors import (
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
    StreamStalled,
    StreamTruncated,
)
from actors.http import Limits
from actors.providers import (
    Generate,
    Model,
    Provider,
    Retry,
    call,
    fail,
    open_provider,
    pause,
    reset,
    resolve,
    say,
    stall,
    start_provider,
    think,
    truncate,
    usage,
)
from actors.testing import FakeAnswer, FakeOpenAI, answer, error, open_fake_openai, raw
from runtime import RuntimeFault, open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from actors.providers import Step

KEY = "sk-very-secret"
HELLO = [user("Hello")]


def model(server: FakeOpenAI, limits: Limits | None = None, **more: int) -> Model:
    return Model(
        "openai-compatible:m",
        base_url=server.base_url,
        api_key=KEY,
        limits=limits or Limits(),
        retry=Retry(attempts=1),
        **more,  # type: ignore[arg-type]
    )


async def complete(given: FakeAnswer, limits: Limits | None = None) -> StreamResponse:
    async with open_fake_openai(given) as server, open_provider(model(server, limits)) as provider:
        return await provider.complete(HELLO)


async def failure_of(given: FakeAnswer, limits: Limits | None = None) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        await complete(given, limits)
    return caught.value


@pytest.mark.parametrize("split", [None, 1, 7])
async def test_an_answer_has_text_thinking_calls_usage_and_times(split: int | None) -> None:
    given = answer(
        think("Let me see.", pieces=2),
        say("It is ", pieces=2),
        call("multiply", a=2, b=3),
        call("add", a=1),
        usage(11, 7, cached=3, reasoning=2),
        split=split,
    )

    response = await complete(given)

    assert (response.text, response.thinking) == ("It is ", "Let me see.")
    assert [(c.name, c.arguments) for c in response.tool_calls] == [
        ("multiply", {"a": 2, "b": 3}),
        ("add", {"a": 1}),
    ]
    assert (response.usage.input_tokens, response.usage.cache_read_tokens) == (11, 3)
    assert response.raw_finish_reason == "tool_calls"
    assert response.is_complete
    assert response.time_to_first_chunk is not None
    assert response.duration is not None
    assert 0 <= response.time_to_first_chunk <= response.duration < 5


async def test_the_request_goes_out_with_the_models_settings_and_its_own() -> None:
    async with open_fake_openai() as server:
        base = Model(
            "openai-compatible:m",
            base_url=server.base_url,
            settings=Settings(temperature=0.5, seed=1),
        )
        async with open_provider(base) as provider:
            await provider.complete(HELLO, settings=Settings(temperature=0.0))

    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert (request.body["temperature"], request.body["seed"]) == (0.0, 1)
    assert not request.authorized


@pytest.mark.parametrize("fault", [truncate(), reset()], ids=["cut", "reset"])
async def test_a_truncated_answer_is_never_a_success_and_keeps_what_came(fault: Step) -> None:
    error = await failure_of(answer(say("Hello", pieces=5), pause(0.02), fault))

    assert isinstance(error, StreamTruncated)
    assert error.partial.text == "Hello"
    assert not error.partial.is_complete


async def test_a_body_that_ends_in_good_order_without_a_finish_is_truncated() -> None:
    body = b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'

    error = await failure_of(raw(body))

    assert isinstance(error, StreamTruncated)
    assert error.partial.text == "Hel"


async def test_silence_is_a_stall_and_keeps_what_came() -> None:
    error = await failure_of(answer("Hel", stall()), Limits(idle=0.05))

    assert isinstance(error, StreamStalled)
    assert (error.limit, error.seconds, error.partial.text) == ("idle", 0.05, "Hel")


async def test_an_error_inside_an_answer_keeps_what_came() -> None:
    said = fail(ProviderUnavailable("out of memory", status=503))

    error = await failure_of(answer("Hel", said))

    assert isinstance(error, ProviderUnavailable)
    assert error.partial.text == "Hel"
    assert "out of memory" in str(error)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (error(400, "bad"), ProviderRejected),
        (error(401, "bad"), ProviderUnauthorized),
        (error(429, "bad", retry_after="2"), ProviderRateLimited),
        (error(503, "bad"), ProviderUnavailable),
    ],
)
async def test_a_refusal_has_the_providers_words_and_its_request_id(
    given: FakeAnswer, kind: type[ProviderError]
) -> None:
    failed = await failure_of(given)

    assert type(failed) is kind
    assert isinstance(failed, ProviderError)
    assert str(failed) == f"the provider answered {given.status}: bad"
    assert (failed.status, failed.request_id) == (given.status, "fake-0")
    assert failed.retry_after == (2.0 if given.status == 429 else None)


async def test_a_refusal_whose_body_never_ends_is_still_that_refusal() -> None:
    endless = FakeAnswer(status=500, body=b"x" * 1_000_000)

    failed = await failure_of(endless)

    assert isinstance(failed, ProviderUnavailable)
    assert len(str(failed)) < 1000


async def test_no_server_is_unavailable() -> None:
    async with open_provider(Model("openai-compatible:m", base_url="http://127.0.0.1:1/v1")) as p:
        with pytest.raises(ProviderUnavailable, match="no server at"):
            await p.complete(HELLO)


async def test_a_fault_of_one_request_leaves_the_provider_as_it_was() -> None:
    answers = (error(500), answer("Hel", truncate()), answer("Hello"))
    async with (
        open_fake_openai(*answers) as server,
        open_system() as system,
        open_provider(model(server), system=system) as provider,
        system.events() as events,
    ):
        for _ in range(2):
            with pytest.raises(RuntimeFault):
                await provider.complete(HELLO)
        assert (await provider.complete(HELLO)).text == "Hello"
        seen: list[str] = []
        with trio.move_on_after(0.01):
            async for event in events:
                seen.append(type(event).__name__)  # noqa: PERF401 - it is cut off
        assert "Crashed" not in seen


async def test_leaving_a_stream_closes_the_socket_and_keeps_what_was_shown() -> None:
    async with (
        open_fake_openai(answer("Hel", pause(0.01), "lo", stall())) as server,
        open_provider(model(server)) as provider,
    ):
        async with provider.stream(HELLO) as stream:
            async for chunk in stream:
                if chunk.content == "lo":
                    break
        with trio.fail_after(1):
            await server.requests[0].closed.wait()
        assert stream.response.text == "Hello"
        assert not stream.response.is_complete


async def test_a_cancelled_stream_keeps_what_was_shown_and_the_cancel_stays_one() -> None:
    async with (
        open_fake_openai(answer("Hello", stall())) as server,
        open_provider(model(server)) as provider,
    ):
        stream = provider.stream(HELLO)
        with trio.move_on_after(0.1) as scope:
            async with stream:
                async for _ in stream:
                    pass
        assert scope.cancelled_caught
        assert stream.response.text == "Hello"
        with trio.fail_after(1):
            await server.requests[0].closed.wait()


async def test_a_cancel_anywhere_leaves_nothing_behind_and_the_provider_usable() -> None:
    async with (
        open_fake_openai(answer(say("Hello", pieces=2), slow=0.001)) as server,
        open_provider(model(server, concurrency=1, waiting=0)) as provider,
    ):
        shown = ""

        async def scenario() -> None:
            nonlocal shown
            stream = provider.stream(HELLO)
            try:
                async with stream:
                    async for _ in stream:
                        pass
            finally:
                shown = stream.response.text

        async def check() -> None:
            assert "Hello".startswith(shown)
            with trio.fail_after(1):  # the one place is free again, and the socket works
                assert (await provider.complete(HELLO)).text == "Hello"

        assert await cancel_everywhere(scenario, check=check) > 10


async def test_a_provider_that_is_cancelled_anywhere_is_gone_with_its_sockets() -> None:
    async def scenario() -> None:
        async with (
            assert_no_leaks(),
            open_fake_openai(answer(say("Hello", pieces=2))) as server,
            open_provider(model(server)) as provider,
        ):
            await provider.complete(HELLO)

    assert await cancel_everywhere(scenario) > 10


async def test_a_reader_that_does_not_read_makes_the_server_wait() -> None:
    event = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * 1000 + b'"}}]}\n\n'
    async with (
        open_fake_openai(raw(event * 50_000, split=65536)) as server,
        open_provider(model(server)) as provider,
        provider.stream(HELLO) as stream,
    ):
        async for _ in stream:
            break
        written = -1
        while server.requests[0].written > written:  # until the buffers of the kernel are full
            written = server.requests[0].written
            await trio.sleep(0.3)
        assert written < 10_000_000  # of 50 MB
        assert stream.response.chunk_count == 1


async def test_a_full_queue_refuses_at_once_and_a_freed_place_is_used() -> None:
    async with (
        open_fake_openai(answer("Hello", stall()), answer("Hello")) as server,
        open_provider(model(server, concurrency=1, waiting=1)) as provider,
    ):
        done: list[str] = []

        async def wait_in_line() -> None:
            done.append((await provider.complete(HELLO)).text)

        async with trio.open_nursery() as nursery, provider.stream(HELLO) as first:
            await first.__anext__()
            nursery.start_soon(wait_in_line)
            await trio.testing.wait_all_tasks_blocked(0.01)
            with pytest.raises(ProviderOverloaded, match="1 requests run and 1 wait"):
                await provider.complete(HELLO)
            assert len(server.requests) == 1
        assert done == ["Hello"]


async def test_answers_run_side_by_side() -> None:
    async with (
        open_fake_openai(answer(say("Hello", pieces=5), slow=0.02)) as server,
        open_provider(model(server)) as provider,
    ):
        with trio.fail_after(2):  # one after the other would take 3 s
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(provider.complete, HELLO)
        assert len(server.requests) == 20


async def test_an_answer_that_is_one_json_object_is_taken_as_it_is() -> None:
    body = (
        b'{"choices":[{"index":0,"message":{"content":"Hello"},"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":3,"completion_tokens":1}}'
    )

    response = await complete(raw(body, content_type="application/json"))

    assert (response.text, response.usage.input_tokens) == ("Hello", 3)


async def test_a_key_that_the_provider_quotes_is_hidden() -> None:
    for given in (
        error(401, f"Incorrect API key provided: {KEY}"),
        answer("Hel", fail(ProviderError(f"quota of {KEY} exceeded"))),
    ):
        failed = await failure_of(given)
        assert KEY not in f"{failed} {failed!r} {failed.args}"
        assert "***" in str(failed)


async def test_a_key_that_a_header_echoes_is_hidden() -> None:
    failed = await failure_of(error(401, "no", x_request_id=f"for {KEY}"))

    assert isinstance(failed, ProviderError)
    assert str(failed.request_id).endswith("for ***")
    assert KEY not in "".join(traceback.format_exception(failed))


async def test_no_key_is_seen_in_the_tree_the_events_or_what_the_fake_kept() -> None:
    async with (
        open_fake_openai() as server,
        open_system() as system,
        system.events() as events,
        open_provider(model(server), system=system) as provider,
    ):
        await provider.complete(HELLO)
        seen = [repr(system.tree()), repr(server.requests), repr(provider.ref)]
        with trio.move_on_after(0.01):
            async for event in events:
                seen.append(repr(event))  # noqa: PERF401 - it is cut off
    assert server.requests[0].authorized
    assert KEY not in " ".join(seen)
    assert KEY not in str(server.requests[0].headers)


async def test_an_endpoint_that_is_asked_for_is_found_again_after_it_moved() -> None:
    async with open_fake_openai(answer("old")) as old, open_fake_openai(answer("new")) as new:
        places = [f"{old.base_url}/", new.base_url]

        async def endpoint() -> str:
            return places.pop(0)

        async with open_system() as system:
            route = resolve(Model("openai-compatible:m", base_url="http://nowhere/v1"))
            ref = await system.spawn(Provider, route, endpoint)
            for expected in ("old", "new"):
                async with ref.stream(Generate(Request(tuple(HELLO)))) as chunks:
                    text = "".join([chunk.content async for chunk in chunks])
                assert text == expected


async def test_a_provider_lives_below_the_supervisor_it_is_given() -> None:
    async with open_fake_openai() as server, open_system() as system:
        group = await system.supervise("mine")
        ref = await start_provider(group, model(server), name="model")
        assert ref.path == "/mine/model"


async def test_a_scripted_model_is_not_reached_over_http() -> None:
    with pytest.raises(ValueError, match="use start_provider"):
        Provider(resolve("scripted:echo"))
