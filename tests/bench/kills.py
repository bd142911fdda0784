"""SIGKILL of a run's process at random moments of each of its stages, under a real `a2r up`.

    python tests/bench/kills.py [--kills 20] [--seed 0]     # 1 to 2 minutes a kill on two busy cores

Every kill is of a night of its own on a root of its own. Every other dead run is completed by Retry, the
others by the next start of `a2r up`. Printed for each: the stage and moment, what was stored by then, how
many samples were asked for again though stored (must be 0), and whether traces, grades, catalog and
`a2r verify` are whole in the end.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from endpoints.nights import asked_for, experiment_file, stored_samples
from endpoints.operating import Operator
from endpoints.scripted import ScriptedEndpoint

from warehouse.catalog import connect
from warehouse.integrity import verify
from warehouse.store import Store

NUM_PROBLEMS = 60
WHOLE = NUM_PROBLEMS * 6
STAGES = ("explore", "synthesize", "grade", "record and load", "publish")


def reached(stage, root, endpoint, moment):
    """Whether the run is as far as it shall come; the later stages are seen by what they leave on disk."""
    match stage:
        case "explore":
            return endpoint.by_model["small"] >= 1 + moment * (NUM_PROBLEMS * 4 - 2)
        case "synthesize":
            return endpoint.by_model["big"] >= 1 + moment * (NUM_PROBLEMS * 2 - 2)
        case "grade":
            return any(root.glob("grades/*/*.parquet"))
        case "record and load":
            return any(root.glob("runs/*.json"))
    return (root / "catalog.duckdb").exists()


def wait_for(condition, seconds=120):
    """Poll closely: the later stages last milliseconds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.001)


def one_kill(operator, endpoint, stage, moment, *, by_retry):
    """Kill a night there, complete it, and tell what became of it."""
    folder = Path(tempfile.mkdtemp(dir=operator.folder))
    root = folder / "root"
    endpoint.latency = 0.1
    endpoint.reset()
    run_id = operator.start("nightly", {"root": str(root)})
    wait_for(lambda: reached(stage, root, endpoint, moment))
    if stage not in {"explore", "synthesize"}:
        time.sleep(moment * 0.05)
    operator.kill(run_id)
    if by_retry:
        died = operator.wait(run_id, "CRASHED", "COMPLETED")["state_type"]
        if died == "CRASHED":
            operator.wait_for_the_last_word()
    else:
        operator.power_cut()
        died = "power cut"
    before = stored_samples(root)
    endpoint.latency = 0.0
    endpoint.reset()
    if not by_retry:
        operator.up()
    elif died == "CRASHED":
        operator.retry(run_id)
    done = operator.wait(run_id, "COMPLETED", "FAILED", "CRASHED")
    again = before & asked_for(endpoint)
    with connect(Store(str(root))) as catalog:
        [(graded,)] = catalog.execute("select count(*) from samples where is_correct is not null").fetchall()
        runs = catalog.execute("select status from runs").fetchall()
    return {
        "died": died,
        "state": done["state_type"],
        "stored before": len(before),
        "sent after": len(endpoint.requests),
        "stored again": len(again),
        "stored": len(stored_samples(root)),
        "graded": graded,
        "runs": [status for (status,) in runs],
        "damages": len(list(verify(Store(str(root))))),
    }


def main():
    """Kill, complete, count; exit 1 if anything was lost or paid twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    bad = 0
    with tempfile.TemporaryDirectory() as name, ScriptedEndpoint() as endpoint:
        folder = Path(name)
        path = experiment_file(folder, endpoint, num_problems=NUM_PROBLEMS)
        with Operator(folder, {"experiments": [{"experiment": path.name}]}) as operator:
            for number in range(options.kills):
                stage, moment = STAGES[number % len(STAGES)], chance.random()
                told = one_kill(operator, endpoint, stage, moment, by_retry=number % 2 == 0)
                is_good = (
                    told["state"] == "COMPLETED"
                    and told["stored again"] == told["damages"] == 0
                    and told["stored"] == told["graded"] == WHOLE
                    and told["runs"] == ["complete"]
                )
                bad += not is_good
                print(
                    f"{number + 1:>3} {stage:<16} at {moment:.2f}: {told} {'' if is_good else 'BAD'}",
                    flush=True,
                )
    print(f"{options.kills} kills, {bad} not completed whole")
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
