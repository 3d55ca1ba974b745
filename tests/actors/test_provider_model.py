"""Models by name: what a name means, and what an unusable one says."""

from __future__ import annotations

from typing import Any, cast

import pytest

from actors.errors import ConfigurationError, MissingKey, UnknownModel
from actors.providers import (
    COMPATIBLE,
    DIALECTS,
    OPENAI,
    Breaker,
    Dialect,
    Gemini,
    Model,
    Ollama,
    OpenAIChat,
    OpenAIResponses,
    Retry,
    resolve,
    say,
    script,
)
from actors.providers._compatible import SERVERS

KEY = "sk-very-secret"


def dialect_of(model: str | Model, **environment: str) -> Dialect:
    codec = resolve(model, environment).codec
    assert isinstance(codec, OpenAIChat)
    return codec.dialect


def test_openai_is_found_with_its_key_from_the_environment() -> None:
    route = resolve("openai:gpt-4o-mini", {"OPENAI_API_KEY": KEY})

    assert route.base_url == "https://api.openai.com/v1"
    assert route.headers == {"authorization": f"Bearer {KEY}"}
    assert route.model.model == "gpt-4o-mini"
    assert dialect_of("openai:gpt-4o-mini", OPENAI_API_KEY=KEY) == OPENAI


def test_the_responses_of_openai_are_found_with_the_same_key() -> None:
    route = resolve("openai-responses:gpt-5-mini", {"OPENAI_API_KEY": KEY})

    assert route.base_url == "https://api.openai.com/v1"
    assert isinstance(route.codec, OpenAIResponses)
    with pytest.raises(ConfigurationError, match="openai-responses has none"):
        resolve(Model("openai-responses:x", dialect=OPENAI), {"OPENAI_API_KEY": KEY})


def test_the_variables_of_the_official_sdk_mean_the_same_here() -> None:
    route = resolve(
        "openai:gpt-4o-mini",
        {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": "http://127.0.0.1:8080/v1/",
            "OPENAI_ORG_ID": "org-1",
            "OPENAI_PROJECT_ID": "proj-1",
        },
    )

    assert route.base_url == "http://127.0.0.1:8080/v1"
    assert route.headers["openai-organization"] == "org-1"
    assert route.headers["openai-project"] == "proj-1"


def test_what_the_model_says_goes_before_the_environment() -> None:
    model = Model("openai:gpt-4o-mini", base_url="http://host/v1", api_key="mine")

    route = resolve(model, {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://other/v1"})

    assert (route.base_url, route.api_key) == ("http://host/v1", "mine")


def test_gemini_takes_its_key_in_a_header_of_its_own() -> None:
    route = resolve("gemini:gemini-2.5-flash", {"GEMINI_API_KEY": KEY})

    assert route.base_url == "https://generativelanguage.googleapis.com"
    assert route.headers == {"x-goog-api-key": KEY}
    assert isinstance(route.codec, Gemini)


def test_of_the_two_variables_of_gemini_the_one_that_its_sdk_prefers_counts() -> None:
    both = {"GEMINI_API_KEY": KEY, "GOOGLE_API_KEY": "g-1", "GOOGLE_GEMINI_BASE_URL": "http://h/"}

    route = resolve("gemini:gemini-2.5-flash", both)

    assert (route.base_url, route.api_key) == ("http://h", "g-1")
    with pytest.raises(MissingKey, match="set GEMINI_API_KEY"):
        resolve("gemini:gemini-2.5-flash", {"GOOGLE_API_KEY": ""})


def test_ollama_needs_no_key_but_takes_one_for_its_cloud() -> None:
    route = resolve("ollama:llama3.2", {})

    assert (route.base_url, route.headers) == ("http://127.0.0.1:11434", {})
    assert isinstance(route.codec, Ollama)
    cloud = resolve(Model("ollama:gpt-oss", base_url="https://ollama.com"), {"OLLAMA_API_KEY": KEY})
    assert (cloud.base_url, cloud.headers) == (
        "https://ollama.com",
        {"authorization": f"Bearer {KEY}"},
    )


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("10.0.0.7", "http://10.0.0.7:11434"),
        (":8000", "http://127.0.0.1:8000"),
        ("10.0.0.7:8000/", "http://10.0.0.7:8000"),
        ("http://box", "http://box:80"),
        ("https://box", "https://box:443"),
        ("box/ollama/", "http://box:11434/ollama"),
        ("[::1]", "http://[::1]:11434"),
        ("https://[::1]:8000/x", "https://[::1]:8000/x"),
    ],
)
def test_the_host_of_ollama_is_read_as_its_client_reads_it(host: str, url: str) -> None:
    assert resolve("ollama:llama3.2", {"OLLAMA_HOST": host}).base_url == url


