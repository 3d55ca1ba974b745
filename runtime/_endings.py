"""Why a message ends without a reply: the errors, and what each says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import trio

from ._errors import ActorCrashed, ActorRestarting, ActorStopped, AskTimeout, RuntimeFault

if TYPE_CHECKING:
    from ._envelope import Envelope
    from ._lifecycle import Group


def restarting(path: str, message: object) -> ActorRestarting:
    return ActorRestarting(
        f"{path} is restarting; the message was not started", path=path, message=message
    )


def stopped(path: str, message: object, *, started: bool = False) -> ActorStopped:
    done = " while it handled the message" if started else "; the message was not started"
    return ActorStopped(
        f"{path} has stopped{done}",
        path=path,
        message=None if started else message,
        started=started,
    )


def crashed(turn: Envelope, error: BaseException) -> ActorCrashed:
    name = type(turn.message).__name__
    crash = ActorCrashed(
        f"{turn.path} crashed while it handled {name}: {type(error).__name__}", path=turn.path
    )
    crash.__cause__ = error
    return crash


def cut_short(turn: Envelope, failure: BaseException | None) -> RuntimeFault:
    """Why a started turn ended without a result when its task was cancelled."""
    if turn.cancelled or turn.deadline <= trio.current_time():
        name = type(turn.message).__name__
        return AskTimeout(f"{turn.path}: {name} was cancelled", path=turn.path)
    if failure is not None:
        return crashed(turn, failure)
    return stopped(turn.path, turn.message, started=True)


def expired(turn: Envelope) -> AskTimeout:
    return AskTimeout(
        f"the deadline passed before {turn.path} started the message",
        path=turn.path,
        message=turn.message,
    )


def without_cancels(error: BaseException) -> BaseException | None:
    """What else there is in it; None if it is nothing but cancels."""
    if isinstance(error, BaseExceptionGroup):
        return cast("Group", error).split(trio.Cancelled)[1]
    return None if isinstance(error, trio.Cancelled) else error
