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
from ._keeping import Facts, Keeping, Said
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
from ._semantic import Semantic
from ._server import ChromaAddress, ChromaApi, ChromaPid, ChromaServer
from ._tools import memory_tools
from ._vector_memory import VectorMemory

__all__ = [
    "AnyEmbedder",
    "ChromaAddress",
    "ChromaApi",
    "ChromaPid",
    "ChromaServer",
    "Clear",
    "Facts",
    "Forget",
    "Found",
    "Get",
    "Hit",
    "IndexProgress",
    "Item",
    "Keeping",
    "LexicalEmbedder",
    "ListEntries",
    "LocalEmbedder",
    "Measure",
    "Memory",
    "MemoryEntry",
    "MemoryHandle",
    "MemoryStatistics",
    "Said",
    "Search",
    "SearchBy",
    "Semantic",
    "Store",
    "VectorMemory",
    "WatchIndex",
    "memory_tools",
    "open_memory",
    "search_tool",
]
