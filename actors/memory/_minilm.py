"""The embedder on this machine: a model in a child process, so that no stream feels it."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from actors.child import ChildProcess
from actors.errors import EmbedderEnded
from actors.local import find_embedding, locate_embedding
from actors.providers import Embed, EmbedderApi, Embeddings
from runtime import Actor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.local import EmbeddingModel, PulledEmbedding

SCRIPT: Final = Path(__file__).with_name("_minilm_serve.py")
AT_ONCE: Final = 16  # texts in one go, some 60 ms: a search waits for one of them at most
START_SECONDS: Final = 60.0  # it takes half a second, on a machine that has nothing else to do
FLOAT: Final = 4  # bytes


class LocalEmbedder(Actor, EmbedderApi):
    """Makes vectors with a model on this machine, in a process of its own.

    Args:
        model: A name of `actors.local.EMBEDDING_MODELS`, or a record. It reads the first
            `model.tokens` tokens of a text (some 200 words of English) and nothing of the rest.

    Raises:
        UnknownModel: There is no such model.
        ModelNotPulled: At the start, if its files are not here.
        EmbedderEnded: At the start, if its process does not come up; later it is the crash.
    """

    def __init__(self, model: str | EmbeddingModel = "minilm") -> None:
        self._model = find_embedding(model)
        self._process: _EmbedderProcess | None = None
        self._one_at_a_time = trio.Lock()

    async def started(self) -> None:
        process = _EmbedderProcess(locate_embedding(self._model))
        self.start_soon(process.run)
        await process.ready.wait()
        self._process = process

    @Embed.handles(concurrent=True)
    async def embed(self, message: Embed) -> Embeddings:
        assert self._process is not None  # since `started`
        vectors: list[tuple[float, ...]] = []
        for start in range(0, len(message.texts), AT_ONCE):
            async with self._one_at_a_time:
                # A request that was half sent, or half answered, would spoil all after it.
                with trio.CancelScope(shield=True):
                    vectors += await self._process.ask(message.texts[start : start + AT_ONCE])
        return Embeddings(tuple(vectors), self._model.name)


class _EmbedderProcess(ChildProcess):
    def __init__(self, pulled: PulledEmbedding) -> None:
        model = pulled.model
        settings = {
            "weights": str(pulled.weights),
            "tokenizer": str(pulled.tokenizer),
            "tokens": model.tokens,
        }
        super().__init__(
            # -P: a package in the working directory is not the one that is meant
            [sys.executable, "-P", str(SCRIPT), json.dumps(settings)],
            name=f"the embedder {model.name}",
            ended=EmbedderEnded,
            start_seconds=START_SECONDS,
        )
        self._name = f"the embedder {model.name}"
        self._dimensions = model.dimensions
        self._streams: tuple[trio.abc.SendStream, trio.abc.ReceiveStream] | None = None

    async def become_ready(self, process: trio.Process) -> bool:
        assert process.stdin is not None
        assert process.stdout is not None
        self._streams = process.stdin, process.stdout
        try:
            await self.ask(["Is there anybody?"])
        except EmbedderEnded:
            await process.wait()  # its pipe is closed a moment before it is gone
            return False
        return True

    async def ask(self, texts: Sequence[str]) -> list[tuple[float, ...]]:
        """The vectors of texts.

        Raises:
            EmbedderEnded: It has gone.
        """
        assert self._streams is not None
        send, _ = self._streams
        try:
            await send.send_all(json.dumps(list(texts)).encode() + b"\n")
            length = self._dimensions * FLOAT
            received = await self._receive(length * len(texts))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise EmbedderEnded(f"{self._name} has ended") from error
        unpack = struct.Struct(f"<{self._dimensions}f").unpack_from
        return [unpack(received, number * length) for number in range(len(texts))]

    async def _receive(self, size: int) -> bytes:
        assert self._streams is not None
        _, receive = self._streams
        pieces = bytearray()
        while len(pieces) < size:
            piece = await receive.receive_some()
            if not piece:
                raise EmbedderEnded(f"{self._name} has ended")
            pieces += piece
        return bytes(pieces)
