"""Which benchmarks there are, in the order in which they run."""

from __future__ import annotations

from typing import Final

from ._agents import agents, tool_round
from ._answers import chunk, flood, interrupt
from ._appends import appends
from ._bridges import bridge
from ._chains import chain
from ._crowds import fairness
from ._delegation import delegate, households
from ._digesting import digesting
from ._figures import Benchmark
from ._imports import imports
from ._lives import idle, memory, restart, spawn
from ._messages import ask, stream, tell
from ._remembering import remembering
from ._stalls import stall
from ._trees import teardown
from ._wires import codecs, streams

BENCHMARKS: Final = (
    Benchmark(
        "ask",
        "an ask and its reply, in one process",
        "a ping-pong over two memory channels without a buffer",
        ask,
    ),
    Benchmark(
        "tell",
        "messages from one teller through one bounded mailbox",
        "one memory channel of the same capacity, one producer, one consumer",
        tell,
    ),
    Benchmark(
        "stream",
        "from the handler's `send` to the reader's hand, item by item",
        "one memory channel with the same buffer",
        stream,
    ),
    Benchmark(
        "bridge",
        "an item that is asked for across the bridge, by asyncio and by a thread that blocks",
        "a bare thread that is asked through a queue, and answers into one",
        bridge,
    ),
    Benchmark(
        "chain",
        "an ask down a chain of 1 to 10 actors and its reply, and the cancel of such an ask",
        "relays between channels without a buffer, and a nest of nurseries",
        chain,
    ),
    Benchmark(
        "fairness",
        "an ask beside 1 000 busy actors, and how evenly those get on",
        "a ping-pong beside 1 000 tasks, each busy with a channel of its own",
        fairness,
    ),
    Benchmark(
        "spawn",
        "until a spawned actor has started",
        "a bare task, started in a nursery and ended",
        spawn,
    ),
    Benchmark(
        "restart",
        "from the error in a handler until the next incarnation has started",
        "a spawn",
        restart,
    ),
    Benchmark(
        "memory",
        "resident memory that one idle actor of many adds to a process",
        "a bare sleeping task",
        memory,
    ),
    Benchmark(
        "idle",
        "memory, start and stop of each of 100 000 idle actors",
        "a bare sleeping task",
        idle,
    ),
    Benchmark(
        "teardown",
        "the end of a tree of 10 000 actors, for each of them: with grace, and cancelled",
        "a nest of nurseries of the same shape, cancelled",
        teardown,
    ),
    Benchmark(
        "import",
        "importing `runtime` and `actors`, dependencies included",
        "importing trio",
        imports,
    ),
    Benchmark(
        "chunk",
        "one way from a server's socket to the consumer, through provider and agent, paced",
        "plain httpx2 and json",
        chunk,
    ),
    Benchmark(
        "flood",
        "processor time of the client for a chunk, through provider and agent, at full speed",
        "plain httpx2 and json",
        flood,
    ),
    Benchmark(
        "codecs",
        "chunk and flood on each of the five wire formats, through provider and agent",
        "plain httpx2 and json on the same bytes",
        codecs,
    ),
    Benchmark(
        "streams",
        "10, 100 and 1000 paced streams at once on each wire: latency and processor time",
        "plain httpx2 and json on the same bytes",
        streams,
        by_name_only=True,
    ),
    Benchmark(
        "interrupt",
        "leaving an agent's stream: until control returns, until the server sees the close",
        "leaving `async with` of plain httpx2",
        interrupt,
    ),
    Benchmark(
        "delegate",
        "the cancel of agents below agents: 5 deep, 4 wide, until all is quiet and closed",
        "the same streams of plain httpx2 in a nest of nurseries, cancelled",
        delegate,
    ),
    Benchmark(
        "household",
        "the same with 1 365 agents, 1 024 of which stream",
        "the same streams of plain httpx2 in a nest of nurseries, cancelled",
        households,
        by_name_only=True,
    ),
    Benchmark(
        "toolround",
        "from a tool's result to the arrival of the next request at the provider",
        "opening a stream of the same provider without an agent",
        tool_round,
    ),
    Benchmark(
        "agents",
        "1 000 agents in one process: memory of an idle one, evenness and pace of busy ones",
        "an idle actor, and as many streams of the same provider without agents",
        agents,
    ),
    Benchmark(
        "stall",
        "an answer that goes silent, through provider and agent: its error, beyond the limit",
        "the read timeout of plain httpx2",
        stall,
    ),
    Benchmark(
        "append",
        "an entry into the journal until it is acknowledged, and how late the loop is meanwhile",
        "one insert and commit of bare sqlite3 in a thread, as durable",
        appends,
    ),
    Benchmark(
        "remember",
        "what a paced stream feels while 5 000 documents are stored in a memory",
        "Chroma's embedded client in a thread, given the same",
        remembering,
        by_name_only=True,
    ),
    Benchmark(
        "digest",
        "what a paced stream feels while files are ingested, and while a memory is consolidated",
        "Chroma's embedded client in a thread, and all vectors compared at once in one",
        digesting,
        by_name_only=True,
    ),
)
