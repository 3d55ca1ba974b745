"""Which modules there are, in which order, and which of them are pure.

Whoever adds a module adds one line to `READING_ORDER`: below everything that it imports, beside
its neighbours. The test that misses a module says where it can stand.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]

# Read from the top; import only upwards. The floors are the ones of docs/design.md.
READING_ORDER = [
    "runtime._errors",
    "runtime._message",
    "runtime._lifecycle",
    "runtime._events",
    "runtime._restart",
    "runtime._routing",
    "runtime._options",
    "runtime._waits",
    "runtime._occupants",
    "runtime._cancelled",
    "runtime._carried",
    "runtime._interrupts",
    "runtime._cycles",
    "runtime._conditions",
    "runtime._envelope",
    "runtime._tells",
    "runtime._endings",
    "runtime._hub",
    "runtime._mailbox",
    "runtime._cell",
    "runtime._statistics",
    "runtime._conduit",
    "runtime._stream",
    "runtime._ref",
    "runtime._surroundings",
    "runtime._timers",
    "runtime._lookout",
    "runtime._actor",
    "runtime._beside",
    "runtime._runner",
    "runtime._member",
    "runtime._agenda",
    "runtime._supervision",
    "runtime._supervisor",
    "runtime._subscription",
    "runtime._topics",
    "runtime._pool",
    "runtime._outcome",
    "runtime._tree",
    "runtime._signals",
    "runtime._system",
    "runtime",
    "runtime.telemetry._conventions",
    "runtime.telemetry._following",
    "runtime.telemetry._logging",
    "runtime.telemetry._metrics",
    "runtime.telemetry._propagation",
    "runtime.telemetry",
    "runtime.testing._schedule",
    "runtime.testing._simulate",
    "runtime.testing._cancels",
    "runtime.testing._leaks",
    "runtime.testing._changes",
    "runtime.testing._facts",
    "runtime.testing._probe",
    "runtime.testing._test_system",
    "runtime.testing",
    "actors.chat._turns",
    "actors.chat._response",
    "actors.chat._events",
    "actors.chat",
    "actors.errors",
    "actors.http._limits",
    "actors.http._wire",
    "actors.http._client",
    "actors.http",
    "actors.local._models",
    "actors.local._cache",
    "actors.local._fetch",
    "actors.local._process",
    "actors.local._pull",
    "actors.local._serve",
    "actors.local._server",
    "actors.local",
    "actors.providers._api",
    "actors.providers._codec",
    "actors.providers._faults",
    "actors.providers._openai_wire",
    "actors.providers._openai_answer",
    "actors.providers._openai_request",
    "actors.providers._sse",
    "actors.providers._openai_chat",
    "actors.providers._script",
    "actors.providers._model",
    "actors.providers._provider",
    "actors.providers._scripted",
    "actors.providers._handle",
    "actors.providers",
    "actors.tools._docstring",
    "actors.tools._hints",
    "actors.tools._schema",
    "actors.tools._tool",
    "actors.tools._calculator",
    "actors.tools._results",
    "actors.tools._execution",
    "actors.tools",
    "actors.journal._entries",
    "actors.journal._journal",
    "actors.journal._projection",
    "actors.journal",
    "actors.agents._options",
    "actors.agents._conversation",
    "actors.agents._turn",
    "actors.agents._agent",
    "actors.agents._open",
    "actors.agents",
    "actors",
    "actors.testing._fake_answers",
    "actors.testing._fake_openai",
    "actors.testing",
    "runtime.bench._clients",
    "runtime.bench._figures",
    "runtime.bench._host",
    "runtime.bench._rounds",
    "runtime.bench._answers",
    "runtime.bench._machine",
    "runtime.bench._report",
    "runtime.bench._imports",
    "runtime.bench._lives",
    "runtime.bench._messages",
    "runtime.bench._chains",
    "runtime.bench._crowds",
    "runtime.bench._trees",
    "runtime.bench._table",
    "runtime.bench._command",
    "runtime.bench._idle",
    "runtime.bench._server",
    "runtime.bench",
    "runtime.cli._complaints",
    "runtime.cli._interrupts",
    "runtime.cli._lines",
    "runtime.cli._render",
    "runtime.cli._screen",
    "runtime.cli._conversation",
    "runtime.cli._chat",
    "runtime.cli._demo",
    "runtime.cli._program",
    "runtime.cli._pull",
    "runtime.cli",
]

# Decide but do not act: no trio, no clock, no I/O. A package's name stands for all inside it.
PURE = {
    "runtime._errors",
    "runtime._message",
    "runtime._lifecycle",
    "runtime._events",
    "runtime._restart",
    "runtime._routing",
    "runtime._waits",
    "runtime._occupants",
    "actors.chat",
    "actors.errors",
}
IMPURE = {
    "asyncio",
    "httpx2",
    "os",
    "random",
    "secrets",
    "select",
    "signal",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "time",
    "trio",
}
# What a pure module may import although it is not pure, and why.
PURE_ENOUGH = {
    "actors.errors": {"runtime"},  # for `RuntimeFault`, the root of all errors
}

# Packages that must not know each other, so that each can be read and replaced alone.
INDEPENDENT = [
    ("actors.providers", "actors.tools", "actors.journal"),
]

# The only way in which `actors` may see the runtime.
PUBLIC_RUNTIME = {"runtime", "runtime.testing"}

# Libraries that stand behind a door: library -> the packages that may import it.
DOORS = {
    "httpx2": ("actors.http", "runtime.bench"),  # the benchmark measures the bare library, too
    "click": ("runtime.bench", "runtime.cli"),
    "rich": ("runtime.bench", "runtime.cli"),
    "asyncio": ("runtime.bridge",),
    "opentelemetry": ("runtime.telemetry",),
    "structlog": ("runtime.telemetry",),
}

ERRORS = {"runtime._errors", "actors.errors"}
VAGUE = {"base", "common", "core", "helpers", "manager", "misc", "types", "utils"}
MAX_LINES = 400
LONGER_FOR_A_REASON: dict[str, str] = {}  # module -> the reason; better than dust
