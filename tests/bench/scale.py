"""What a root costs as its history grows: CPU seconds, seconds and memory of every command over 100,000 to 10 million traces.

    make bench
    python tests/bench/scale.py --folder DIR --traces 1000000 10000000

A root is made through the store's own API: one recipe, nights of 1,000 problems × 64 samples, each with its part of
traces, its part of verdicts and its run on record. It is kept in `--folder` and used again. Each command is a process
of its own, so that its peak is its own; where it changes the root (a night, ten samples) it adds what it says.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from configs.experiment import Experiment
from flows.commands.stored import PARTS, run_stored
from flows.commands.without_pandas import hide_pandas
from tasks.benchmarks.problems import load_problems
from tasks.grade import assess
from tasks.grading.grader_of import grader_of
from tasks.run import _role_record, record, resolve, stages_of
from tasks.stage import missing_of
from warehouse.catalog import connect
from warehouse.compaction import merge_parts, merges
from warehouse.grades import write_grades
from warehouse.identity import trace_id
from warehouse.integrity import verify
from warehouse.loader import load
from warehouse.manifest import Manifest, StageRecord, members_path, write_manifest
from warehouse.problem_rows import ProblemRows
from warehouse.records import GRADES, MEMBERS, PROBLEMS, TRACES
from warehouse.store import Store, traces_folder
from warehouse.winner import answer_digest

hide_pandas()  # as the command does

NUM_PROBLEMS, NUM_SAMPLES = 1000, 64
REASONING = "We add both numbers, digit by digit, and carry where it is needed. " * 4
GB = 2**30


def experiment(folder: Path, name: str, first: int, num_problems: int = NUM_PROBLEMS) -> Experiment:
    """An experiment over the problems from `first` on, whose engine is never asked."""
    path = folder / f"{name}.jsonl"
    rows = (
        {"id": f"s{i:08}", "question": f"What is {i} plus {i}?", "answer": str(2 * i)}
        for i in range(first, first + num_problems)
    )
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    return Experiment.model_validate(
        {
            "name": name,
            "benchmark": {"source": "file", "path": str(path), "id": "id"},
            "explorer": {
                "model": {"id": "small"},
                "engine": {"kind": "openai", "base_url": "http://127.0.0.1:9"},
                "sampling": {"n": NUM_SAMPLES},
            },
            "grader": {"kind": "exact"},
        }
    )


def night(store: Store, folder: Path, name: str, first: int, num_problems: int = NUM_PROBLEMS) -> None:
    """A night's traces, verdicts and run, in the store and not yet in the catalog."""
    settings = experiment(folder, name, first, num_problems)
    [stage] = stages_of(settings, store.root)
    grader = grader_of(settings.grader, store.root, []).key
    problems = load_problems(settings.benchmark, None, store)
    rows = [asdict(problem) for problem in problems]
    store.write_part("problems", pa.Table.from_pylist(rows, schema=PROBLEMS))
    num_rows = len(problems) * NUM_SAMPLES
    samples = np.arange(num_rows) % NUM_SAMPLES
    of = np.arange(num_rows) // NUM_SAMPLES
    is_correct = np.arange(num_rows) % 3 != 0
    ids = [trace_id(stage.recipe, p.problem_digest, i) for p in problems for i in range(NUM_SAMPLES)]
    golds = pa.array([problem.gold for problem in problems]).take(pa.array(of))
    said = pc.if_else(pa.array(is_correct), golds, "0")
    answers = pc.binary_join_element_wise("\\boxed{", said, "}", "")
    now = int(datetime.now(UTC).timestamp() * 1e6)
    columns = {
        "trace_id": ids,
        "problem_id": pa.array([problem.problem_id for problem in problems]).take(pa.array(of)),
        "problem_digest": pa.array([problem.problem_digest for problem in problems]).take(pa.array(of)),
        "sample_index": samples,
        "seed": samples,
        "status": constant("ok", num_rows),
        "finish_reason": constant("stop", num_rows),
        "reasoning": pc.binary_join_element_wise(REASONING, pa.array(ids), ""),
        "answer": answers,
        "num_prompt_tokens": constant(20, num_rows),
        "num_billed_prompt_tokens": constant(20, num_rows),
        "num_completion_tokens": samples + 80,
        "started_at": now + np.arange(num_rows),
        "latency_seconds": 0.5 + samples % 7,
        "num_tries": constant(1, num_rows),
        "answer_digest": [answer_digest("ok", answer) for answer in answers.to_pylist()],
    }
    verdicts = {
        **{name: columns[name] for name in ("trace_id", "problem_digest", "answer_digest")},
        "gold": golds,
        "verdict": pc.if_else(pa.array(is_correct), "correct", "wrong"),
        "is_correct": is_correct,
        "extracted": said,
        "vote_key": said,
    }
    members = {name: columns.get(name) for name in MEMBERS.names} | {
        "stage": constant("explore", num_rows),
        "gold": golds,
    }
    store.write_recipe(stage.recipe)
    store.write_part(traces_folder(stage.recipe), table_of(columns, TRACES))
    write_grades(store, grader, stage.recipe, table_of(verdicts, GRADES))
    store.write_table(members_path(name), table_of(members, MEMBERS))
    counts = {"wanted": num_rows, "generated": num_rows, "reused": 0, "errors": 0}
    write_manifest(
        store,
        Manifest(
            run_id=name,
            experiment="nights",
            status="complete",
            started_at=datetime.now(UTC),
            finished_at=datetime.now(UTC),
            benchmark=name,
            num_problems=len(problems),
            grader=grader,
            stages={
                "explore": StageRecord(
                    role=_role_record(stage), counts={**counts, "blocked": 0, "truncated": 0, "tokens": 0}
                )
            },
            config=settings.model_dump(mode="json"),
            versions={},
        ),
    )


