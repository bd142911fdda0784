"""SIGKILL of an adaptive run at random moments: the same command again leaves the store of a run that nobody disturbed.

    python tests/bench/adaptive_kills.py [--kills 10] [--seed 0]      # half a minute a kill on two busy cores

An explorer whose samples end once they agree and three rounds, of which the first reads only disputed problems, on the
shipped models: seeded, so that every text is the same in every batch. Each kill is on a root of its own, at a
random share of the undisturbed run's traces. Printed for each: how many traces had arrived, and how many of the
store's are missing, others, or different in the end (all must be 0).
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from warehouse.integrity import verify
from warehouse.store import Store

A2R = Path(sys.executable).with_name("a2r")
EXPERIMENT = """
name: adaptive
base: quickstart
benchmark: {source: generated, family: sum3, count: 60, seed: 3}
explorer: {sampling: {n: 8}, stop: {agreement: 0.75, after: 4, step: 2}}
rounds:
  - {when: {agreement_below: 1.0}}
  - {references: {count: 2}}
  - {references: {count: 2}, sampling: {n: 1}}
"""
COMPARED = ("status", "reasoning", "answer", "num_completion_tokens", "seed", "reference_ids")


def started(config: Path, root: Path) -> subprocess.Popen:
    """The run, in a session of its own."""
    return subprocess.Popen(
        [A2R, "run", config, "--root", root, "--json"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finished(config: Path, root: Path) -> dict[str, tuple]:
    """The run to its end; what the store holds then."""
    process = started(config, root)
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(errors.decode())
    damages = [damage for damage in verify(Store(str(root))) if not damage.path.endswith(".tmp")]
    if damages:  # but for a write that a kill cut off
        raise SystemExit(f"damaged: {damages}")
    return stored(root)


def stored(root: Path) -> dict[str, tuple]:
    """Every trace by stage and id."""
    found = {}
    for path in sorted(root.glob("traces/*/*/part-*.parquet")):
        stage = path.parts[-3].removeprefix("stage=")
        for row in pq.read_table(path, columns=["trace_id", *COMPARED], partitioning=None).to_pylist():
            key = f"{stage}/{row['trace_id']}"
            values = tuple(map(str, (row[name] for name in COMPARED)))
            if found.setdefault(key, values) != values:
                raise SystemExit(f"{key} is stored twice, differently")
    return found


def num_arrived(root: Path) -> int:
    """Traces in journals and parts."""
    count = 0
    for path in root.glob("journal/*.jsonl"):
        with contextlib.suppress(OSError):
            count += path.read_bytes().count(b"\n") - 1
    for path in root.glob("traces/*/*/part-*.parquet"):
        with contextlib.suppress(OSError):
            count += pq.read_metadata(path).num_rows
    return count


def killed(config: Path, root: Path, goal: int) -> int:
    """Kill the run once so many traces have arrived; how many then had. All of them where it was too fast."""
    process = started(config, root)
    while process.poll() is None and num_arrived(root) < goal:
        time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return num_arrived(root)


def main() -> None:
    """Kill, run again, compare; exit 1 if a store differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance, bad = random.Random(options.seed), 0
    with tempfile.TemporaryDirectory(prefix="a2r-kills-") as name:
        folder = Path(name)
        config = folder / "adaptive.yaml"
        config.write_text(EXPERIMENT)
        whole = finished(config, folder / "whole")
        stages = [key.partition("/")[0] for key in whole]
        print("undisturbed:", {stage: stages.count(stage) for stage in sorted(set(stages))}, flush=True)
        for number in range(1, options.kills + 1):
            root = folder / f"root-{number}"
            arrived = killed(config, root, 1 + int(chance.random() * len(whole)))
            after = finished(config, root)
            missing, others = whole.keys() - after.keys(), after.keys() - whole.keys()
            different = [key for key in whole.keys() & after.keys() if whole[key] != after[key]]
            bad += bool(missing or others or different)
            print(
                f"{number:>3} killed at {arrived:>4} of {len(whole)} traces: missing {len(missing)}, "
                f"others {len(others)}, different {len(different)}",
                flush=True,
            )
    print(f"{options.kills} kills, {bad} stores that differ")
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
