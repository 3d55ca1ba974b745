"""The index of a memory: one collection of a Chroma server, by cosine.

It holds ids, vectors and metadata; the texts are in the log. Nothing here computes a vector: Chroma
would fetch a model for that. Its library is imported by `open_index`, in a thread.
"""

from __future__ import annotations

import contextlib
import importlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import trio

from actors.errors import ConfigurationError, IndexDamaged, MemoryUnreachable

from ._filters import filter_for_index, metadata_for_index

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping, Sequence

    from ._filters import Filter
    from ._tables import Change

PREFIX: Final = "troupe-"
SECONDS: Final = 60.0  # for one answer of the server
SERVER_FAILED: Final = 500  # HTTP status, from here on
NOT_FOUND: Final = 404
SAME: Final = 0.999  # cosine; what Chroma gives back is what it was given, up to rounding
CHECKED_AT_ONCE: Final = 50
LONGEST: Final = 300  # characters of a refusal; Chroma repeats a filter as often as it is deep


class _Library:
    """The parts of Chroma's library that are used; untyped, for they are loaded late."""

    def __init__(self) -> None:
        self.client: Any = importlib.import_module("chromadb.api.async_client")
        self.api: Any = importlib.import_module("chromadb.api")
        self.config: Any = importlib.import_module("chromadb.config")
        self.errors: Any = importlib.import_module("chromadb.errors")
        self.httpx: Any = importlib.import_module("httpx")  # Chroma's own HTTP client
        self.numpy: Any = importlib.import_module("numpy")

    def http_client(self) -> Any:
        """A client whose requests can be cancelled at any moment.

        httpx sends a body by an async generator, which a cancelled request leaves behind for the
        garbage collector.
        """
        body: Any = type("Body", (self.httpx.AsyncByteStream,), {"__aiter__": _iterated})

        async def without_generator(request: Any) -> None:
            content, request.stream = request.content, body()
            request.stream.content = content

        return self.httpx.AsyncClient(
            timeout=SECONDS,
            headers={"Content-Type": "application/json"},
            event_hooks={"request": [without_generator]},
        )

    def client_for(self, url: str, http: Any) -> Any:
        """What `chromadb.AsyncHttpClient` makes, with an HTTP client of its own.

        Chroma shares one among all clients of the process, keeps it when the loop ends that it
        belongs to, and makes an asyncio loop to find out which one that is.
        """
        parts = urlsplit(url)
        is_secure = parts.scheme == "https"
        settings = self.config.Settings(
            chroma_api_impl="chromadb.api.async_fastapi.AsyncFastAPI",
            chroma_server_host=parts.hostname,
            chroma_server_http_port=parts.port or (443 if is_secure else 80),
            chroma_server_ssl_enabled=is_secure,
            anonymized_telemetry=False,
        )
        client = self.client.AsyncClient(settings)
        server = client._system.instance(self.api.AsyncServerAPI)  # noqa: SLF001 - said above
        server._get_client = lambda: http  # noqa: SLF001
        client._server = server  # noqa: SLF001
        # Else every client that was ever made is kept for good.
        client._identifier_to_system.pop(client._identifier)  # noqa: SLF001
        return client


class _Once:
    """Iterates over a body that is there as a whole."""

    def __init__(self, body: Any) -> None:
        self._content: bytes = body.content

    def __aiter__(self) -> _Once:
        return self

    async def __anext__(self) -> bytes:
        content, self._content = self._content, b""
        if not content:
            raise StopAsyncIteration
        return content


def _iterated(body: Any) -> _Once:
    return _Once(body)


