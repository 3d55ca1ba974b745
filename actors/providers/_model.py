"""Models by name: a frozen record of where a model is and how to talk to it, and the names."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import Any, Final

import attrs

from actors.chat import Settings
from actors.errors import ConfigurationError, MissingKey, UnknownModel
from actors.http import Connect, Limits, open_client
from actors.local import LOCAL_MODELS

from ._capabilities import Capabilities
from ._checks import at_least, check_address, check_key, check_name
from ._known import KNOWN, Known
from ._policies import Breaker, Rate, Retry
from ._script import BY_NAME, Script
from ._tape import Tape
from .codecs import Codec, Dialect, EmbeddingCodec

DEFAULT_LIMITS: Final = Limits()
DEFAULT_SETTINGS: Final = Settings()
DEFAULT_RETRY: Final = Retry()
DEFAULT_BREAKER: Final = Breaker()
RECORDS: Final = {
    "limits": (Limits, "Limits(first_byte=60, idle=30), with any of its limits"),
    "settings": (Settings, "Settings(temperature=0.2), with any of its fields"),
    "retry": (Retry, "Retry(attempts=3), or Retry(attempts=1) for no retry"),
    "breaker": (Breaker, "Breaker(failures=5, seconds=10), or None for no breaker"),
    "rate": (Rate, "Rate(requests_per_minute=60), or None for no limit"),
    "dialect": (Dialect, "DIALECTS['groq'], or None for the usual"),
    "capabilities": (Capabilities, "Capabilities(images=True), or None for what is known"),
    "tape": (Tape, "Recording(model, file) or Replay(file) in place of the model"),
}


def _check_record(_model: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    kind, example = RECORDS[attribute.name]
    if value is None and kind not in (Retry, Limits, Settings):
        return
    if not isinstance(value, kind):
        raise ConfigurationError(f"{attribute.name} is {value!r}: write {example}")


def _scripts(value: Script | tuple[Script, ...] | list[Script] | None) -> tuple[Script, ...]:
    if value is None:
        return ()
    scripts = tuple(value) if isinstance(value, tuple | list) else (value,)
    for each in scripts:
        if not isinstance(each, Script):  # pyright: ignore[reportUnnecessaryIsInstance] - not all are type-checked
            raise ConfigurationError(
                f"{each!r} is no script: write script=script('Hello'), or a tuple of such"
            )
    return scripts


@attrs.frozen(kw_only=True)
class Model:
    """A model and how to reach it.

    Attributes:
        name: `provider:model`.
        base_url: Where the provider is, as its official SDK means it; None for its own place.
        api_key: None for the one in the environment. Never in a repr.
        limits: How long it may be silent.
        settings: For every request that does not say otherwise.
        concurrency: So many requests at once.
        waiting: So many more wait, for their turn or for the rate; beyond, `ProviderOverloaded`.
        retry: When a request is sent again; `Retry(attempts=1)` for never.
        breaker: When a failing provider is left alone; None for never.
        rate: How fast it is asked; None for as fast as requests come.
        dialect: How a compatible server departs from OpenAI's API; None for the usual.
        script: What a `scripted:` model answers: one script, or one a request.
        capabilities: What it can do; None for what `capabilities_of` knows of its name.
        tape: The file of a `Recording` or a `Replay`, which make such models.
    """

    name: str = attrs.field(kw_only=False, validator=check_name)
    base_url: str | None = attrs.field(default=None, validator=check_address)
    api_key: str | None = attrs.field(default=None, repr=False, validator=check_key)
    limits: Limits = attrs.field(default=DEFAULT_LIMITS, validator=_check_record)
    settings: Settings = attrs.field(default=DEFAULT_SETTINGS, validator=_check_record)
    concurrency: int = attrs.field(default=1000, validator=at_least(1))
    waiting: int = attrs.field(default=1000, validator=at_least(0))
    retry: Retry = attrs.field(default=DEFAULT_RETRY, validator=_check_record)
    breaker: Breaker | None = attrs.field(default=DEFAULT_BREAKER, validator=_check_record)
    rate: Rate | None = attrs.field(default=None, validator=_check_record)
    dialect: Dialect | None = attrs.field(default=None, validator=_check_record)
    script: tuple[Script, ...] = attrs.field(default=None, converter=_scripts)
    capabilities: Capabilities | None = attrs.field(default=None, validator=_check_record)
    tape: Tape | None = attrs.field(default=None, validator=_check_record)

    @property
    def provider(self) -> str:
        return self.name.partition(":")[0]

    @property
    def model(self) -> str:
        """The provider's own name of it."""
        return self.name.partition(":")[2]


