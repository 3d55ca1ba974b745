"""Takes OpenTelemetry's context from a sender's task into the handler of its message.

OpenTelemetry keeps its context in a context variable, which follows tasks and not messages.
In process the `Context` object itself travels: attaching and detaching it costs about 0.2 µs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from opentelemetry import context

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context


class OpenTelemetryPropagator:
    """`open_system(propagator=OpenTelemetryPropagator())`: spans below an ask are its children."""

    def capture(self) -> object | None:
        """The sender's context; None where it is empty, so that nothing is attached."""
        return context.get_current() or None

    def attach(self, trace: object) -> object:
        return context.attach(cast("Context", trace))

    def detach(self, token: object) -> None:
        context.detach(cast("Token[Context]", token))
