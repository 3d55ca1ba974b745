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
    "AnyEmbedder",
    "ChromaAddress",
    "ChromaApi",
    "ChromaPid",
    "ChromaServer",
    "Clear",
    "Document",
    "DocumentIds",
    "FindDocument",
    "Forget",
    "ForgetDocument",
    "Found",
    "Get",
    "Hit",
    "IndexProgress",
    "Item",
    "KeepDocument",
    "LexicalEmbedder",
    "Library",
    "ListDocuments",
    "ListEntries",
    "LocalEmbedder",
    "Measure",
    "Memory",
    "MemoryEntry",
    "MemoryHandle",
    "MemoryStatistics",
    "Metadata",
    "Search",
    "Store",
    "VectorMemory",
    "WatchIndex",
    "checked_metadata",
    "document_prefix",
    "open_memory",
    "search_tool",
]