@attrs.frozen
class Route:
    """A model with everything looked up that a provider needs.

    Attributes:
        model: As it was given.
        codec: None for a scripted model.
        base_url: None where it is only known once a local server runs.
        headers: For every request; the key is among them, so never in a repr.
        connect: Makes what carries the requests.
        embeddings: None where the provider has none.
    """

    model: Model
    codec: Codec | None
    base_url: str | None
    headers: Mapping[str, str] = attrs.field(repr=False)
    api_key: str | None = attrs.field(repr=False)
    connect: Connect = open_client
    embeddings: EmbeddingCodec | None = None


def resolve(model: str | Model, environment: Mapping[str, str] | None = None) -> Route:
    """Look up what a name means.

    Args:
        model: `provider:model`, or a record.
        environment: Where keys and addresses are looked up; that of the process if None.

    Raises:
        UnknownModel: No provider has this name; the text lists what can be written.
        MissingKey: The provider needs a key; the text names the variable.
        ConfigurationError: Something else is missing; the text says how to give it.
    """
    given = Model(model) if isinstance(model, str) else model
    if not isinstance(given, Model):  # pyright: ignore[reportUnnecessaryIsInstance] - scripts are seldom type-checked
        raise UnknownModel(f"{given!r} is no model: write 'local:smollm2', or give a Model(...)")
    plays = given.tape is not None and given.tape.plays  # neither a key nor a server is needed
    environment = {} if plays else os.environ if environment is None else environment
    known = KNOWN.get(given.provider)
    if known is None or not given.model:
        raise unknown(given.name)
    if known.codec is None:
        _check_script(given)
        return Route(given, None, None, {}, None)
    if given.provider == "local" and given.model not in LOCAL_MODELS:
        raise unknown(given.name)
    key = given.api_key or _first(environment, known.older_key_variable, known.key_variable)
    if key is None and known.needs_key and not plays:
        raise MissingKey(
            f"{given.name} needs a key: set {known.key_variable}, "
            f"or give Model({given.name!r}, api_key=...)"
        )
    check_key(None, None, key)
    headers = {name: environment[var] for name, var in known.headers if environment.get(var)}
    secrets = (key, *headers.values())
    if key is not None:
        headers[known.key_header] = known.key_prefix + key
    codec = known.codec(given.dialect)
    base_url = _address(given, known, environment)
    connect = _connect(given, base_url, codec, secrets)
    embeddings = known.embeddings() if known.embeddings is not None else None
    return Route(given, codec, base_url, headers, key, connect, embeddings)


def _connect(
    given: Model, base_url: str | None, codec: Codec, secrets: tuple[str | None, ...]
) -> Connect:
    """What carries the requests: sockets, or a file, or both."""
    if given.tape is None:
        return open_client
    return given.tape.connect(attrs.evolve(given, base_url=base_url), codec.wire, secrets)


def _first(environment: Mapping[str, str], *variables: str | None) -> str | None:
    """The first of the variables that is set, and not to nothing."""
    return next((environment[v] for v in variables if v is not None and environment.get(v)), None)


def _address(given: Model, known: Known, environment: Mapping[str, str]) -> str | None:
    if given.provider == "local" and given.base_url is None:
        return None
    variable = known.base_url_variable
    set_there = _first(environment, variable)
    if set_there is not None and known.read_address is not None:
        set_there = known.read_address(set_there)
    url = given.base_url or set_there or known.base_url
    if url is None:
        raise ConfigurationError(
            f"{given.name} needs an address: give "
            f"Model({given.name!r}, base_url={known.address!r}) or set {variable}"
        )
    check_address(None, None, url)
    return url.rstrip("/")


def _check_script(given: Model) -> None:
    if not given.script and given.model not in BY_NAME:
        raise UnknownModel(
            f"{given.name} has no script: write "
            f"Model({given.name!r}, script=script(say('Hello'))), or 'scripted:echo'"
        )


def unknown(name: str) -> UnknownModel:
    """The error for a name that stands for no model; it says what can be written."""
    provider, _, model = name.partition(":")
    near = difflib.get_close_matches(provider, KNOWN, n=1, cutoff=0.7)
    hint = ""
    if near:
        hint = f"; did you mean {KNOWN[near[0]].example}?"
    elif provider and not model:
        hint = f"; did you mean openai:{provider}?"
    written = ", ".join(known.example for known in KNOWN.values())
    return UnknownModel(
        f"there is no model {name!r}{hint or '.'} "
        f"A model is written provider:model, such as {written}"
    )
