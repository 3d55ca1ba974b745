"""Takes OpenTelemetry's context from a sender's task into the handler of its message.

OpenTelemetry keeps its context in a context variable, which follows tasks and not messages.
In process the `Context` object itself travels: attaching and detaching it costs about 0.2 µs.
A span for each handler costs some 20 µs more, so there are none unless asked for.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from opentelemetry import context, trace
from opentelemetry.trace import Status, StatusCode

from . import _conventions as called

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from runtime._message import Message


class _Handling(NamedTuple):
    """A handler at work, in a span of its own."""

    token: Token[Context]
    span: Span
    message: object


class OpenTelemetryPropagator:
    """`open_system(propagator=OpenTelemetryPropagator())`: spans below an ask are its children.

    With `spans=True` each handler has a span of its own, a child of what the sender had open.
    It is called `Interface/Message`, and tells the actor's path, the message's type and how the
    handler ended. Neither what is in a message nor the text of an error is in it.

    Args:
        spans: Whether handlers have spans.
        tracer: Who makes them; one of the global tracer provider's if None.

    Raises:
        ValueError: If there is a `tracer`, and no spans.
    """

    def __init__(self, *, spans: bool = False, tracer: Tracer | None = None) -> None:
        if tracer is not None and not spans:
            raise ValueError("a tracer makes spans: write `spans=True`, too")
        if spans and tracer is None:
            tracer = trace.get_tracer(called.SCOPE, called.release())
        self._tracer = tracer

    def capture(self) -> object | None:
        """The sender's context; None where nothing is to be attached."""
        current = context.get_current()
        return current or None if self._tracer is None else current

    def attach(self, trace: object, path: str, message: object) -> object:
        sent_from = cast("Context", trace)
        if self._tracer is None:
            return context.attach(sent_from)
        return _begin(self._tracer, sent_from, path, cast("Message[Any]", message))

    def detach(self, token: object, error: BaseException | None) -> None:
        if isinstance(token, _Handling):
            context.detach(token.token)
            _end(token, error)
        else:
            context.detach(cast("Token[Context]", token))


def _begin(tracer: Tracer, sent_from: Context, path: str, message: Message[Any]) -> _Handling:
    kind = type(message)
    span = tracer.start_span(
        f"{kind.target.__name__}/{kind.__name__}",
        sent_from,
        attributes={
            called.ACTOR_PATH: path,
            called.MESSAGE_TYPE: called.name_of(kind),
            called.MESSAGE_KIND: kind.kind.value,
        },
    )
    token = context.attach(trace.set_span_in_context(span, sent_from))
    return _Handling(token, span, message)


def _end(handling: _Handling, error: BaseException | None) -> None:
    span = handling.span
    if span.is_recording():
        outcome, error = called.outcome_of(handling.message, error)
        span.set_attribute(called.MESSAGE_OUTCOME, outcome.value)
        if error is not None:
            _describe(span, outcome, error)
    span.end()


def _describe(span: Span, outcome: called.Outcome, error: BaseException) -> None:
    """Tell of an error by its type and where it was raised: its text may hold anything."""
    name = called.name_of(type(error))
    span.set_attribute(called.ERROR_TYPE, name)
    if outcome is not called.Outcome.DECLARED:
        span.set_status(Status(StatusCode.ERROR, name))
    if outcome is called.Outcome.CRASHED:
        frames = "".join(traceback.format_tb(error.__traceback__))
        where = f"Traceback (most recent call last):\n{frames}{name}"
        span.add_event(
            called.EXCEPTION_EVENT,
            {called.EXCEPTION_TYPE: name, called.EXCEPTION_STACKTRACE: where},
        )
