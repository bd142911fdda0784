"""`a2r up` on a real PostgreSQL: one setting, and its password stays in the server's process."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from endpoints.postgres import postgres, programs

A2R = str(Path(sys.executable).with_name("a2r"))

pytestmark = pytest.mark.skipif(
    programs() is None, reason="PostgreSQL is not installed (apt-get install postgresql)"
)


@pytest.fixture(scope="module")
def database():
    with postgres() as (url, password):
        yield url.replace("+asyncpg", ""), password


def count_of(url, table):
    import asyncpg

    async def asked():
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(f"select count(*) from {table}")
        finally:
            await connection.close()

    return asyncio.run(asked())


def environment_of(pid):
    return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")


def test_up_keeps_its_history_in_postgres_and_the_password_out_of_sight(
    tmp_path, database, experiment_data, prefect_home
):
    import psutil

    url, password = database
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [A2R, "up", "--port", str(port), "--root", "root"],
        cwd=tmp_path,
        env=prefect_home | {"PREFECT_API_DATABASE_CONNECTION_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if "Running until Ctrl-C" in line:
                break
        assert process.poll() is None, "".join(said)
        api = f"http://127.0.0.1:{port}/api"
        found = httpx.get(f"{api}/deployments/name/evaluate/run-experiment", timeout=30).json()
        started = httpx.post(
            f"{api}/deployments/{found['id']}/create_flow_run",
            json={"parameters": {"experiment": experiment_data}, "state": {"type": "SCHEDULED"}},
            timeout=30,
        )
        assert started.is_success, started.text
        run = started.json()
        for _ in range(600):
            state = httpx.get(f"{api}/flow_runs/{run['id']}", timeout=30).json()["state_type"]
            if state in {"COMPLETED", "FAILED", "CRASHED"}:
                break
            time.sleep(0.25)
        assert state == "COMPLETED"
        assert count_of(url, "flow_run where state_type = 'COMPLETED'") == 1
        assert count_of(url, "artifact") > 0
        [server] = [p for p in psutil.Process(process.pid).children() if "server" in p.cmdline()]
        others = [p for p in psutil.Process(process.pid).children(recursive=True) if "worker" in p.cmdline()]
        assert password in environment_of(server.pid)
        assert others and not any(password in environment_of(p.pid) for p in others)
    finally:
        process.send_signal(signal.SIGINT)
        said.append(process.communicate(timeout=120)[0])
    assert f"postgresql://a2r@127.0.0.1:{url.rsplit(':', 1)[1]}" in "".join(said)
    written = [
        path for part in ("prefect", "root") for path in (tmp_path / part).rglob("*") if path.is_file()
    ]
    assert {path.name for path in written} >= {"server.log", "worker.log"}
    assert not any(path.name == "prefect.db" for path in written), "no SQLite beside it"
    for text in ["".join(said).encode(), *(path.read_bytes() for path in written)]:
        assert password.encode() not in text
    dumped = subprocess.run([programs() / "pg_dump", url], capture_output=True, check=True).stdout
    assert b"a2r-results" in dumped and password.encode() not in dumped


def test_wrong_password_is_told_without_it(tmp_path, database, prefect_home):
    url, password = database
    done = subprocess.run(
        [A2R, "up", "--port", "0", "--root", "root"],
        cwd=tmp_path,
        env=prefect_home | {"PREFECT_API_DATABASE_CONNECTION_URL": url.replace(password, "wrong-secret")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "password authentication failed" in done.stderr
    assert "wrong-secret" not in done.stdout + done.stderr


@pytest.fixture
def prefect_home(tmp_path):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "A2R_"))}
    return kept | {"PREFECT_HOME": str(tmp_path / "prefect"), "PYTHONUNBUFFERED": "1"}
