"""A run with vLLM in its own process is killed: none of vLLM's processes is left.

    make test-vllm-kills

Only the run's process is killed, not its group: vLLM's core must be ended by its guard, since it does
not notice by itself.
"""

import contextlib
import json
import os
import signal
import subprocess
import time

import psutil
import pytest
from endpoints.living import runs
from endpoints.real_vllm import A2R, ARGS, environment, needs_vllm

needs_vllm()
pytestmark = pytest.mark.timeout(600)

GONE_SECONDS = 10.0


@pytest.fixture
def started(tmp_path):
    """A run of 4,000 samples under way; whatever it leaves is ended with the test."""
    experiment = {
        "name": "killed",
        "benchmark": {"source": "generated", "family": "sum3", "count": 500},
        "explorer": {
            "model": {"id": "a2r-sum3-explorer", "revision": "shipped"},
            "engine": {"kind": "vllm", "args": ARGS},
            "prompt": "explore-small",
            "sampling": {"n": 8, "temperature": 1.0, "max_tokens": 64},
        },
        "grader": {"kind": "exact"},
    }
    (tmp_path / "killed.yaml").write_text(json.dumps(experiment))
    command = [A2R, "run", str(tmp_path / "killed.yaml"), "--root", str(tmp_path / "root")]
    with (tmp_path / "run.log").open("wb") as log:
        run = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment(tmp_path), start_new_session=True
        )
    yield run, tmp_path
    with contextlib.suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def cores(run):
    """The processes that vLLM started for the run: id -> command line."""
    found = {}
    for child in psutil.Process(run.pid).children(recursive=True):
        try:
            told = " ".join(child.cmdline())
        except psutil.Error:
            continue
        if "engines.leash" in told or "VLLM" in told or "EngineCore" in told or "multiprocessing" in told:
            found[child.pid] = told
    return found


def until(holds, check=lambda: None, seconds=300.0):
    end = time.monotonic() + seconds
    while not holds():
        check()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def arrived(folder):
    journals = (folder / "root" / "journal").glob("*.jsonl")
    return sum(path.read_bytes().count(b"\n") - 1 for path in journals)


@pytest.mark.parametrize("moment", ["loading", "generating"])
def test_killed_run_leaves_no_process_of_vllm(started, moment):
    run, folder = started

    def alive():
        assert run.poll() is None, (folder / "run.log").read_text()

    until(lambda: len(cores(run)) > 1 if moment == "loading" else arrived(folder) >= 200, alive)
    left = cores(run)
    assert left
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    end = time.monotonic() + GONE_SECONDS
    while any(map(runs, left)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [left[pid] for pid in left if runs(pid)]
