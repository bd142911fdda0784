"""The nights' reports: files beside the catalog, and how a browser comes to them.

Browsers follow no link from a page of a server to a file, so `a2r up` serves them on loopback, beside all runs of its
root as they are now.
"""

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from warehouse.store import Store

ADDRESS_VARIABLE = "A2R_REPORTS_URL"
"""Where `a2r up` serves the reports of its root; set for its worker and the runs below it."""
MOST_REPORTS = 30
"""Reports of nights that are kept: each carries its own charts' code, about 5 MB; `a2r report` writes any again."""

_LOOPBACK = "127.0.0.1"


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
        return (
            f"[Open the report]({address}/{path.name}), with every trace to read, or [all runs as they are now]({address}). "
            f"The file: {where}."
        )
    return (
        f"Report, with every trace to read: {where}. No browser opens a file from here: copy the path into the "
        "address bar there, or fetch the file, which is whole by itself, and open it."
    )


@contextmanager
def served_reports(store: Store, port: int) -> Iterator[str]:
    """Serve all runs, as `a2r view` does, and the reports while the block runs; yields the address.

    Where the port is taken, it is a free one.
    """
    from tasks.analysis.report.served import application, server_of  # noqa: PLC0415 - for those alone who serve

    try:
        listening = socket.create_server((_LOOPBACK, port))
    except OSError:
        listening = socket.create_server((_LOOPBACK, 0))
    app = application(store, reports=reports_folder(store))
    server = server_of(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://{_LOOPBACK}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