def checked_url(url: str) -> str:
    """Give back the URL of a Chroma server.

    Raises:
        ConfigurationError: If it is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise ConfigurationError(
            f"the URL of a Chroma server is like http://127.0.0.1:8000, not {url!r}"
        )
    return url


class ChromaIndex:
    """A collection that is open. Its methods may be called from several tasks.

    All raise:
        MemoryUnreachable: If the server does not answer.
        IndexDamaged: If it answers that it cannot.
        ConfigurationError: If it answers that it will not.
    """

    def __init__(self, library: _Library, collection: Any) -> None:
        self._library = library
        self._collection = collection

    @contextlib.contextmanager
    def _asking(self) -> Generator[None]:
        with _translated(self._library):
            yield

    async def count(self) -> int:
        """How many entries it has."""
        with self._asking():
            return int(await self._collection.count())

    async def apply(self, changes: Sequence[Change], vectors: Mapping[bytes, bytes]) -> None:
        """Take in changes of the log; once more does no harm.

        Args:
            changes: In order.
            vectors: One for each text, by its hash.
        """
        # A replaced entry is deleted first: Chroma would keep names of its old metadata.
        gone = [change.id for change in changes if change.replaces]
        last = {change.id: change for change in changes}
        kept = [change for change in last.values() if change.text is not None]
        with self._asking():
            if gone:
                await self._collection.delete(ids=list(dict.fromkeys(gone)))
            if kept:
                await self._collection.upsert(
                    ids=[change.id for change in kept],
                    embeddings=[self._floats(vectors[change.hash]) for change in kept],
                    metadatas=[metadata_for_index(change.metadata) or None for change in kept],
                )

    def _floats(self, vector: bytes) -> Any:
        return self._library.numpy.frombuffer(vector, dtype="<f4")

    async def nearest(
        self, vector: bytes, limit: int, where: Filter | None
    ) -> list[tuple[str, float]]:
        """Ids and their cosine similarities, the most similar first."""
        (found,) = await self.nearest_of([vector], limit, where)
        return found

    async def nearest_of(
        self, vectors: Sequence[bytes], limit: int, where: Filter | None = None
    ) -> list[list[tuple[str, float]]]:
        """The same of each of several vectors; all are asked for in one request.

        A filter may be too much for the server, which says so as if it was damaged: that is the
        fault of an index only if it does not answer without the filter either.
        """
        try:
            return await self._query(vectors, limit, where)
        except IndexDamaged as fault:
            if where is None:
                raise
            await self._query(vectors[:1], 1, None)
            raise ConfigurationError(
                f"the index cannot search with this filter ({fault}): write a smaller one"
            ) from fault

    async def _query(
        self, vectors: Sequence[bytes], limit: int, where: Filter | None
    ) -> list[list[tuple[str, float]]]:
        with self._asking():
            found = await self._collection.query(
                query_embeddings=[self._floats(vector) for vector in vectors],
                n_results=limit,
                where=filter_for_index(where),
                include=["distances"],
            )
        return [
            [(id, 1.0 - float(distance)) for id, distance in zip(ids, distances, strict=True)]
            for ids, distances in zip(found["ids"], found["distances"], strict=True)
        ]

    async def check(self, least: int, expected: Mapping[str, bytes]) -> None:
        """See whether it has what it was given.

        Args:
            least: How many entries it must have.
            expected: Some vectors that it must have, by id.

        Raises:
            IndexDamaged: If it has not, or cannot be read.
        """
        count = await self.count()
        if count < least:
            raise IndexDamaged(f"the index has {count} entries of {least}")
        if not expected:
            return
        ids = list(expected)
        for start in range(0, len(ids), CHECKED_AT_ONCE):
            await self._check_vectors({id: expected[id] for id in ids[start:][:CHECKED_AT_ONCE]})
        await self.nearest(expected[ids[0]], 1, None)

    async def _check_vectors(self, expected: Mapping[str, bytes]) -> None:
        with self._asking():
            found = await self._collection.get(ids=list(expected), include=["embeddings"])
        here = dict(zip(found["ids"], found["embeddings"], strict=True))
        wrong = [id for id, vector in expected.items() if not self._is_same(here.get(id), vector)]
        if wrong:
            raise IndexDamaged(f"the vector of {wrong[0]!r} in the index is not what it was given")

    def _is_same(self, found: Any, expected: bytes) -> bool:
        numpy = self._library.numpy
        if found is None:
            return False
        here, given = numpy.asarray(found, dtype="f4"), self._floats(expected)
        length = numpy.linalg.norm(here) * numpy.linalg.norm(given)
        return bool(here.shape == given.shape and length > 0 and here @ given / length > SAME)


@asynccontextmanager
async def open_index(url: str, memory: str, generation: int) -> AsyncGenerator[ChromaIndex]:
    """Open the index of a memory, which is made if it is not there; others of it are removed.

    Args:
        url: Of the server.
        memory: The id of the memory.
        generation: Of its index.

    Raises:
        MemoryUnreachable, IndexDamaged: As `ChromaIndex` says.
    """
    library = await trio.to_thread.run_sync(_Library)
    http = library.http_client()
    try:
        client = library.client_for(url, http)
        name = f"{PREFIX}{memory}-{generation}"
        with _translated(library):
            collection = await client.get_or_create_collection(
                name, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
            )
            for each in await client.list_collections():
                if each.name != name and each.name.startswith(f"{PREFIX}{memory}-"):
                    await _remove(client, each.name, library)
        yield ChromaIndex(library, collection)
    finally:
        with trio.CancelScope(shield=True):
            await http.aclose()


async def _remove(client: Any, name: str, library: _Library) -> None:
    # A wedged one may refuse; it is in nobody's way, and is tried again at the next opening.
    with contextlib.suppress(library.errors.ChromaError):
        await client.delete_collection(name)


@contextlib.contextmanager
def _translated(library: _Library) -> Generator[None]:
    try:
        yield
    except library.httpx.HTTPError as error:
        raise MemoryUnreachable(f"the Chroma server does not answer: {error!r}") from error
    except library.errors.ChromaError as error:
        if error.code() >= SERVER_FAILED or error.code() == NOT_FOUND:
            raise IndexDamaged(f"the Chroma server fails: {error}") from error
        raise _refused(error) from error
    except (TypeError, ValueError) as error:  # its library has looked before the server did
        raise _refused(error) from error
    except Exception as error:
        if type(error) is Exception:  # what Chroma raises for an answer without an error's name
            raise IndexDamaged(f"the Chroma server fails: {error}") from error
        raise


def _refused(error: Exception) -> ConfigurationError:
    return ConfigurationError(f"Chroma refuses this: {str(error)[:LONGEST]}")
