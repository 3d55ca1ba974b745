"""The actor that keeps a local model's server alive.

When the server's process ends, so does this incarnation, and the supervisor starts the next one
at a new address. Put those who use the address below the same supervisor, after this actor and
with `RestartStrategy.REST_FOR_ONE`: they are then restarted with it and ask again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from runtime import Actor, Ask

from ._cache import locate
from ._models import find
from ._process import ModelProcess

if TYPE_CHECKING:
    from ._models import LocalModel


class LocalServer:
    """Whoever serves a model on this machine."""


@attrs.frozen
class Address(Ask[LocalServer, str]):
    """Asks for the base URL, `http://127.0.0.1:PORT/v1`; valid until the server is restarted."""


@attrs.frozen
class Pid(Ask[LocalServer, int]):
    """Asks for the id of the server's process, for those who want to watch it, or to end it."""


class ModelServer(Actor, LocalServer):
    """Serves a local model over HTTP to this machine, for as long as it lives.

    Starting it takes about a second. It ends with the process that started it, however that
    ends. Anybody on this machine can use the server: it asks for no key. A request stops when
    its reader leaves if it is streamed and carries `REQUEST_FIELDS`; others run to their end.

    Args:
        model: A name of `LOCAL_MODELS`, or a record.
        start_seconds: How long the server may take until it answers.
        embeddings: Serve vectors of texts, each of at most 2048 tokens, and no answers.

    Raises:
        UnknownModel: There is no such local model.
        ModelNotPulled: At the start, if its files are not here.
        ModelServerEnded: At the start, if the server does not come up; later it is the crash.
    """

    def __init__(
        self,
        model: str | LocalModel = "smollm2",
        start_seconds: float = 30.0,
        *,
        embeddings: bool = False,
    ) -> None:
        if not start_seconds > 0:
            raise ValueError(f"start_seconds must be above 0, not {start_seconds}")
        self._model = find(model)
        self._start_seconds = start_seconds
        self._embeddings = embeddings
        self._process: ModelProcess | None = None

    async def started(self) -> None:
        process = ModelProcess(
            locate(self._model), self._start_seconds, embeddings=self._embeddings
        )
        # the task owns the child: when it ends, for whatever reason, the child has ended
        self.start_soon(process.run)
        await process.ready.wait()
        self._process = process

    @Address.handles
    async def address(self, _: Address) -> str:
        return f"{self._running.address}/v1"

    @Pid.handles
    async def pid(self, _: Pid) -> int:
        return self._running.pid

    @property
    def _running(self) -> ModelProcess:
        assert self._process is not None, "messages come after `started`"
        return self._process
