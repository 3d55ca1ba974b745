"""Why a message, an incarnation or a supervisor ends: the errors, and what each says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import trio

from ._errors import (
    ActorCrashed,
    ActorRestarting,
    ActorStopped,
    AskTimeout,
    RuntimeFault,
    SupervisorGaveUp,
)
from ._lifecycle import unwrapped

if TYPE_CHECKING:
    from ._envelope import Envelope
    from ._lifecycle import Group


def restarting(path: str, message: object) -> ActorRestarting:
    return ActorRestarting(
        f"{path} is restarting; the message was not started", path=path, message=message
    )


def stopped(
    path: str, message: object, *, started: bool = False, is_over: bool = False
) -> ActorStopped:
    done = " while it handled the message" if started else "; the message was not started"
    where = ": send it inside of the `async with` block that started the actor" if is_over else ""
    return ActorStopped(
        f"{path} has stopped{done}{where}",
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


def ending(error: BaseException, declared: tuple[type[Exception], ...] = ()) -> BaseException:
    """What an error that left code of users counts as.

    Each of our cancels ends at a scope of ours. A `trio.Cancelled` that comes as far as this was
    kept from another one, and is a bug of whoever raises it again.
    """
    error = unwrapped(error, declared)
    if not isinstance(error, trio.Cancelled):
        return error
    stray = RuntimeError(
        "a trio.Cancelled was raised where nothing is cancelled: it belongs to another task or to "
        "a scope that was left. Never keep one: let it end its own scope"
    )
    stray.__cause__ = error
    return stray


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


def gave_up(path: str, child: str, restarts: int, error: BaseException | None) -> SupervisorGaveUp:
    why = type(error).__name__ if error else "it keeps ending"
    failure = SupervisorGaveUp(
        f"{path} gave up on {child} after {restarts} restarts: {why}", path=path
    )
    failure.__cause__ = error
    return failure