def constant(value: object, num_rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), num_rows)


def table_of(columns: dict, schema: pa.Schema) -> pa.Table:
    """The columns, cast to a schema; those that are not given are null."""
    num_rows = len(columns["trace_id"])
    arrays = [
        pa.nulls(num_rows, field.type) if columns.get(field.name) is None else pa.array(columns[field.name])
        for field in schema
    ]
    return pa.table(arrays, names=schema.names).cast(schema)


# --- the commands that are measured, each in a process of its own -----------------------------------


def build(store: Store, folder: Path, num_nights: int) -> None:
    for number in range(num_nights):
        if not store.names("runs", ".json", prefix=f"night-{number:05}"):
            night(store, folder, f"night-{number:05}", number * NUM_PROBLEMS)


def rebuild(store: Store, folder: Path, num_nights: int) -> None:
    store.catalog_path.unlink(missing_ok=True)
    load(store)


def no_op(store: Store, folder: Path, num_nights: int) -> None:
    again = experiment(folder, "night-00000", 0)
    assert run_stored(again, store.root, None, PARTS["run"]) is not None


def one_night(store: Store, folder: Path, num_nights: int) -> None:
    """Journalled, sealed, graded, recorded and loaded: what a night costs besides its engine."""
    first = _fresh(store) * NUM_PROBLEMS
    run = resolve(experiment(folder, "tonight", first), store)
    [stage] = run.stages
    with closing(run.grader):
        now = int(datetime.now(UTC).timestamp() * 1e6)
        store.write_recipe(stage.recipe)
        for start in range(0, len(run.problems), 128):
            journal = stage.index.opened()
            for plan in missing_of(stage, run.problems[start : start + 128]):
                for trace in plan.wanted:
                    journal.append(
                        {
                            **trace._asdict(),
                            "status": "ok",
                            "answer": f"\\boxed{{{plan.problem.gold}}}",
                            "reasoning": f"{REASONING}{trace.trace_id}",
                            "started_at": now,
                            "latency_seconds": 0.5,
                            "num_tries": 1,
                        }
                    )
            journal.seal()
            stage.index.forget(journal)
        assess(run)
        record(run)
    load(store)


def _fresh(store: Store) -> int:
    """A night that the root does not hold."""
    return 100_000 + len(store.names("runs", ".json"))


def ten_samples(store: Store, folder: Path, num_nights: int) -> None:
    assert load(store).num_rows == 640 + 640 + 10, "ten problems, their answers and verdicts"


def leaderboard(store: Store, folder: Path, num_nights: int) -> None:
    with connect(store) as catalog:
        assert catalog.execute("from leaderboard").fetchall()


def one_problem(store: Store, folder: Path, num_nights: int) -> None:
    with connect(store) as catalog:
        query = "select answer from traces where problem_id = 's00000007'"
        assert len(catalog.execute(query).fetchall()) == NUM_SAMPLES


def one_problem_of_a_recipe(store: Store, folder: Path, num_nights: int) -> None:
    [stage] = resolve(experiment(folder, "night-00000", 0), store).stages
    began = time.perf_counter()
    assert ProblemRows(store).read(stage.recipe.key, ["s00000007"]).num_rows == NUM_SAMPLES
    print(f"  of it reading: {time.perf_counter() - began:.3f} s")


def verified(store: Store, folder: Path, num_nights: int) -> None:
    assert list(verify(store)) == []


def compacted(store: Store, folder: Path, num_nights: int) -> None:
    for merge in merges(store, fewest=2):
        merge_parts(store, merge)


STEPS = {
    "make the root": build,
    "full rebuild": rebuild,
    "no-op run": no_op,
    "night of 64,000": one_night,
    "load of ten problems": ten_samples,
    "leaderboard": leaderboard,
    "one problem in SQL": one_problem,
    "one problem of a recipe": one_problem_of_a_recipe,
    "verify": verified,
    "compact": compacted,
    "load after compaction": lambda store, *_: load(store),
    "no-op after compaction": no_op,
}


def measured(step: str, folder: Path, num_nights: int) -> None:
    """Run a step in a process of its own and print what it took."""
    if step == "load of ten problems":
        root = Store(str(folder / "root"))
        night(root, folder, "ten", _fresh(root) * NUM_PROBLEMS, num_problems=10)
    command = [sys.executable, __file__, "--folder", str(folder), "--step", step, str(num_nights)]
    began = time.perf_counter()
    child = subprocess.Popen(command)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / GB
    failed = "" if child.returncode == 0 else f"  FAILED with {child.returncode}"
    print(f"{step:28} {cpu:8.1f} CPU s {seconds:8.1f} s {peak:7.2f} GB{failed}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="keeps the roots; default: a temporary folder")
    parser.add_argument("--traces", type=int, nargs="*", default=[128_000, 1_000_000])
    parser.add_argument("--steps", nargs="*", choices=STEPS, default=list(STEPS))
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step, num_nights = options.step
        STEPS[step](Store(str(options.folder / "root")), options.folder, int(num_nights))
        return
    with tempfile.TemporaryDirectory() as temporary:
        for num_traces in options.traces:
            num_nights = max(1, round(num_traces / NUM_PROBLEMS / NUM_SAMPLES))
            folder = (options.folder or Path(temporary)) / str(num_traces)
            folder.mkdir(parents=True, exist_ok=True)
            print(
                f"--- {num_nights * NUM_PROBLEMS * NUM_SAMPLES:,} traces in {num_nights} nights", flush=True
            )
            for step in options.steps:
                measured(step, folder, num_nights)


if __name__ == "__main__":
    main()
