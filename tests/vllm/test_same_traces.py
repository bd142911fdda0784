"""One experiment three ways: `onnx`, vLLM in the run's process, and a managed `vllm serve`, the last also streamed.

    make test-vllm

80 puzzles of the quickstart through both shipped models in fp32. Greedy traces must be the same
text for text; seeded accuracies must lie within each other's intervals. Wall and CPU seconds are
printed; a way's first run includes the loading of both models. vLLM takes a minute of CPU to load, so
in process both runs' explorers are made first, then both runs' synthesizers: `a2r run` finds all stored.
"""

import json
import os
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pyarrow.parquet as pq
import pytest
import yaml
from endpoints.real_vllm import A2R, ARGS, environment, needs_vllm

needs_vllm()
pytestmark = pytest.mark.timeout(1800)

PROBLEMS = int(os.environ.get("A2R_VLLM_PROBLEMS", "80"))
WAYS = ("onnx", "vllm", "server")
KINDS = {"greedy": (0.0, 1, 1), "seeded": (1.0, 4, 2)}
"""Temperature, samples of the explorer, samples of the synthesizer."""
LINGER_SECONDS = 90.0
"""Longer than the synthesizer works after the explorer is done, and than a slow machine takes to begin the next run: that finds
both servers warm."""
GONE_SECONDS = 40.0
IN_PROCESS = """
import contextlib, sys
from concurrent.futures import ThreadPoolExecutor
from configs.loading import load_experiment
from tasks.benchmarks.problems import load_problems
from tasks.engines.pool import ENGINES, open_engines
from tasks.run import stages_of
from tasks.stage import jobs_of, missing_of, shards_of
from warehouse.planner import distinct
from warehouse.store import Store
from warehouse.writers import at_work

files, roots = sys.argv[1::2], sys.argv[2::2]
experiments = [load_experiment(file) for file in files]
with open_engines(), contextlib.ExitStack() as open_roots, ThreadPoolExecutor(8) as threads:
    for root in roots:
        store = Store(root)
        store.open_for_writing()
        open_roots.enter_context(at_work(store))
    for stages in zip(*map(stages_of, experiments, roots)):
        for stage, experiment in zip(stages, experiments):
            def make(shard):
                return stage.make(jobs_of(stage, missing_of(stage, shard.problems)), shard.rank)
            problems = distinct(load_problems(experiment.benchmark))
            made = list(threads.map(make, shards_of(stage, problems)))
            print(stage.name, sum(m.num_stored for m in made), sum(m.num_failed for m in made), flush=True)
        ENGINES.close_engines()
"""


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


class Place:
    """A folder for roots and Prefect's state, and the engines' settings."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {"explorer": free_port(), "synthesizer": free_port()}
        self.environment = environment(folder)

    def engine(self, way, role):
        match way:
            case "onnx":
                return {"kind": "onnx", "top_logprobs": 20}
            case "vllm":
                return {"kind": "vllm", "args": ARGS, "top_logprobs": 20}
        serve = {
            "port": self.ports[role],
            "gpus": [],
            "command": [sys.executable, "-m", "vllm.entrypoints.openai.api_server"],
            "args": ARGS | {"enable_chunked_prefill": False},
            "linger_seconds": LINGER_SECONDS,
        }
        return {"kind": "openai", "serve": serve, "concurrency": 72, "samples_per_request": 1}

    def written(self, way, kind, temperature, n, m):
        """The experiment's file and its root."""
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
        return str(file), str(self.folder / f"root-{way}-{kind}")

    def made(self, way):
        """Every run of a way."""
        files = {kind: self.written(way, kind, *settings) for kind, settings in KINDS.items()}
        before = SimpleNamespace(wall=0.0, cpu=0.0)
        if way == "vllm":
            before = self.spent(
                sys.executable, "-c", IN_PROCESS, *(word for file in files.values() for word in file)
            )
            told = [line.split() for line in before.stdout.splitlines()]
            assert told == [
                [stage, str(PROBLEMS * KINDS[kind][place]), "0"]
                for place, stage in ((1, "explore"), (2, "synthesize"))
                for kind in files
            ]
        for kind, (file, root) in files.items():
            done = self.spent(A2R, "run", file, "--root", root, "--json")
            wall, cpu = done.wall + before.wall / len(files), done.cpu + before.cpu / len(files)
            yield kind, SimpleNamespace(result=json.loads(done.stdout), root=Path(root), wall=wall, cpu=cpu)

    def streamed(self):
        """The greedy run once more in another root, on the servers that linger: streamed, with the likeliest tokens."""
        file, root = str(self.folder / "server-greedy.yaml"), str(self.folder / "root-streamed")
        settings = [
            f"{role}.engine.{setting}"
            for role in ("explorer", "synthesizer")
            for setting in ("stream=true", "top_logprobs=20")
        ]
        told = [word for setting in settings for word in ("--set", setting)]
        done = self.spent(A2R, "run", file, "--root", root, "--json", *told)
        return SimpleNamespace(result=json.loads(done.stdout), root=Path(root), wall=done.wall, cpu=done.cpu)

    def spent(self, *command):
        """A command that succeeds, with its wall and CPU seconds."""
        children, servers = resource.getrusage(resource.RUSAGE_CHILDREN), self.served()
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, check=False)
        wall = time.monotonic() - began
        assert done.returncode == 0, done.stdout + done.stderr[-8000:]
        assert "Exception ignored" not in done.stderr
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - children.ru_utime - children.ru_stime
        cpu += sum(seconds - servers.get(process, 0.0) for process, seconds in self.served().items())
        return SimpleNamespace(stdout=done.stdout, wall=wall, cpu=cpu)

    def served(self):
        """CPU seconds of each process of the servers that linger, which are no children of ours."""
        spent = {}
        for process in psutil.process_iter():
            try:
                if any(str(port) in process.cmdline() for port in self.ports.values()):
                    for p in (process, *process.children(recursive=True)):
                        times = p.cpu_times()
                        spent[p.pid, p.create_time()] = times.user + times.system
            except psutil.Error:
                continue
        return spent


