"""What Prefect costs a shard: a flow of 500 shards on a real server, on SQLite and on PostgreSQL.

    python tests/bench/shards.py                needs what tests/bench/pipeline.py needs; PostgreSQL where installed
    python tests/bench/shards.py --shards 100 --only sqlite

One problem is one shard, the endpoint answers at once, so that the time between a run of few shards and one of
many is the overhead. CPU seconds are those of the run's process; the server's stand beside.
"""

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from pipeline import KIT, Bench, endpoint, free_port, told

sys.path.insert(0, str(Path(__file__).parents[1]))
from endpoints.postgres import postgres, programs

FEW = 20
TROUBLE = re.compile(
    r"database is locked|(?<![.\d])503\b|Traceback|OperationalError|QueuePool|too many clients"
)
"""What an operator must not find in a log."""


@contextmanager
def server(folder: Path, database: str | None) -> Iterator[tuple[str, psutil.Process]]:
    """A Prefect server as `a2r up` starts it; yields its API's address and its process."""
    port = free_port()
    environment = os.environ | {
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "INFO",
    }
    if database:
        environment["PREFECT_API_DATABASE_CONNECTION_URL"] = database
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start"], env=environment, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}/api"
    try:
        for _ in range(1200):
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                if urllib.request.urlopen(f"{url}/health", timeout=2).status == 200:
                    break
            if process.poll() is not None:
                raise SystemExit((folder / "server.log").read_text())
            time.sleep(0.1)
        yield url, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def shards(bench: Bench, name: str, num_shards: int, database: str | None) -> None:
    """The overhead a shard, the fully cached rerun, and what the logs hold."""
    folder = bench.folder / name
    log = folder / "run.log"
    with server(folder / "prefect", database) as (url, process):
        environment = os.environ | {"PREFECT_API_URL": url, "PREFECT_HOME": str(folder / "client")}

        def spend(root: str, count: int) -> tuple[float, float, float]:
            """Wall and CPU seconds of a run of `count` shards, and the server's CPU seconds meanwhile."""
            before, began = process.cpu_times(), time.monotonic()
            command = bench.a2r(f"{name}/{root}", 1, "execution.shard_size=1")
            with log.open("ab") as file:
                run = subprocess.Popen(
                    [*command, "--limit", str(count), "--verbose"],
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=file,
                )
            _, status, usage = os.wait4(run.pid, 0)
            wall = time.monotonic() - began
            if status:
                raise SystemExit(log.read_text()[-3000:])
            after = process.cpu_times()
            served = after.user + after.system - before.user - before.system
            return wall, usage.ru_utime + usage.ru_stime, served

        spend("first", FEW)  # the server's first run is slower than all that follow
        few, many = spend("few", FEW), spend("many", num_shards)
        again = spend("many", num_shards)
    extra = [(m - f) / (num_shards - FEW) * 1000 for f, m in zip(few, many, strict=True)]
    told(
        f"{name}: ms a shard, wall; run's CPU; server's CPU",
        "; ".join(f"{x:.0f}" for x in extra),
    )
    told(f"{name}: {num_shards} shards, wall seconds", f"{many[0]:.1f}")
    told(f"{name}: the same again, all cached, wall and CPU seconds", f"{again[0]:.1f}; {again[1]:.1f}")
    for path in (log, folder / "prefect" / "server.log"):
        found = TROUBLE.findall(path.read_text(errors="replace"))
        told(
            f"{name}: trouble in {path.name}",
            ", ".join(sorted(set(found))) + f" {len(found)}" if found else "none",
        )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shards", type=int, default=500, help="at most 500, the kit's problems")
    parser.add_argument("--only", choices=("sqlite", "postgres"))
    arguments = parser.parse_args()
    if not (KIT / "server" / "fakellm.c").exists():
        raise SystemExit(f"{KIT} has no server/fakellm.c; set A2R_BENCH to the kit's folder.")
    os.environ.pop("A2R_ROOT", None)
    with tempfile.TemporaryDirectory(prefix="a2r-shards-") as place, endpoint(Path(place)) as port:
        bench = Bench(Path(place), port)
        if arguments.only != "postgres":
            shards(bench, "sqlite", arguments.shards, None)
        if arguments.only == "sqlite":
            return
        if programs() is None:
            told("postgres", "not installed here")
            return
        with postgres() as (database, _):
            shards(bench, "postgres", arguments.shards, database)


if __name__ == "__main__":
    main()
