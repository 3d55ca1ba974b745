"""The child process that serves a model; a script that stands alone, so that it starts fast.

It is run by its path and imports nothing of this project. It reads how to serve from its one
argument (JSON), prints the server's address as one line of JSON, and lives until its stdin reaches
end of file, which also happens when the parent is killed. Everything else that it and the engine
write goes to stderr.
"""

import fcntl
import importlib
import json
import os
import select
import signal
import sys
from typing import Any

_ORPHAN_CHECK_SECONDS = 1.0
# A prompt is worked off in pieces of this many tokens. A request that is given up ends after one
# piece, and the other slot gets its turn; at 64 it costs no speed that can be measured.
_BATCH_TOKENS = 64
_TEXT_TOKENS = 2048  # of a text to be embedded, which the engine reads in one piece
_PROMPT_CACHE_MIB = 128
_ERRORS = 1  # warnings would be the last words in every crash report


def main() -> None:
    """Serve until the parent lets go of our stdin, or is gone."""
    parent = os.getppid()
    _die_with_stdin()
    settings = json.loads(sys.argv[1])
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    server = _start(settings)
    with os.fdopen(answer, "w") as line:
        line.write(json.dumps({"address": server.listening_address}) + "\n")
    _wait_for_the_end(parent)
    # not by `sys.exit`: that would wait for answers that nobody reads any more
    os._exit(0)


def _die_with_stdin() -> None:
    """Let the kernel end this process when the parent lets go of stdin, where it can.

    The engine holds the interpreter's lock while it loads, for a second or more, in which no
    thread of ours could look. On Linux end of file raises SIGIO, whose default is to end the
    process. Where it does not, the loop below finds out once the model is loaded.
    """
    ending = {signal.SIGTERM, signal.SIGIO}
    for number in ending:
        signal.signal(number, signal.SIG_DFL)
    # Ctrl-C is for the parent to act upon
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # a thread of the parent may have blocked them, and a child inherits that
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)
    stdin = sys.stdin.fileno()
    fcntl.fcntl(stdin, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(stdin, fcntl.F_SETFL, fcntl.fcntl(stdin, fcntl.F_GETFL) | os.O_ASYNC)
    if _stdin_ended(0):  # before the kernel was asked to tell
        os._exit(0)


def _stdin_ended(seconds: float) -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable)  # nothing is ever written to it


def _wait_for_the_end(parent: int) -> None:
    # A process that the parent forked without exec holds our stdin open after the parent is gone;
    # then we have a new parent.
    while not _stdin_ended(_ORPHAN_CHECK_SECONDS) and os.getppid() == parent:
        pass


def _start(settings: dict[str, Any]) -> Any:
    sys.path.insert(0, settings["engine"])
    xllamacpp = importlib.import_module("xllamacpp")  # from the cache, not the environment
    params = xllamacpp.CommonParams()
    params.model.path = settings["weights"]
    params.model_alias = {settings["name"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.use_jinja = True
    with open(settings["template"], encoding="utf-8") as template:  # noqa: PTH123 - starts fast
        params.chat_template = template.read()
    # Without `kv_unified` each slot would get an equal part of the context and no more.
    params.n_ctx = settings["context_tokens"]
    params.kv_unified = True
    params.n_parallel = settings["slots"]
    params.n_batch = params.n_ubatch = _BATCH_TOKENS
    if settings["embeddings"]:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        params.n_batch = params.n_ubatch = _TEXT_TOKENS
    # One thread: two of them beside a busy process are ten times slower than one.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.endpoint_slots = True
    params.sse_ping_interval = 30
    params.offline = True
    params.warmup = False
    params.fit_params = False
    params.ui = False
    params.verbosity = _ERRORS
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
