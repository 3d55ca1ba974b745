"""Documents: text, Markdown and PDF, cut by their structure and brought into a memory."""

from ._blocks import Block, Kind, blocks_of
from ._chunks import Chunk, Chunking, chunks_of
from ._ingest import ingest
from ._ingester import Ingester
from ._messages import (
    Ingest,
    IngestOptions,
    IngestState,
    IngestStep,
    IngestTotals,
    Librarian,
)

__all__ = [
    "Block",
    "Chunk",
    "Chunking",
    "Ingest",
    "IngestOptions",
    "IngestState",
    "IngestStep",
    "IngestTotals",
    "Ingester",
    "Kind",
    "Librarian",
    "blocks_of",
    "chunks_of",
    "ingest",
]