@pytest.mark.parametrize("host", ["box:port", "box:99999", "http://[::1", "ftp://box"])
def test_a_host_of_ollama_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"OLLAMA_HOST|base_url"):
        resolve("ollama:llama3.2", {"OLLAMA_HOST": host})


def test_a_missing_key_is_named() -> None:
    with pytest.raises(MissingKey, match=r"set OPENAI_API_KEY, or give Model\('openai:gpt-4o'"):
        resolve("openai:gpt-4o", {})


def test_an_empty_variable_is_no_key() -> None:
    with pytest.raises(MissingKey):
        resolve("openai:gpt-4o", {"OPENAI_API_KEY": ""})


def test_a_compatible_server_needs_an_address_but_no_key() -> None:
    model = Model("openai-compatible:bench", base_url="http://127.0.0.1:8080/v1")

    assert resolve(model, {}).headers == {}
    assert dialect_of(model) == COMPATIBLE
    with pytest.raises(ConfigurationError, match=r"base_url='http://127.0.0.1:8080/v1'\) or set"):
        resolve("openai-compatible:bench", {})


def test_a_dialect_of_ones_own_is_used() -> None:
    own = Dialect(stream_options=False)

    assert dialect_of(Model("openai-compatible:x", base_url="http://h/v1", dialect=own)) is own


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("gpt-4o", "openai:gpt-4o"),
        ("opnai:gpt-4o", "openai:gpt-4o-mini"),
        ("openai", "openai:gpt-4o-mini"),
        ("openai:", "openai:gpt-4o-mini"),
        ("local:gpt-4o", "local:smollm2"),
    ],
)
def test_an_unknown_name_says_what_can_be_written_and_what_is_nearest(
    name: str, guess: str
) -> None:
    with pytest.raises(UnknownModel) as caught:
        resolve(name, {})

    assert f"did you mean {guess}?" in str(caught.value)
    assert "openai-compatible:NAME" in str(caught.value)


@pytest.mark.parametrize("name", ["", ":", "https://host/v1", "foo:bar"])
def test_a_name_that_is_near_nothing_gets_no_guess(name: str) -> None:
    with pytest.raises(UnknownModel, match="openai-compatible:NAME") as caught:
        resolve(name, {})

    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("given", ["hi", ["hi"], say("hi")])
