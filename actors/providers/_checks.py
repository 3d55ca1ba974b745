"""What a model's name, key, address and numbers must be. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from actors.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    import attrs


def check_key(_model: object, _attribute: object, key: str | None) -> None:
    if not isinstance(key, str | None):  # pyright: ignore[reportUnnecessaryIsInstance] - not all are type-checked
        raise ConfigurationError(f"api_key is a string, not {type(key).__name__}")
    if key is not None and (not key.isascii() or not key.isprintable() or " " in key or not key):
        raise ConfigurationError(
            "api_key is empty or has a blank, a line break or a character beyond ASCII in it; "
            "strip() it if it was read from a file"
        )


def check_address(_model: object, _attribute: object, url: Any) -> None:
    if url is None:
        return
    if not isinstance(url, str):
        raise ConfigurationError(f"base_url is a string, not {type(url).__name__}")
    scheme, colon, rest = url.partition("://")
    host = rest.partition("/")[0]
    is_web = scheme in ("http", "https") and colon and _is_host(host)
    if not is_web or any(mark in url for mark in "?# "):
        raise ConfigurationError(
            "base_url must be an address like 'https://host/v1', without a query"
        )
    if "@" in host:
        raise ConfigurationError("base_url must not hold a password: give it as api_key")


def _is_host(host: str) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket without the other one
        return False


def check_name(_model: object, _attribute: object, name: Any) -> None:
    if not isinstance(name, str):
        raise ConfigurationError(f"{name!r} is no name of a model: write Model('openai:gpt-4o')")


def at_least(least: int) -> Callable[[object, attrs.Attribute[Any], object], None]:
    def check(_model: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(
                f"{attribute.name} is {value!r}, and must be a whole number from {least} on"
            )

    return check
