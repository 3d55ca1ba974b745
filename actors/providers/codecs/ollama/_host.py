"""Reads OLLAMA_HOST, which need not be a whole address. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from actors.errors import ConfigurationError

_PORTS = {"http": 80, "https": 443}


def ollama_host(host: str) -> str:
    """The address that `host` means to the official client.

    Without a scheme the port is 11434 if it is left out, with one it is that of the scheme.

    Raises:
        ConfigurationError: It is no host.
    """
    scheme, mark, rest = host.partition("://")
    if not mark:
        scheme, rest = "http", host
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        port = parts.port or (_PORTS.get(scheme, 0) if mark else 11434)
    except ValueError as error:
        raise ConfigurationError(
            f"OLLAMA_HOST must be like '127.0.0.1:11434' or 'https://host': {error}"
        ) from error
    name = parts.hostname or "127.0.0.1"
    if ":" in name:
        name = f"[{name}]"
    path = parts.path.strip("/")
    return f"{scheme}://{name}:{port}" + (f"/{path}" if path else "")
