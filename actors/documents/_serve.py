"""The child process that reads and cuts files, so that no stream feels it.

Each line on stdin is a request, JSON; each line on stdout an answer: pages and chunks, then what
became of the file. It ends with its stdin, at once, also while a file holds it. All else that it
writes goes to stderr.
"""

from __future__ import annotations

import bisect
import contextlib
import json
import os
import queue
import resource
import signal
import sys
import threading
from typing import Any, Final

from actors.documents._chunks import Chunking, chunks_of
from actors.documents._reading import bytes_of, fingerprint_of, read
from actors.errors import DocumentRefused

NICE: Final = 5  # a stream goes before it
MOST_MEMORY: Final = 2 << 30  # bytes of addresses: a file that wants more is refused


def main() -> None:
    """Answer until the parent lets go of our stdin."""
    # Ctrl-C is for the parent to act upon
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.nice(NICE)
    with contextlib.suppress(ValueError, OSError):  # a lower limit stands already
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()

    def answer(**what: object) -> None:
        answers.write(json.dumps(what).encode() + b"\n")
        answers.flush()

    answer(state="ready")
    while True:
        _carry_out(json.loads(requests.get()), answer)


def _listen(requests: queue.SimpleQueue[bytes]) -> None:
    """Beside the work, so that the end of stdin is heard while a file holds it."""
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)


def _carry_out(request: dict[str, Any], answer: Any) -> None:
    try:
        data = bytes_of(request["path"], request["largest"])
        fingerprint = fingerprint_of(data)
        if fingerprint == request["known"]:
            answer(state="unchanged")
            return
        found = read(
            request["path"],
            data,
            request["encoding"],
            lambda page, pages: answer(state="page", page=page, pages=pages),
        )
        del data
        chunking = Chunking(request["size"], request["overlap"])
        for chunk in chunks_of(found.text, chunking, is_markdown=found.is_markdown):
            page = bisect.bisect_right(found.pages, chunk.start)  # 0 where there are no pages
            answer(state="chunk", text=chunk.text, headings=chunk.headings, page=page)
        answer(state="done", fingerprint=fingerprint)
    except DocumentRefused as refusal:
        answer(state="refused", problem=str(refusal))
    except MemoryError:
        answer(state="refused", problem="it takes more memory than it may have")


if __name__ == "__main__":
    main()