@pytest.fixture(scope="session")
def runs(tmp_path_factory, request):
    """Every way's greedy and seeded run, one after the other; at the session's end no server is left."""
    place = Place(tmp_path_factory.mktemp("ways"))
    made = {(way, kind): run for way in WAYS for kind, run in place.made(way)}
    made["streamed", "greedy"] = place.streamed()
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n\nway     run       wall s   CPU s  a2r accuracy (95 % interval)")
        for (way, kind), run in made.items():
            score = run.result["metrics"]["a2r"]
            shown = f"{score['estimate']:.3f} ({score['low']:.3f} to {score['high']:.3f})"
            print(f"{way:8}{kind:8}{run.wall:8.1f}{run.cpu:8.1f}  {shown}")
    yield made
    until = time.monotonic() + LINGER_SECONDS + GONE_SECONDS
    while place.served() and time.monotonic() < until:
        time.sleep(0.2)
    assert not place.served(), "a server outlived the runs"


def rows(run, stage):
    """The stage's stored traces."""
    files = (run.root / "traces" / f"stage={stage}").glob("recipe=*/part-*.parquet")
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def texts(run):
    """(stage, trace id) -> what the model wrote."""
    kept = ("reasoning", "answer", "finish_reason", "num_completion_tokens")
    return {
        (stage, row["trace_id"]): tuple(row[name] for name in kept)
        for stage in ("explore", "synthesize")
        for row in rows(run, stage)
    }


@pytest.mark.parametrize("way", [*WAYS[1:], "streamed"])
def test_greedy_traces_are_the_same(runs, way):
    ours, theirs = texts(runs["onnx", "greedy"]), texts(runs[way, "greedy"])
    assert len(ours) == 2 * PROBLEMS
    assert theirs.keys() == ours.keys()
    other = [(ours[key], theirs[key]) for key in ours if ours[key] != theirs[key]]
    assert not other, f"{len(other)} of {len(ours)} differ, such as {other[0]}"


def counted(run):
    """Trace id -> tokens of prompt and completion."""
    kept = ("num_prompt_tokens", "num_billed_prompt_tokens", "num_completion_tokens")
    return {
        row["trace_id"]: tuple(row[name] for name in kept)
        for stage in ("explore", "synthesize")
        for row in rows(run, stage)
    }


def manifest(run):
    """What the run left on record."""
    [path] = (run.root / "runs").glob("*.json")
    return json.loads(path.read_bytes())


def test_streamed_usage_is_that_of_whole_replies(runs):
    assert counted(runs["streamed", "greedy"]) == counted(runs["server", "greedy"])


@pytest.mark.parametrize("way", ["vllm", "streamed"])
def test_equal_texts_are_equally_sure(runs, way):
    for stage in ("explore", "synthesize"):
        ours, theirs = (
            {row["trace_id"]: row for row in rows(runs[w, "greedy"], stage)} for w in ("onnx", way)
        )
        for measure in ("mean_logprob", "group_confidence"):
            assert [theirs[trace][measure] for trace in ours] == pytest.approx(
                [row[measure] for row in ours.values()], abs=2e-3
            )


def test_chat_templates_are_seen_and_the_same_in_every_run_on_the_servers(runs):
    seen = [
        {server["url"]: server["template_digest"] for server in manifest(runs[way])["servers"]}
        for way in (("server", "greedy"), ("server", "seeded"), ("streamed", "greedy"))
    ]
    assert None not in seen[0].values() and len(seen[0]) == 2
    assert seen == [seen[0]] * 3
    assert not any("template" in text for text in manifest(runs["streamed", "greedy"]).get("warnings", []))


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


def test_both_servers_of_a_run_work_at_once(runs):
    run = runs["server", "seeded"]
    first_synthesis = min(row["started_at"] for row in rows(run, "synthesize"))
    assert first_synthesis < max(row["started_at"] for row in rows(run, "explore"))
    assert len({server["url"] for server in manifest(run)["servers"]}) == 2


def test_stages_report_no_failure(runs):
    for run in runs.values():
        for stage in run.result["stages"].values():
            assert stage["errors"] == stage["blocked"] == 0
            assert stage["generated"] + stage["reused"] == stage["wanted"]
