"""A Prefect server on loopback for many tests: in a process of its own, stopped by its process id."""

import contextlib
import fcntl
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import httpx

START_SECONDS = 240
SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_UI_ENABLED": "false",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT__SERVER_WEBSERVER_ONLY": "1",
}


class PrefectServer(NamedTuple):
    """Where it answers, and a copy of its database from before the first run."""

    api_url: str
    empty_database: Path


@contextlib.contextmanager
def shared_prefect_server(folder):
    """One for all processes that ask for it in that folder: the first starts it, and ends it when the others have left."""
    record = folder / "served.json"
    folder.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        users = stack.enter_context((folder / "users").open("w"))
        # not by closing it: a process that was forked meanwhile has it open, too
        stack.callback(fcntl.flock, users, fcntl.LOCK_UN)
        with (folder / "starting").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            if not record.exists():
                served = stack.enter_context(prefect_server(folder))
                record.write_text(json.dumps([served.api_url, str(served.empty_database)]))
                stack.callback(record.unlink)
                stack.callback(fcntl.flock, users, fcntl.LOCK_EX)
        api_url, empty_database = json.loads(record.read_text())
        yield PrefectServer(api_url, Path(empty_database))


@contextlib.contextmanager
def prefect_server(folder):
    """Serve from that folder: Prefect's own temporary server without its services, and not imported here (3 CPU seconds)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "A2R_"))}
    factory = ("--factory", "prefect.server.api.server:create_app")
    address = ("--host", "127.0.0.1", "--port", str(port))
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", *factory, *address, "--log-level", "error", "--lifespan", "on"],
            env=kept | SETTINGS | {"PREFECT_HOME": str(folder)},
            stdout=log,
            stderr=log,
        )
    try:
        api_url = f"http://127.0.0.1:{port}/api"
        wait_for(f"{api_url}/health", process, folder / "server.log")
        empty = folder / "empty" / "prefect.db"
        empty.parent.mkdir()
        with (
            contextlib.closing(sqlite3.connect(folder / "prefect.db")) as served,
            contextlib.closing(sqlite3.connect(empty)) as copied,
        ):
            served.backup(copied)
        yield PrefectServer(api_url, empty)
    finally:
        process.terminate()
        process.wait(60)


def wait_for(url, process, log):
    """Return once it answers."""
    with httpx.Client() as client:
        for _ in range(START_SECONDS * 5):
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(httpx.TransportError):
                if client.get(url).is_success:
                    return
            time.sleep(0.2)
    raise AssertionError(f"{url} never answered\n{log.read_text()}")