def test_what_is_no_script_is_refused_where_it_is_given(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no script"):
        Model("scripted:a", script=given)


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a string, not int"):
        Model("openai:x", api_key=cast("Any", 123))


def test_a_scripted_model_needs_a_script_unless_it_is_the_echo() -> None:
    assert resolve("scripted:echo", {}).codec is None
    assert resolve(Model("scripted:demo", script=script(say("Hello"))), {}).codec is None
    with pytest.raises(UnknownModel, match=r"script=script\(say\('Hello'\)\)"):
        resolve("scripted:demo", {})


@pytest.mark.parametrize("key", ["", "sk-1\n", "sk 1", "schlüssel"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="api_key is empty or has a blank") as caught:
        Model("openai:gpt-4o", api_key=key)

    assert not key or key not in str(caught.value)
    if key:
        with pytest.raises(ConfigurationError, match="api_key"):
            resolve("openai:gpt-4o", {"OPENAI_API_KEY": key})


@pytest.mark.parametrize(
    "url",
    [
        "host/v1",
        "ftp://host/v1",
        "http://",
        "http://h/v1?key=1",
        "",
        "http://h:port/v1",
        "http://[::1/v1",
        "http://a host/v1",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url must be an address like"):
        Model("openai:gpt-4o", base_url=url)


def test_a_password_in_the_address_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError, match="base_url must not hold a password") as caught:
        Model("openai:gpt-4o", base_url="https://me:hunter2@host/v1")

    assert "hunter2" not in str(caught.value)


def test_no_repr_shows_a_key() -> None:
    model = Model("openai:gpt-4o", api_key=KEY)
    route = resolve(model, {})

    assert KEY not in repr(model) + repr(route) + repr(route.codec)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"limits": None}, r"write Limits\(first_byte=60"),
        ({"settings": {"temperature": 1}}, r"write Settings\(temperature=0.2\)"),
        ({"dialect": "groq"}, r"write DIALECTS\['groq'\]"),
        ({"capabilities": "images"}, r"write Capabilities\(images=True\)"),
        ({"tape": "file"}, "write Recording"),
        ({"base_url": b"http://host"}, "base_url is a string, not bytes"),
    ],
)
def test_a_field_of_another_type_says_what_to_write(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        Model("openai:gpt-4o", **given)


@pytest.mark.parametrize("name", [None, 5])
def test_a_name_that_is_no_text_says_what_to_write(name: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"write Model\('openai:gpt-4o'\)"):
        Model(name)


@pytest.mark.parametrize("number", [None, "3", 1.5, True, -1])
@pytest.mark.parametrize("field", ["concurrency", "waiting"])
def test_a_bound_that_is_no_whole_number_is_refused(field: str, number: Any) -> None:
    with pytest.raises(ValueError, match=rf"{field} is .* a whole number"):
        Model("openai:gpt-4o", **{field: number})


def test_bounds_that_bound_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="concurrency"):
        Model("scripted:echo", concurrency=0)
    with pytest.raises(ValueError, match="waiting"):
        Model("scripted:echo", waiting=-1)


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ({"retry": 3}, r"retry is 3: write Retry\(attempts=3\)"),
        ({"retry": None}, r"retry is None: write .*Retry\(attempts=1\) for no retry"),
        ({"breaker": 5}, r"breaker is 5: write Breaker\("),
        ({"rate": 60}, r"rate is 60: write Rate\(requests_per_minute=60\)"),
    ],
)
def test_a_policy_that_is_none_says_what_to_write(policy: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        Model("scripted:echo", **policy)


def test_retries_and_the_breaker_are_on_unless_told_otherwise_and_no_rate_is() -> None:
    model = Model("scripted:echo")

    assert (model.retry, model.breaker, model.rate) == (Retry(attempts=3), Breaker(), None)
    assert Model("scripted:echo", breaker=None).breaker is None


HOSTED = {name: server for name, server in SERVERS.items() if server.needs_key}


@pytest.mark.parametrize("name", sorted(set(HOSTED) - {"azure"}))
def test_a_provider_is_known_by_its_name_its_address_and_its_key(name: str) -> None:
    server = HOSTED[name]
    variable = f"{server.prefix}_API_KEY"

    route = resolve(server.example, {variable: KEY})

    assert server.example.startswith(f"{name}:")
    assert route.base_url == server.base_url
    assert route.headers == {"authorization": f"Bearer {KEY}"}
    assert dialect_of(server.example, **{variable: KEY}) is DIALECTS[name]
    with pytest.raises(MissingKey, match=f"set {variable}"):
        resolve(server.example, {})


def test_a_server_of_ones_own_needs_no_key_and_is_where_it_usually_is() -> None:
    assert resolve("llamacpp:any", {}).base_url == "http://127.0.0.1:8080/v1"
    assert resolve("vllm:any", {"VLLM_BASE_URL": "http://gpu/v1"}).base_url == "http://gpu/v1"
    assert resolve("llamacpp:any", {"LLAMA_API_KEY": KEY}).api_key == KEY


def test_azure_wants_an_address_and_its_key_in_a_header_of_its_own() -> None:
    url = "https://mine.openai.azure.com/openai/v1"
    model = Model("azure:mine", base_url=url)

    route = resolve(model, {"AZURE_OPENAI_API_KEY": KEY})

    assert (route.base_url, route.headers) == (url, {"api-key": KEY})
    with pytest.raises(
        ConfigurationError, match=r"azure\.com/openai/v1'.* or set AZURE_OPENAI_BASE_URL"
    ):
        resolve("azure:mine", {"AZURE_OPENAI_API_KEY": KEY})
    assert KEY not in repr(route)


def test_every_server_has_a_dialect() -> None:
    assert SERVERS.keys() <= DIALECTS.keys()
