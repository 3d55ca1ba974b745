"""The tools in the box, by the names that the command line has for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs
import click

from actors.tools import calculator, clock_tools, fetch_tool, file_tools, shell_tool

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.tools import AnyTool

Tools = tuple["AnyTool", ...]


@attrs.frozen
class Offer:
    """A tool, or some, by one name.

    Attributes:
        value: What may stand behind "=", or "" for nothing.
        make: From that, and whether somebody is asked before a call changes something.
        needs_value: Whether it must.
    """

    value: str
    make: Callable[[str, bool], Tools]
    needs_value: bool = False

    def written(self, name: str) -> str:
        if not self.value:
            return name
        return f"{name}={self.value}" if self.needs_value else f"{name}[={self.value}]"


OFFERS: Final = {
    "calculator": Offer("", lambda _value, _ask: (calculator,)),
    "clock": Offer("ZONE", lambda zone, _ask: clock_tools(zone=zone or "UTC")),
    "files": Offer(
        "FOLDER", lambda root, ask: file_tools(root, write=True, approve=ask), needs_value=True
    ),
    "fetch": Offer("HOST", lambda host, _ask: (fetch_tool(hosts=[host] if host else None),)),
    "shell": Offer("FOLDER", lambda folder, ask: (shell_tool(folder or ".", approve=ask),)),
}
WRITTEN: Final = ", ".join(offer.written(name) for name, offer in OFFERS.items())


def tools_named(names: Iterable[str], *, ask: bool) -> list[AnyTool]:
    """The tools that are meant by `NAME` or `NAME=VALUE`.

    Args:
        names: As in "calculator" and "files=notes".
        ask: Whether calls that change something need approval.

    Raises:
        click.UsageError: If there is none of that name, or its value does not suit it.
    """
    made: dict[str, Tools] = {}
    for written in names:
        name, equals, value = written.partition("=")
        if name in made:
            raise click.UsageError(f"--tool {name} is given twice")
        made[name] = _made(name, equals, value, ask=ask)
    return [tool for tools in made.values() for tool in tools]


def _made(name: str, equals: str, value: str, *, ask: bool) -> Tools:
    offer = OFFERS.get(name)
    if offer is None:
        raise click.UsageError(f"there is no tool {name!r}; there are {WRITTEN}")
    lacks = not value and (equals or offer.needs_value)
    if lacks or (value and not offer.value):
        raise click.UsageError(f"write --tool {offer.written(name)}, not {name}{equals}{value}")
    try:
        return offer.make(value, ask)
    except ValueError as error:
        raise click.UsageError(f"--tool {name}: {error}") from error
