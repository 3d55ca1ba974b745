"""Names of a package whose modules are imported when somebody asks for them."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def late(package: str, homes: Mapping[str, tuple[str, ...]]) -> Callable[[str], object]:
    """A package's `__getattr__`, so that few pay for what few use.

    Args:
        package: Its `__name__`.
        homes: Which names its modules have, by the module's name in the package.
    """

    def find(name: str) -> object:
        for module, names in homes.items():
            if name in names:
                found: object = getattr(import_module(f"{package}.{module}"), name)
                setattr(sys.modules[package], name, found)
                return found
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find
