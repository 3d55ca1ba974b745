"""The child process that serves a model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from actors.child import ChildProcess
from actors.errors import ModelServerEnded, ProviderError, StreamInterrupted
from actors.http import Limits, open_client

if TYPE_CHECKING:
    from ._cache import PulledModel

_SCRIPT: Final = Path(__file__).with_name("_serve.py")
_HEALTH_SECONDS: Final = 0.05
_HEALTH_LIMITS: Final = Limits(connect=1.0, first_byte=1.0, idle=1.0, total=1.0)


class ModelProcess(ChildProcess):
    """A server for one model; it is alive inside `run` and never outside.

    Args:
        pulled: Where the model's files are.
        start_seconds: How long it may take until it answers.

    Attributes:
        address: `http://127.0.0.1:PORT`, once it is ready.
    """

    def __init__(
        self, pulled: PulledModel, start_seconds: float, *, embeddings: bool = False
    ) -> None:
        settings = {
            "name": pulled.model.name,
            "engine": str(pulled.engine),
            "weights": str(pulled.weights),
            "template": str(pulled.model.template),
            "context_tokens": pulled.model.context_tokens,
            "slots": pulled.model.slots,
            "embeddings": embeddings,
        }
        # -I -S: neither the environment nor site-packages can change what the child is
        super().__init__(
            [sys.executable, "-I", "-S", str(_SCRIPT), json.dumps(settings)],
            name=f"the server of local:{pulled.model.name}",
            ended=ModelServerEnded,
            start_seconds=start_seconds,
        )
        self.address = ""

    async def become_ready(self, process: trio.Process) -> bool:
        """Read its address, and ask it until it is healthy; False if it ends before that."""
        assert process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            piece = await process.stdout.receive_some()
            if not piece:
                await process.wait()  # its pipe is closed a moment before it is gone
                return False
            line += piece
        address = json.loads(line)["address"]
        while not await _is_healthy(address):
            if process.poll() is not None:
                return False
            await trio.sleep(_HEALTH_SECONDS)
        self.address = address
        return True


async def _is_healthy(address: str) -> bool:
    client = open_client(_HEALTH_LIMITS, connections=1)
    try:
        async with client.stream("GET", f"{address}/health") as answer:
            return answer.status == 200  # noqa: PLR2004 - HTTP's OK; 503 while it loads
    except (ProviderError, StreamInterrupted):
        return False  # asked again until the time is up, and that is reported
    finally:
        with trio.CancelScope(shield=True):
            await client.aclose()
