"""A real PostgreSQL for one test or measurement: on loopback, in a folder of its own, stopped by its process id."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER_USER = "postgres"
"""Who the server runs as where we are root, as which it refuses to run."""
USER, START_SECONDS = "a2r", 60


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`, where they are installed; Debian keeps them out of the PATH."""
    found = [Path(place).parent for place in filter(None, [shutil.which("pg_isready")])]
    found += sorted(place.parent for place in Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return next((place for place in reversed(found) if (place / "initdb").exists()), None)


@contextmanager
def postgres() -> Iterator[tuple[str, str]]:
    """An address to connect to (user and password in it), and that password."""
    with tempfile.TemporaryDirectory(prefix="a2r-postgres-", ignore_cleanup_errors=True) as place:
        yield from _served(Path(place))


def _served(folder: Path) -> Iterator[tuple[str, str]]:
    tools, password = programs(), secrets.token_hex(12)
    assert tools, "PostgreSQL is not installed"
    (secret := folder / "password").write_text(password)
    switched = {}
    if os.geteuid() == 0:
        switched = {"user": SERVER_USER, "group": pwd.getpwnam(SERVER_USER).pw_gid, "extra_groups": []}
        for place in (folder, secret):
            shutil.chown(place, SERVER_USER)
    data = folder / "data"
    subprocess.run(
        [tools / "initdb", "-D", data, "-U", USER, "-A", "scram-sha-256", "--pwfile", secret, "--no-sync"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        **switched,
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [tools / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1"],
            stdout=log,
            stderr=log,
            cwd=folder,
            **switched,
        )
    try:
        for _ in range(START_SECONDS * 10):
            ready = [tools / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            if subprocess.run(ready, check=False).returncode == 0:
                break
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        yield f"postgresql+asyncpg://{USER}:{password}@127.0.0.1:{port}/postgres", password
    finally:
        server.terminate()
        server.wait(START_SECONDS)
