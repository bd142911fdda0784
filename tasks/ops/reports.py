"""The nights' reports: files beside the catalog, and how a browser comes to them.

Browsers follow no link from a page of a server to a file, so `a2r up` serves the folder on loopback: only
reports, only to be read, and only under a loopback name, so that no page from elsewhere reads them.
"""

import os
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from warehouse.store import Store

ADDRESS_VARIABLE = "A2R_REPORTS_URL"
"""Where `a2r up` serves the reports of its root; set for its worker and the runs below it."""
MOST_REPORTS = 30
"""Reports of nights that are kept: each carries its own charts' code, about 5 MB; `a2r report` writes any again."""

_LOOPBACK = "127.0.0.1"
_NAMES = frozenset({_LOOPBACK, "localhost"})
_NIGHT = re.compile(r"/night-\d{4}-\d{2}-\d{2}\.html")


def reports_folder(store: Store) -> Path:
    """Where the reports of a root are, on this machine also for a root elsewhere."""
    return store.catalog_path.parent / "reports"


def write_night_report(store: Store, night: date, run_ids: Sequence[str]) -> Path:
    """Write the report of a night's runs; the oldest of many go. Raises UserError."""
    from tasks.analysis.report.page import write_report  # noqa: PLC0415 - its charts load slowly, and only here

    folder = reports_folder(store)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"night-{night.isoformat()}.html"
    write_report(store, run_ids, path)
    for old in sorted(folder.glob("night-*.html"))[:-MOST_REPORTS]:
        old.unlink(missing_ok=True)
    return path.resolve()


def how_to_read(store: Store, path: Path) -> str:
    """A link, where `a2r up` serves this root; in any case the path."""
    where = f"`{path}` on {socket.gethostname()}"
    address, root = os.environ.get(ADDRESS_VARIABLE), os.environ.get("A2R_ROOT")
    if address and root and Store(root).root == store.root:
        return f"[Open the report]({address}/{path.name}), with every trace to read. The file: {where}."
    return (
        f"Report, with every trace to read: {where}. No browser opens a file from here: copy the path into the "
        "address bar there, or fetch the file, which is whole by itself, and open it."
    )


@contextmanager
def served_reports(store: Store, port: int) -> Iterator[str | None]:
    """Serve the reports while the block runs; yields the address, or None where the port is taken."""
    try:
        server = ThreadingHTTPServer(
            (_LOOPBACK, port), partial(_Reports, directory=str(reports_folder(store)))
        )
    except OSError:
        yield None
        return
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{_LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Reports(SimpleHTTPRequestHandler):
    """Sends nights' reports and nothing else; `/` is the newest."""

    def send_head(self):  # noqa: ANN202 - the base class's own type is not public
        """Decide before the file system is asked."""
        name = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        if name not in _NAMES:
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        if self.path == "/" and (newest := sorted(Path(self.directory).glob("night-*.html"))):
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", f"/{newest[-1].name}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        if not _NIGHT.fullmatch(self.path):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nobody reads a log of pages looked at."""
