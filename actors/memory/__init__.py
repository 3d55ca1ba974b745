"""Memory: what agents keep, and find again by its meaning."""

from ._embedders import AnyEmbedder, LexicalEmbedder
from ._entries import (
    Found,
    Hit,
    IndexProgress,
    Item,
    MemoryEntry,
    MemoryStatistics,
)
from ._memory import (
    Clear,
    Forget,
    Get,
    ListEntries,
    Measure,
    Memory,
    Search,
    SearchBy,
    Store,
    WatchIndex,
)
from ._minilm import LocalEmbedder
from ._open import MemoryHandle, open_memory
from ._search_tool import search_tool
from ._server import ChromaAddress, ChromaApi, ChromaPid, ChromaServer
from ._vector_memory import VectorMemory

__all__ = [
    "AnyEmbedder",
    "ChromaAddress",
    "ChromaApi",
    "ChromaPid",
    "ChromaServer",
    "Clear",
    "Forget",
    "Found",
    "Get",
    "Hit",
    "IndexProgress",
    "Item",
    "LexicalEmbedder",
    "ListEntries",
    "LocalEmbedder",
    "Measure",
    "Memory",
    "MemoryEntry",
    "MemoryHandle",
    "MemoryStatistics",
    "Search",
    "SearchBy",
    "Store",
    "VectorMemory",
    "WatchIndex",
    "open_memory",
    "search_tool",
]
