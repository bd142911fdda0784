"""A finished run without an engine: real identities, parts, references and records around given texts."""

from typing import NamedTuple

import orjson
import pyarrow as pa

from configs.experiment import Experiment
from tasks.run import members_of, record, resolve
from tasks.stage import missing_of
from warehouse.identity import trace_id
from warehouse.journal import traces_table
from warehouse.loader import load
from warehouse.records import GRADES, Member
from warehouse.store import Store, traces_folder

PART = 4096


class Made(NamedTuple):
    """What a model is to have answered, and the verdict on it."""

    answer: str | None
    verdict: str | None
    extracted: str | None = None
    reasoning: str | None = None
    status: str = "ok"
    error_code: str = "context_overflow"
    points: float | None = None
    is_counted: bool = True


def sums(folder, questions, **changes):
    """An experiment over a file of these questions, each of which 42 answers: two explorer samples, and a synthesis."""
    path = folder / "sums.jsonl"
    path.write_bytes(
        b"".join(
            orjson.dumps({"id": f"s{i}", "question": q, "answer": "42"}) + b"\n"
            for i, q in enumerate(questions)
        )
    )
    engine = {"kind": "openai", "base_url": "http://127.0.0.1:9"}
    return {
        "name": "sums",
        "benchmark": {"source": "file", "path": str(path), "id": "id"},
        "explorer": {"model": {"id": "small"}, "engine": engine, "sampling": {"n": 2}},
        "synthesizer": {"model": {"id": "big"}, "engine": engine, "references": {"count": 2}},
        "grader": {"kind": "exact"},
        **changes,
    }


def store_answers(stage, problems, answers_of):
    """Traces of a stage with these answers, None for one that was cut off, in its store. Returns the stage and its members."""
    store, members, rows = Store(stage.root), [], []
    for problem in problems:
        for index, answer in enumerate(answers_of(problem)):
            held = trace_id(stage.recipe, problem.problem_digest, index)
            rows.append(
                {
                    "trace_id": held,
                    "problem_id": problem.problem_id,
                    "problem_digest": problem.problem_digest,
                    "sample_index": index,
                    "status": "truncated" if answer is None else "ok",
                    "answer": answer,
                    "started_at": 0,
                    "reference_ids": (),
                    "num_tries": 1,
                }
            )
            members.append(
                Member("explore", problem.problem_id, problem.problem_digest, index, held, problem.gold)
            )
    store.write_recipe(stage.recipe)
    store.write_part(traces_folder(stage.recipe), traces_table(rows))
    return stage, members


def finish_run(experiment, root, run_id, made, further=lambda run: None):
    """Write the run that `made(stage, problem, sample index)` tells, and load it. Returns the store.

    `further` may add stages to the run.
    """
    store = Store(str(root))
    run = resolve(Experiment.model_validate(experiment), store)
    run.run_id = run_id
    further(run)
    for stage in run.stages:
        plans = missing_of(stage, run.problems)
        _write(run, [(stage, plan.problem, w) for plan in plans for w in plan.wanted], made)
    run.members = members_of(run)
    record(run)
    load(store)
    return store


def _write(run, wanted, made):
    for first in range(0, len(wanted), PART):
        rows, grades = [], []
        for stage, problem, trace in wanted[first : first + PART]:
            told = made(stage.name, problem, trace.sample_index)
            tokens = (len(told.answer or "") + len(told.reasoning or "")) // 4
            rows.append(
                {
                    "trace_id": trace.trace_id,
                    "problem_id": problem.problem_id,
                    "problem_digest": problem.problem_digest,
                    "sample_index": trace.sample_index,
                    "seed": 7,
                    "status": told.status,
                    "finish_reason": "length" if told.status == "truncated" else "stop",
                    "reasoning": told.reasoning,
                    "answer": told.answer,
                    "num_prompt_tokens": 20,
                    "num_billed_prompt_tokens": 20 if told.is_counted else None,
                    "num_completion_tokens": tokens if told.is_counted else None,
                    "started_at": 1_700_000_000_000_000,
                    "latency_seconds": 0.5,
                    "num_tries": 1,
                    "reference_ids": trace.reference_ids,
                    "error_code": told.error_code if told.status == "error" else None,
                    "error_message": "too long" if told.status == "error" else None,
                }
            )
            if told.verdict:
                is_attempt = told.verdict in {"correct", "wrong", "no_answer", "truncated"}
                grades.append(
                    {
                        "trace_id": trace.trace_id,
                        "problem_digest": problem.problem_digest,
                        "gold": problem.gold,
                        "verdict": told.verdict,
                        "is_correct": told.verdict == "correct" if is_attempt else None,
                        "extracted": told.extracted,
                        "vote_key": told.extracted,
                        "points": told.points,
                    }
                )
        run.store.write_recipe(stage.recipe)
        run.store.write_part(traces_folder(stage.recipe), traces_table(rows))
        table = pa.Table.from_pylist(grades, schema=GRADES)
        run.store.write_part(f"grades/grader={run.grader.key}", table, prefix=f"part-{stage.recipe.key}-")
