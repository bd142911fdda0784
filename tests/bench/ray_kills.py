"""Kill a node, freeze one, kill the cluster's head, Ray's driver, or Prefect's server under real runs on Ray.

    .venv-ray/bin/python tests/bench/ray_kills.py [--what node frozen head driver server] [--kills 20] [--seed 0]

Each is a run of its own of `a2r run` (120 samples of 200 ms each), on a cluster of three nodes, at a random moment
once samples arrive. A run whose head was killed is completed by the same command on a new cluster. Printed for each: seconds
until it ended, what was sent again and how much was in flight, and whether each trace is stored once. Exit 1 if any
was lost or doubled, more was sent again than was in flight, it took more than 90 s, or a process was left.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1]))

from endpoints.on_ray import FOLDER, KIND
from endpoints.ray_nodes import RayCluster
from endpoints.slow_engine import lines

A2R = str(Path(sys.executable).with_name("a2r"))
WHAT = ("node", "frozen", "head", "driver", "server")
NUM_PROBLEMS, NUM_SAMPLES = 30, 4
WHOLE = NUM_PROBLEMS * NUM_SAMPLES
CONCURRENCY, REPLICAS = 2, 6
IN_FLIGHT = (CONCURRENCY + 1) * REPLICAS  # one more than it works on is at each
LONGEST_SECONDS = 90.0
GONE_SECONDS = 10.0


class Run:
    """One run in a folder of its own."""

    def __init__(self, folder, address):
        self.folder, self.notes = folder, folder / "notes"
        self.notes.mkdir(parents=True)
        rows = [{"id": f"p{i}", "problem": f"What is {i} ?", "answer": "1"} for i in range(NUM_PROBLEMS)]
        (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.point(address)

    def point(self, address):
        """The experiment, on the cluster at this address."""
        engine = {
            "kind": KIND,
            "import_from": FOLDER,
            "notes": str(self.notes),
            "concurrency": CONCURRENCY,
            "on": "ray",
            "replicas": REPLICAS,
            "ray": {"address": address, "silence_seconds": 5, "patience_seconds": 20},
        }
        experiment = {
            "name": "killed",
            "benchmark": {
                "source": "file",
                "path": "problems.jsonl",
                "question": "problem",
                "answer": "answer",
                "id": "id",
            },
            "explorer": {"model": {"id": "slow"}, "engine": engine, "sampling": {"n": NUM_SAMPLES}},
        }
        (self.folder / "killed.yaml").write_text(json.dumps(experiment))

    def start(self):
        """`a2r run`, in a session of its own."""
        command = [A2R, "run", str(self.folder / "killed.yaml"), "--root", str(self.folder / "root")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | {"PREFECT_HOME": str(self.folder / "prefect")},
            )

    def arrived(self):
        """Samples in journals and parts."""
        journals = (self.folder / "root" / "journal").glob("*.jsonl")
        return sum(max(0, path.read_bytes().count(b"\n") - 1) for path in journals) + len(self.traces())

    def traces(self):
        parts = (self.folder / "root").glob("traces/*/*/part-*.parquet")
        return [i for part in parts for i in pq.read_table(part, columns=["trace_id"]).column(0).to_pylist()]

    def wait(self):
        """Its exit status, None where it hangs."""
        try:
            return self.process.wait(LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return None

    def child(self, mark):
        """A process below the run, by a word of its command line."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if mark in " ".join(process.cmdline()):
                    return process
        return None

    def log(self):
        return (self.folder / "log").read_text(errors="replace")


def left_behind(held, cluster):
    """Of a run that has ended: processes that it had, and replicas that are still on the cluster, after some seconds."""
    until = time.monotonic() + GONE_SECONDS
    while True:
        nodes = [process for node in cluster.nodes for process in node.processes()]
        left = [p for p in (*held, *nodes) if is_left(p, is_ours=p in held)]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.2)


def is_left(process, *, is_ours):
    with contextlib.suppress(psutil.Error):
        if process.status() == psutil.STATUS_ZOMBIE or not process.is_running():
            return False
        return is_ours or "Replica" in " ".join(process.cmdline())
    return False


def strike(what, run, cluster):
    """Kill or freeze it."""
    match what:
        case "node":
            cluster.nodes.pop().kill()
        case "frozen":
            cluster.nodes[-1].freeze()
        case "head":
            cluster.nodes[0].kill()
        case "driver":
            run.child("engines.ray.driver").kill()
        case "server":
            run.child("server_process").kill()


def mend(what, run, clusters):
    """A cluster of three nodes again; returns it."""
    [cluster] = clusters
    match what:
        case "node":
            cluster.join(2)
        case "frozen":
            cluster.nodes[-1].wake()
            time.sleep(2)
            cluster.nodes.pop().kill()
            cluster.join(2)
        case "head":
            cluster.__exit__()
            clusters[0] = RayCluster(2, 2, 2)
            run.point(clusters[0].address)


def one(what, moment, clusters, folder):
    """One run with one kill; returns whether all is well, and what came of it."""
    run = Run(folder, clusters[0].address)
    run.start()
    until = time.monotonic() + 180
    while run.arrived() < 1 + moment * WHOLE * 0.8 and run.process.poll() is None:
        assert time.monotonic() < until, run.log()
        time.sleep(0.02)
    held = psutil.Process(run.process.pid).children(recursive=True)
    struck = time.monotonic()
    strike(what, run, clusters[0])
    first, took = run.wait(), time.monotonic() - struck
    mend(what, run, clusters)
    status = first
    if first != 0:  # the same command completes it
        run.start()
        status = run.wait()
    counts = Counter(run.traces())
    again = len(lines(run.notes, "samples")) - WHOLE
    left = left_behind(held, clusters[0])
    is_whole = status == 0 and len(counts) == WHOLE and set(counts.values()) == {1}
    is_good = is_whole and again <= IN_FLIGHT and took <= LONGEST_SECONDS and not left
    if not is_good:
        print(run.log()[-3000:], left)
    return is_good, {
        "moment": round(moment, 2),
        "first exit": first,
        "seconds": round(took, 1),
        "stored": len(counts),
        "doubled": sum(count > 1 for count in counts.values()),
        "sent again": again,
    }


def main():
    """Kill, complete, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", nargs="+", choices=WHAT, default=list(WHAT))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance, bad = random.Random(options.seed), 0
    clusters = [RayCluster(2, 2, 2)]
    try:
        with tempfile.TemporaryDirectory() as name:
            for what in options.what:
                for number in range(options.kills):
                    is_good, told = one(what, chance.random(), clusters, Path(name) / f"{what}{number}")
                    bad += not is_good
                    print(f"{what:<7}{number + 1:>3} {told} {'' if is_good else 'BAD'}", flush=True)
    finally:
        clusters[0].__exit__()
    print(f"{bad} of {options.kills * len(options.what)} not as they should be")
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
