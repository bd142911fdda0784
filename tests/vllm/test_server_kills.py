"""Kills on the real `vllm serve`: nothing is lost, nothing doubled, nothing left running.

    A2R_VLLM_PYTHON=~/vllm/bin/python pytest tests/vllm/test_server_kills.py

A CPU build will do. A server takes one to two minutes to load here, so the tests share what they start.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
import yaml
from endpoints.living import runs
from endpoints.real_vllm import A2R, COMMAND, needs_vllm_elsewhere

MODELS = Path(__file__).parents[2] / "tasks" / "models"
MODEL = "a2r-sum3-explorer"
ARGS = {"dtype": "float32", "max_num_seqs": 64, "max_model_len": 256, "enforce_eager": True, "seed": 0}
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
PROBLEMS, N = 400, 4

pytestmark = [needs_vllm_elsewhere, pytest.mark.timeout(1500)]


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


class Running:
    """One experiment under `a2r run`, as a process that may be killed."""

    def __init__(self, home, engine):
        self.home, self.root = home, home / "root"
        experiment = {
            "name": "kills",
            "benchmark": {"source": "generated", "family": "sum3", "count": PROBLEMS},
            "explorer": {
                "model": {"id": MODEL},
                "engine": {"kind": "openai", "concurrency": 64, **engine},
                "prompt": "explore-small",
                "sampling": {"n": N, "temperature": 1.0, "max_tokens": 64},
            },
            "grader": {"kind": "exact"},
        }
        (home / "kills.yaml").write_text(yaml.safe_dump(experiment))

    def start(self):
        command = [A2R, "run", str(self.home / "kills.yaml"), "--root", str(self.root), "--json"]
        log = (self.home / "run.log").open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def until_arrived(self, count):
        """Wait until so many samples are in the journals or stored by this run."""
        until(lambda: self.arrived() >= count, self.alive)

    def arrived(self):
        journals = list((self.root / "journal").glob("*.jsonl")) if (self.root / "journal").exists() else []
        return sum(path.read_bytes().count(b"\n") - 1 for path in journals)

    def alive(self):
        assert self.process.poll() is None, (self.home / "run.log").read_text()

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def finish(self):
        assert self.process.wait(900) == 0, (self.home / "run.log").read_text()

    def counted(self):
        query = (
            "select count(*) as n, count(distinct trace_id) as m, count(*) filter (status = 'error') as errors, "
            "count(*) filter (num_tries > 1) as again from traces"
        )
        out = subprocess.check_output([A2R, "sql", query, "--format", "json", "--root", self.root])
        [row] = json.loads(out)
        return row

    def record(self):
        paths = list((self.home / "state").rglob("server.json"))
        return json.loads(paths[0].read_text()) if paths else None


def until(holds, check=lambda: None, seconds=600):
    end = time.monotonic() + seconds
    while not holds():
        check()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


def family(pid):
    """A process and all it has started."""
    process = psutil.Process(pid)
    return [pid, *(child.pid for child in process.children(recursive=True))]


def serve(port):
    return {"serve": {"port": port, "gpus": [], "command": COMMAND, "args": ARGS, "environment": ENVIRONMENT}}


def test_run_and_guard_killed_then_server_killed(home, unused_port):
    run = Running(home, serve(unused_port()))
    run.start()
    run.until_arrived(200)
    before = run.record()
    orphans = family(before["server"][0])
    assert len(orphans) > 1, "vLLM's engine is a process of its own"
    os.kill(before["guard"][0], signal.SIGKILL)
    run.kill()
    assert runs(before["server"][0]), "an orphan"

    run.start()
    until(lambda: (record := run.record()) and record["server"] != before["server"], run.alive)
    assert not any(map(runs, orphans)), "the next start ended it before it started another"
    run.until_arrived(200)
    second = run.record()
    os.kill(second["server"][0], signal.SIGKILL)
    run.finish()
    assert run.counted() == {
        "n": PROBLEMS * N,
        "m": PROBLEMS * N,
        "errors": 0,
        "again": run.counted()["again"],
    }
    assert run.counted()["again"] > 0, "what was under way was sent again"
    assert run.record() is None and not runs(second["server"][0])
    assert not [p for p in psutil.process_iter() if str(home) in " ".join(told(p))]


def test_run_killed_while_the_server_loads_leaves_nothing(home, unused_port):
    run = Running(home, serve(unused_port()))
    run.start()
    until(lambda: (record := run.record()) and len(family(record["server"][0])) > 1, run.alive)
    processes = family(run.record()["server"][0])
    run.kill()
    until(lambda: not any(map(runs, processes)), seconds=60)


def test_one_of_two_replicas_killed(home, unused_port):
    ports = [unused_port(), unused_port()]
    flags = ["--host", "127.0.0.1"]
    flags += [
        part
        for name, value in ARGS.items()
        for part in ([f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)]))
    ]
    started = [
        subprocess.Popen(
            [
                *COMMAND,
                *("--model", MODELS / MODEL, "--served-model-name", MODEL),
                *flags,
                "--port",
                str(port),
            ],
            env=os.environ | ENVIRONMENT,
            stdout=(home / f"{port}.log").open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        for port in ports
    ]
    try:
        for port in ports:
            until(lambda port=port: is_healthy(port))
        run = Running(
            home, {"base_url": [f"http://127.0.0.1:{port}/v1" for port in ports], "concurrency": 32}
        )
        run.start()
        run.until_arrived(200)
        os.killpg(started[0].pid, signal.SIGKILL)
        run.finish()
        counted = run.counted()
        assert (counted["n"], counted["m"], counted["errors"]) == (PROBLEMS * N, PROBLEMS * N, 0)
        assert counted["again"] > 0
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def is_healthy(port):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)):
            return False
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def told(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []
