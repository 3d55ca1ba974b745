"""Every error of the runtime, and what state each leaves you in.

One root, `RuntimeFault`. A fault that a handler leaves unhandled fails the message it was
handling and not the actor, so that one dead actor does not crash everybody who asks it.
A message that was never handled comes back as `message`.
"""

from __future__ import annotations


class RuntimeFault(Exception):
    """The root of all errors that the runtime reports.

    Attributes:
        path: The actor it is about, or "" where it is about none.
        message: The message that was *not* handled, given back; None where it was started.
    """

    def __init__(self, text: str, *, path: str = "", message: object = None) -> None:
        super().__init__(text)
        self.path = path
        self.message = message


class ActorCrashed(RuntimeFault):
    """The handler of this message raised an undeclared error (the `__cause__`).

    The message was started and may have been applied in part. The actor's supervisor decides
    whether there will be another incarnation; a retry may apply the message twice.
    """


class ActorRestarting(RuntimeFault):
    """The actor is between two incarnations; the message was never started.

    Safe to retry with `message`, best after a pause.
    """


class ActorStopped(RuntimeFault):
    """The actor has ended for good, or ended while it handled the message.

    Attributes:
        started: Whether the handler had started. If not, `message` is the message.
    """

    def __init__(
        self, text: str, *, path: str = "", message: object = None, started: bool = False
    ) -> None:
        super().__init__(text, path=path, message=message)
        self.started = started


class MailboxFull(RuntimeFault):
    """The mailbox's policy is to fail when it is full; the message was not accepted."""


class MessageDropped(RuntimeFault):
    """The mailbox's policy evicted the message, or a simulation lost it; it was not started."""


class AskTimeout(RuntimeFault):
    """The `timeout=` of an ask has passed.

    The handler, if it had started, has been cancelled and has ended: nothing of this ask is
    still running. It may have been applied in part.
    """


class AskCycle(RuntimeFault):
    """The call would wait, through others, for itself; it was not sent.

    Attributes:
        chain: The paths from the caller round to the caller.
    """

    def __init__(self, chain: tuple[str, ...], *, message: object = None) -> None:
        super().__init__(
            "this call would wait for itself: "
            + " -> ".join(chain)
            + ". Break the loop up: tell instead of asking, forward the message, handle it beside "
            "(concurrent=True), or wait in a task of its own",
            path=chain[-1] if chain else "",
            message=message,
        )
        self.chain = chain


class LinkBroken(RuntimeFault):
    """An actor that this one is linked to is gone for good; that crashes this one, too.

    What it failed with, if it did, is the `__cause__`.
    """


class SystemFailed(RuntimeFault):
    """The root supervisor gave up; every actor has been stopped. The cause is `__cause__`."""


class SupervisorGaveUp(RuntimeFault):
    """More restarts than its limit allows; all its children have been stopped.

    The last child's error is the `__cause__`. The supervisor above decides what follows.
    """


class ForeignRun(RuntimeFault):
    """A ref was used from another thread or another `trio.run`; nothing was sent.

    Refs belong to the trio run that made them: go through `trio.from_thread.run`.
    """


class BridgeClosed(RuntimeFault):
    """A bridge was used after its end, or ended meanwhile; what still ran has been cancelled.

    Open a new one: a bridge lives in the block that opened it, and in the process that did.
    """


class InjectedCrash(Exception):
    """A crash that a simulation has injected; its handler has not begun.

    It is no `RuntimeFault`, because it stands for a bug in a handler.
    """
