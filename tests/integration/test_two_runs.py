"""Two runs at once on one root: each request is sent once, both end whole, and a killed one is replaced by the other."""

import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter

import pytest

from configs.experiment import Experiment
from tasks.benchmarks.problems import load_problems
from tasks.run import stages_of
from tasks.stage import plans_of
from warehouse.integrity import verify
from warehouse.journal import recover
from warehouse.planner import distinct
from warehouse.store import Store

RUN = """
    import json, sys
    from concurrent.futures import ThreadPoolExecutor
    from rich.console import Console
    from configs.experiment import Experiment
    from tasks.benchmarks.problems import load_problems
    from tasks.engines.pool import open_engines
    from tasks.progress import PROGRESS
    from tasks.run import stages_of
    from tasks.stage import jobs_of, missing_of, shards_of
    from warehouse.journal import recover
    from warehouse.planner import distinct
    from warehouse.store import Store
    from warehouse.writers import at_work

    experiment, store = Experiment.model_validate(json.loads(sys.argv[2])), Store(sys.argv[1])
    problems = distinct(load_problems(experiment.benchmark))
    print("ready", flush=True)
    sys.stdin.readline()
    with open_engines(), at_work(store), PROGRESS.shown_on(Console(stderr=True)):
        recover(store)
        for stage in stages_of(experiment, store.root):
            def make(shard):
                return stage.make(jobs_of(stage, missing_of(stage, shard.problems)), shard.rank)
            with ThreadPoolExecutor(8) as threads:
                results = list(threads.map(make, shards_of(stage, problems)))
            print(stage.name, sum(r.num_stored for r in results), sum(r.num_failed for r in results), flush=True)
"""

IN_FLIGHT = 4
"""Requests of one run at once."""


def answered_differently(experiment_data, endpoint):
    """The experiment, whose endpoint answers differently each time."""
    numbers = itertools.count(1)
    endpoint.answer = lambda *_: f"So it is \\boxed{{{next(numbers)}}}."
    endpoint.latency = 0.05
    for role in ("explorer", "synthesizer"):
        experiment_data[role]["engine"] |= {"concurrency": IN_FLIGHT, "timeout_seconds": 100.0}
    experiment_data["execution"] = {"shard_size": 12}
    return experiment_data


@pytest.fixture
def experiment(experiment_data, endpoint):
    return answered_differently(experiment_data, endpoint)


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path / "root"))
    store.open_for_writing()
    return store


def begun(store, experiment, *further, before="", **environment):
    """A process that is ready to make the experiment's traces on the root; `before` is run first, and given `further`."""
    script = textwrap.dedent(before) + textwrap.dedent(RUN)
    process = subprocess.Popen(
        [sys.executable, "-c", script, store.root, json.dumps(experiment), *further],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def go(*processes):
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


def ended(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return {stage: (int(made), int(failed)) for stage, made, failed in map(str.split, out.splitlines())}, err


def lacking(store, experiment):
    """Wanted traces that are not stored."""
    experiment = Experiment.model_validate(experiment)
    problems = distinct(load_problems(experiment.benchmark))
    return {
        stage.name: stage.num_samples * len(problems)
        - sum(stage.index.has(trace.trace_id) for plan in plans_of(stage, problems) for trace in plan.wanted)
        for stage in stages_of(experiment, store.root)
    }


def when_both_have_asked():
    """A fault that holds back all answers of a model until one request more than a run has at once asked for it."""
    asked, both = Counter(), {model: threading.Event() for model in ("small", "big")}

    def fault(_, body):
        model = body["model"]
        asked[model] += 1
        if asked[model] > IN_FLIGHT:
            both[model].set()
        return ("until", both[model])

    return fault


def test_two_runs_divide_the_work(store, experiment, endpoint):
    endpoint.fault = when_both_have_asked()
    first, second = begun(store, experiment), begun(store, experiment)
    go(first, second)
    made = [ended(process) for process in (first, second)]
    assert endpoint.by_model == {"small": 40, "big": 20}, "each request is sent once"
    assert lacking(store, experiment) == {"explore": 0, "synthesize": 0}
    for stage, needed in (("explore", 40), ("synthesize", 20)):
        shares = [counts[stage][0] for counts, _ in made]
        assert sum(shares) == needed
        assert min(shares) > 0, "both work"
    said = "".join(text for _, text in made)
    assert f"another run (pid {first.pid} on " in said or f"another run (pid {second.pid} on " in said
    assert list(store.leases_folder.iterdir()) == []
    assert list(verify(store)) == []


def test_share_of_a_killed_run_is_made_by_the_other(store, experiment, endpoint):
    first, second = begun(store, experiment), begun(store, experiment)
    go(first, second)
    until = time.monotonic() + 60
    while len(endpoint.requests) < 20 and time.monotonic() < until:
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    ended(second)
    assert lacking(store, experiment) == {"explore": 0, "synthesize": 0}
    assert 60 <= endpoint.num_samples <= 60 + IN_FLIGHT, "at most what was in flight is sent again"
    assert recover(store) == 0
    assert list(store.leases_folder.iterdir()) == []
    damages = [damage for damage in verify(store) if not damage.path.endswith(".tmp")]
    assert damages == [], "but for a write that the kill cut off"
