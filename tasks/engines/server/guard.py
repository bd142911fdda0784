"""The process that stands between a run and the server it started, so that no server outlives its runs.

    python -m tasks.engines.server.guard FOLDER DIGEST LINGER_SECONDS COMMAND…

Every run that uses the server holds a shared lock on FOLDER/users; the kernel drops it with the
process, however that ends. The guard starts COMMAND in a process group of its own, writes FOLDER/
server.json, and ends the whole group when the lock has been free for LINGER_SECONDS, on SIGTERM, or
when the server itself has died. It is in a session of its own: neither a Ctrl-C at the terminal nor
the death of the run's process group reaches it. Should it be killed as well, the next run ends what
server.json names.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import NotRequired, TypedDict

from tasks.engines.processes import ProcessId, start
from warehouse.files import lock, unlock, write_file

POLL_SECONDS = 0.2
RECORD, LOG, USERS = "server.json", "server.log", "users"


class ServerRecord(TypedDict):
    """What server.json holds."""

    guard: ProcessId
    server: ProcessId
    digest: str
    command: list[str]
    ended: NotRequired[int]
    """The exit status of a server that died by itself."""


def main(folder: Path, digest: str, linger_seconds: float, command: list[str]) -> int:
    """Guard one server to its end; returns its exit status, 0 where we ended it."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    users = os.open(folder / USERS, os.O_RDWR | os.O_CREAT, 0o600)
    server = start(command, folder / LOG)
    guard = ProcessId.of(os.getpid())
    record = ServerRecord(guard=guard, server=server.id, digest=digest, command=command)
    write_file(folder / RECORD, json.dumps(record).encode())
    idle_since: float | None = None
    while (code := server.code) is None and not asked:
        if lock(users, wait=False):  # from here on a run that comes waits until we are done
            now = time.monotonic()
            idle_since = now if idle_since is None else idle_since
            if now - idle_since >= linger_seconds:
                break
            unlock(users)
        else:
            idle_since = None
        time.sleep(POLL_SECONDS)
    server.end()
    if code is None:
        (folder / RECORD).unlink(missing_ok=True)
    else:
        write_file(folder / RECORD, json.dumps(record | {"ended": code}).encode())
    return code or 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4:]))
