"""Which model an agent talks to, and how it comes to talk to another one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from actors.errors import ConfigurationError
from actors.providers import StartedProvider
from runtime import RuntimeFault

if TYPE_CHECKING:
    from collections.abc import Generator

    from actors.providers import AnyModel, Model, ProviderApi, Several
    from runtime import Ref, Supervisor


class _Seat:
    """A provider, and how many model calls use it."""

    def __init__(self, provider: StartedProvider) -> None:
        self.provider = provider
        self.users = 0


class ModelSwitch:
    """The provider that an agent uses now, and those before it that are still in use.

    It is not part of the actor, so that a crash of the agent does not go back to the first.

    Args:
        first: What it uses to begin with.
        supervisor: Below which further ones are started, as "provider-2" and so on.
    """

    def __init__(self, first: StartedProvider, supervisor: Supervisor) -> None:
        self._seat = _Seat(first)
        self.supervisor = supervisor
        self._others: dict[str, StartedProvider] = {}
        self._replaced: list[_Seat] = []
        self._one_at_a_time = trio.Lock()
        self._number = 1

    @property
    def model(self) -> Model | Several:
        """What the next model call goes to."""
        return self._seat.provider.model

    @contextmanager
    def in_use(self) -> Generator[Ref[ProviderApi]]:
        """The provider for one model call, which is not stopped before the block is left."""
        seat = self._seat
        seat.users += 1
        try:
            yield seat.provider.ref
        finally:
            seat.users -= 1

    async def use(self, model: AnyModel) -> None:
        """Start another provider, and use it from the next model call on.

        If that fails or is cancelled, nothing of the new one is left and the present one stays.

        Raises:
            ConfigurationError: The model cannot be used, or does not start.
        """
        async with self._one_at_a_time:
            self._number += 1
            provider = await self._started(model, f"provider-{self._number}")
            self._replaced.append(self._seat)
            self._seat = _Seat(provider)
        await self.stop_unused()

    async def start_other(self, name: str, model: AnyModel) -> None:
        """Start the provider of another role, unless it runs; it stays as long as the agent.

        Raises:
            ConfigurationError: The model cannot be used, or does not start.
        """
        async with self._one_at_a_time:
            if name not in self._others:
                self._others[name] = await self._started(model, f"{name}-provider")

    def other(self, name: str) -> StartedProvider:
        """The provider of another role, which has been started."""
        return self._others[name]

    async def _started(self, model: AnyModel, name: str) -> StartedProvider:
        try:
            return await StartedProvider.start(self.supervisor, model, name=name)
        except RuntimeFault:
            raise
        except Exception as error:
            raise ConfigurationError(f"the new model does not start: {error}") from error

    @property
    def has_unused(self) -> bool:
        return any(not seat.users for seat in self._replaced)

    async def stop_unused(self) -> None:
        """Stop what was replaced and is not used any longer. A cancel waits for one to end."""
        for seat in list(self._replaced):
            if not seat.users and seat in self._replaced:
                self._replaced.remove(seat)
                await seat.provider.stop()
