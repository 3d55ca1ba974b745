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
from ._graph_tool import graph_tool
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
    "NOTHING",
    "AddAlias",
    "AddFacts",
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
    "Document",
    "DocumentIds",
    "EntityGraph",
    "Fact",
    "Facts",
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
    "Keeping",
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
    "Merges",
    "MergingMemory",
    "Metadata",
    "Neighbour",
    "Neighbours",
    "Quality",
    "RemoveFacts",
    "Said",
    "Search",
    "SearchBy",
    "Semantic",
    "SourcesOf",
    "StatedFact",
    "StatedFacts",
    "Store",
    "Summarised",
    "Undone",
    "Unmerge",
    "VectorMemory",
    "WatchIndex",
    "checked_metadata",
    "document_prefix",
    "graph_tool",
    "learn_facts",
    "memory_tools",
    "open_memory",
    "search_tool",
]
