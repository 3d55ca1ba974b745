"""Memory: what agents keep, and find again by its meaning."""

from ._consolidation import Check, Consolidation, Quality, Summarised
from ._consolidator import (
    Consolidate,
    Consolidated,
    Consolidates,
    ConsolidationProgress,
    ConsolidationStep,
    Consolidator,
)
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
from ._merges import Merges, SourcesOf, Undone, Unmerge
from ._merging_memory import MergingMemory
from ._minilm import LocalEmbedder
from ._open import MemoryHandle, open_memory
from ._search_tool import search_tool
from ._semantic import Semantic
from ._server import ChromaAddress, ChromaApi, ChromaPid, ChromaServer
from ._tools import memory_tools
from ._vector_memory import VectorMemory

__all__ = [
    "AnyEmbedder",
    "Check",
    "ChromaAddress",
    "ChromaApi",
    "ChromaPid",
    "ChromaServer",
    "Clear",
    "Consolidate",
    "Consolidated",
    "Consolidates",
    "Consolidation",
    "ConsolidationProgress",
    "ConsolidationStep",
    "Consolidator",
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
    "Merges",
    "MergingMemory",
    "Quality",
    "Said",
    "Search",
    "SearchBy",
    "Semantic",
    "SourcesOf",
    "Store",
    "Summarised",
    "Undone",
    "Unmerge",
    "VectorMemory",
    "WatchIndex",
    "memory_tools",
    "open_memory",
    "search_tool",
]
