"""Memory: what agents keep, and find again by its meaning."""

from ._documents import (
    Document,
    DocumentIds,
    FindDocument,
    ForgetDocument,
    KeepDocument,
    Library,
    ListDocuments,
    document_prefix,
)
from ._embedders import AnyEmbedder, LexicalEmbedder
from ._entries import (
    NOTHING,
    Found,
    Hit,
    IndexProgress,
    Item,
    MemoryEntry,
    MemoryStatistics,
    Metadata,
    checked_metadata,
)
from ._extraction import Learned, StatedFact, StatedFacts, learn_facts
from ._facts import Fact, KnownFact, Neighbour
from ._graph import AddAlias, AddFacts, EntityGraph, FindPath, ListFacts, Neighbours, RemoveFacts
from ._graph_keeper import GraphHandle
from ._memory import (
    Clear,
    Forget,
    Get,
    ListEntries,
    Measure,
    Memory,
    Search,
    Store,
    WatchIndex,
)
from ._minilm import LocalEmbedder
from ._open import MemoryHandle, open_memory
from ._search_tool import search_tool
from ._server import ChromaAddress, ChromaApi, ChromaPid, ChromaServer
from ._vector_memory import VectorMemory

__all__ = [
    "NOTHING",
    "AddAlias",
    "AddFacts",
    "AnyEmbedder",
    "ChromaAddress",
    "ChromaApi",
    "ChromaPid",
    "ChromaServer",
    "Clear",
    "Document",
    "DocumentIds",
    "EntityGraph",
    "Fact",
    "FindDocument",
    "FindPath",
    "Forget",
    "ForgetDocument",
    "Found",
    "Get",
    "GraphHandle",
    "Hit",
    "IndexProgress",
    "Item",
    "KeepDocument",
    "KnownFact",
    "Learned",
    "LexicalEmbedder",
    "Library",
    "ListDocuments",
    "ListEntries",
    "ListFacts",
    "LocalEmbedder",
    "Measure",
    "Memory",
    "MemoryEntry",
    "MemoryHandle",
    "MemoryStatistics",
    "Metadata",
    "Neighbour",
    "Neighbours",
    "RemoveFacts",
    "Search",
    "StatedFact",
    "StatedFacts",
    "Store",
    "VectorMemory",
    "WatchIndex",
    "checked_metadata",
    "document_prefix",
    "learn_facts",
    "open_memory",
    "search_tool",
]
