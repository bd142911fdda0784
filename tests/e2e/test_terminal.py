"""A run in a real terminal: signals to the whole foreground process group, and what is left of it afterwards."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import psutil
import pytest
from endpoints.terminals import Terminal

from flows.commands.run_flow import PATIENCE_SECONDS, STOPPED

A2R = (sys.executable, "-c", "from flows.cli import main; main()")
SOON = PATIENCE_SECONDS + 2.5  # a machine under load is late
THEN_IS_PREFECT_IMPORTED = """
import sys
from flows.cli import main
try:
    main()
finally:
    print("prefect" in sys.modules, file=sys.stderr)
"""
EXPERIMENT = """
name: slow
benchmark: {{source: file, path: {path}, question: problem, id: id}}
explorer:
  model: {{id: small}}
  engine: {{kind: openai, base_url: "{url}", concurrency: 4, samples_per_request: 1}}
  sampling: {{n: 20}}
"""


@pytest.fixture
def place(serverless, tmp_path, monkeypatch, endpoint, benchmark_file):
    """A folder with an experiment of 200 slow samples; no settings of the person who runs the tests."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    endpoint.latency = 0.2
    (tmp_path / "slow.yaml").write_text(EXPERIMENT.format(path=benchmark_file, url=endpoint.base_url))
    return tmp_path


def under_way(endpoint, num_requests):
    """A run in a terminal that has sent so many requests, and the processes it has started."""
    terminal = Terminal(*A2R, "run", "slow.yaml")
    try:
        terminal.until(lambda: len(endpoint.requests) >= num_requests)
        return terminal, psutil.Process(terminal.pid).children(recursive=True)
    except BaseException:
        terminal.__exit__()
        raise


def assert_gone(processes, place):
    _, alive = psutil.wait_procs(processes, timeout=15)
    for left in alive:
        left.kill()
    assert not alive
    assert not list(place.glob("a2r-server-*")), "the temporary server's folder"


def test_run_in_a_terminal_is_stopped_killed_finished_and_then_costs_nothing(place, endpoint):
    terminal, children = under_way(endpoint, 20)
    with terminal:
        assert children, "Prefect's temporary server"
        shared = [child.cmdline() for child in children if os.getsid(child.pid) == terminal.pid]
        assert not shared, "children are in sessions of their own"
        terminal.ctrl_c()
        assert terminal.ended(60) < SOON
        assert terminal.status == 130
        assert re.split(r"[\r\n]+", terminal.text.strip())[-1].endswith(STOPPED), "the last line to be seen"
        assert not re.search(r"ERROR|WARNING|Traceback", terminal.text), "no line of Prefect's log"
        assert terminal.text.count("\n") < 60, "not a page of anything"
    assert_gone(children, place)

    endpoint.reset()
    terminal, children = under_way(endpoint, 20)
    with terminal:
        terminal.signal_group(signal.SIGTERM)
        assert terminal.ended(60) < SOON
        assert terminal.status == 143 and STOPPED in terminal.text
    assert_gone(children, place)

    endpoint.reset()
    terminal, children = under_way(endpoint, 20)
    with terminal:
        os.kill(terminal.pid, signal.SIGKILL)
        terminal.ended(60)
    assert_gone(children, place)

    endpoint.reset()
    terminal, children = under_way(endpoint, 20)
    with terminal:
        [server] = [child for child in children if "tasks.executor.server_process" in child.cmdline()]
        server.kill()
        assert terminal.ended(240) < 60
        assert terminal.status == 0, terminal.text
        assert "server ended with status -9; it is started again" in " ".join(terminal.text.split())
    assert_gone(children, place)
    sent = len(endpoint.requests)
    assert sent <= 200 - 3 * 16, "what was stored before each stop is not sent again"

    shutil.rmtree(place / "prefect")
    command = (sys.executable, "-c", THEN_IS_PREFECT_IMPORTED, "run", "slow.yaml", "--json")
    dead = os.environ | {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    done = subprocess.run(command, capture_output=True, text=True, env=dead, check=True, timeout=120)
    summary = json.loads(done.stdout)
    assert summary["stages"]["explore"]["reused"] == 200 and summary["status"] == "complete"
    assert done.stderr.split()[-1] == "False", "Prefect was not even imported"
    assert len(endpoint.requests) == sent
    assert not list((place / "prefect").rglob("*.db")), "nothing was started"
    [listed] = query("from runs select count(*) as n, count(distinct run_id) as m")
    assert listed["n"] == listed["m"] == 2, "it is a run like any other"


def query(sql):
    command = (*A2R, "sql", sql, "--format", "json")
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
