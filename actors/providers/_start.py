"""Starts what a model needs below a supervisor: its provider, its server, or several of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import trio

from actors.local import Address, ModelServer
from runtime import Backoff, Ref, RestartLimit, Supervisor

from ._fallback import FallbackProvider
from ._model import Model, resolve
from ._opening import Candidate
from ._provider import Provider
from ._race import RaceProvider
from ._script import BY_NAME, Playback
from ._scripted import Scripted
from ._several import (
    AnyModel,
    Fallback,
    Hedge,
    Race,
    RoundRobin,
    Several,
    capabilities_of,
    looked_up,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._api import ProviderApi

BACKOFF: Final = Backoff(first=0.05, longest=5.0)
NEVER_GIVES_UP: Final = RestartLimit(sys.maxsize)  # one bad model must not take the others down

Part = Ref[Any] | Supervisor


async def start_provider(
    supervisor: Supervisor, model: AnyModel, *, name: str = "provider"
) -> Ref[ProviderApi]:
    """Start the provider of `model`, and what it needs, below `supervisor`.

    A local model's server is started before it, as `name` with "-server" added. Several models
    are started before the provider that chooses among them, below a supervisor with "-models"
    added, which restarts each alone.

    Raises:
        UnknownModel, MissingKey, ConfigurationError: as `resolve` says; nothing was started.
        ModelNotPulled: A local model's files are not on this machine.
    """
    return (await StartedProvider.start(supervisor, model, name=name)).ref


class StartedProvider:
    """A provider that runs, and all that was started for it.

    Attributes:
        ref: Who answers.
        model: What was started.
    """

    def __init__(
        self, ref: Ref[ProviderApi], model: Model | Several, parts: Sequence[Part] = ()
    ) -> None:
        self.ref = ref
        self.model = model
        self._parts = parts

    @classmethod
    async def start(
        cls, supervisor: Supervisor, model: AnyModel, *, name: str = "provider"
    ) -> StartedProvider:
        """As `start_provider`. Cancelled, or if a part does not start: none is left."""
        record = looked_up(model)
        parts: list[Part] = []
        try:
            ref = await _start(supervisor, record, name, parts)
        except BaseException:
            await _stop(parts)
            raise
        return cls(ref, record, parts)

    async def stop(self) -> None:
        """Stop all of it, in reverse order of the start. A cancel waits for that."""
        await _stop(self._parts)


async def _stop(parts: Sequence[Part]) -> None:
    with trio.CancelScope(shield=True):  # bounded by the grace and the cleanup of each
        for part in reversed(parts):
            await part.stop()


async def _start(
    supervisor: Supervisor, model: Model | Several, name: str, parts: list[Part]
) -> Ref[ProviderApi]:
    """Start it; what was started is in `parts`, also when this fails."""
    if isinstance(model, Several):
        return await _start_several(supervisor, model, name, parts)
    route = resolve(model)
    ref: Ref[ProviderApi]
    if route.codec is None:
        scripts = model.script or (BY_NAME[model.model],)
        given = Playback(*scripts), model.limits, model.name, capabilities_of(model)
        ref = await supervisor.spawn(Scripted, *given, name=name)
    elif route.base_url is not None:
        ref = await supervisor.spawn(Provider, route, name=name)
    else:
        server = await supervisor.spawn(ModelServer, model.model, name=f"{name}-server")
        parts.append(server)

        async def address() -> str:
            return await server.ask(Address())

        ref = await supervisor.spawn(Provider, route, address, name=name)
    parts.append(ref)
    return ref


async def _start_several(
    supervisor: Supervisor, several: Several, name: str, parts: list[Part]
) -> Ref[ProviderApi]:
    group = await supervisor.supervise(f"{name}-models", limit=NEVER_GIVES_UP, backoff=BACKOFF)
    parts.append(group)
    candidates: list[Candidate] = []
    for number, model in enumerate(several.models, 1):
        kind = model.name if isinstance(model, Model) else type(model).__name__.lower()
        below = f"{number}-{kind.replace('/', '-')}"
        candidates.append(Candidate(model.name, await _start(group, model, below, [])))
    ref = await _spawn_choice(supervisor, several, tuple(candidates), name)
    parts.append(ref)
    return ref


async def _spawn_choice(
    supervisor: Supervisor, several: Several, candidates: tuple[Candidate, ...], name: str
) -> Ref[ProviderApi]:
    match several:
        case Fallback():
            return await supervisor.spawn(FallbackProvider, candidates, name=name)
        case RoundRobin():
            return await supervisor.spawn(FallbackProvider, candidates, True, name=name)  # noqa: FBT003 - `spawn` takes no keywords
        case Race():
            return await supervisor.spawn(RaceProvider, candidates, name=name)
        case Hedge(after=after):
            return await supervisor.spawn(RaceProvider, candidates, after, name=name)
        case _:
            raise TypeError(f"{several!r} is no way to choose: write Fallback, Race or Hedge")
