"""A run where the environment is against it: a proxy for everything, no home, no locale. Nothing calls anybody."""

import json
import os
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from endpoints.in_a_row import InARow

FLOWS = ("evaluate", "nightly", "stages", "study", "sweep", "upkeep")
PREFECT_FINDS = """
import importlib, os, sys
class Finder:
    @staticmethod
    def find_spec(name, *_):
        if name == "prefect":
            for variable in ("DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED", "ORT_DISABLE_TELEMETRY"):
                print(os.environ[variable], flush=True)
            os._exit(0)
sys.meta_path.insert(0, Finder)
importlib.import_module("flows." + sys.argv[1])
"""


class _Logged(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.seen.append(self.request.recv(4096))


@pytest.fixture
def proxy():
    """A proxy that answers nobody and keeps what it is asked."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Logged) as server:
        server.seen, server.daemon_threads = [], True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def hostile(proxy, tmp_path):
    """An environment with that proxy for every address, no home and no locale."""
    url = f"http://127.0.0.1:{proxy.server_address[1]}"
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    kept = ("PATH", "PYTHONPATH", "VIRTUAL_ENV")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        **dict.fromkeys(names, url),
        "HOME": "/nonexistent",
        "TMPDIR": str(tmp_path),
        "LC_ALL": "C",
        "A2R_ROOT": str(tmp_path / "root"),
    }


def test_every_command_works_and_nothing_calls_anybody(hostile, proxy, tmp_path):
    with InARow(env=hostile) as a2r:
        summary = json.loads(a2r("run", "quickstart", "--limit", "2", "--json").stdout)
    assert summary["status"] == "complete" and summary["stages"]["explore"]["generated"] == 8
    homes = [path.parent for path in tmp_path.glob("a2r-*/.local/state/a2r/prefect/a2r/empty-*.db")]
    assert len(homes) == 1, "Prefect lives in a folder of ours, in place of the home that is missing"
    with InARow(env=hostile) as a2r:
        a2r("run", "quickstart", "--limit", "2")
        a2r("check", "quickstart", "--limit", "3")
        a2r("presets")
        a2r("runs")
        a2r("sql", "from leaderboard")
        a2r("show", "sum3-0-0000")
        a2r("verify")
        a2r("load")
        a2r("compact")
        a2r("report", "--output", tmp_path / "report.html")
        a2r("export", "latest", "--to", tmp_path / "exported")
    assert proxy.seen == []


@pytest.mark.parametrize("module", FLOWS)
def test_prefect_is_told_not_to_report_before_it_is_imported(module, hostile):
    """However a flow is started: by a worker, in a notebook, by the command line."""
    done = subprocess.run(
        [sys.executable, "-c", PREFECT_FINDS, module], capture_output=True, text=True, env=hostile, check=True
    )
    assert done.stdout.split() == ["1", "false", "1"]


def test_every_flow_is_looked_at():
    modules = Path(__file__).parents[2].joinpath("flows").glob("*.py")
    flows = {path.stem for path in modules if "@flow(" in path.read_text(encoding="utf-8")}
    assert flows - {"train"} == set(FLOWS), "flows.train is the same, and needs torch"
