"""The grading stage: a verdict on every stored trace, each decided once and kept.

Grades live beside the traces, in parts of their own: another grader, another version or a
corrected gold answer adds rows and generates nothing.
"""

from collections.abc import Iterable

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from configs.graders import Grader as GraderForm
from tasks.graders.extraction import extract_answer
from tasks.graders.grading import Grader, grader_for
from tasks.graders.normalise import vote_key
from tasks.progress import PROGRESS
from tasks.roles import Role
from tasks.runs import Run
from tasks.shards import quoted
from warehouse.records import GRADES, Member
from warehouse.store import Store, patiently


def grade_traces(role: Role, members: Iterable[Member], form: GraderForm) -> int:
    """Grade the stored traces that have no verdict yet; return how many were graded.

    One grade part is written a trace part, so that memory is bounded by a part and an interrupted
    grading goes on where it stopped.
    """
    store, grader = Store(role.root), grader_for(form)
    graded = _graded(store, role, grader)
    golds: dict[str, set[str]] = {}
    for member in members:
        if (member.trace_id, member.gold) not in graded:
            golds.setdefault(member.trace_id, set()).add(member.gold)
    by_part = role.index.by_part(golds)
    count = sum(map(len, by_part.values()))
    PROGRESS.expect("grade", count)
    for trace_ids in by_part.values():
        rows = role.index.rows(trace_ids, ["problem_digest", "status", "answer"])
        grades = [
            {
                "trace_id": trace_id,
                "problem_digest": digest,
                **_verdict(status, answer, gold, grader),
            }
            for trace_id, digest, status, answer in zip(*rows.to_pydict().values(), strict=True)
            if status != "error"
            for gold in sorted(golds[trace_id])
        ]
        table = pa.Table.from_pylist(grades, schema=GRADES)
        store.write_part(_folder(grader), table, prefix=f"part-{role.recipe.key}-")
        PROGRESS.advance("grade", count=len(trace_ids))
    return count


def _verdict(status: str, answer: str | None, gold: str, grader: Grader) -> dict[str, object]:
    extracted = extract_answer(answer or "") if status == "ok" else None
    if status == "truncated":
        verdict = "truncated"
    elif extracted is None:
        verdict = "no_answer"
    else:
        verdict = grader.verdict(gold, extracted)
    is_attempt = verdict in {"correct", "wrong", "no_answer", "truncated"}
    return {
        "gold": gold,
        "verdict": verdict,
        "is_correct": verdict == "correct" if is_attempt else None,
        "extracted": extracted,
        "vote_key": None if extracted is None else vote_key(extracted),
    }


def _graded(store: Store, role: Role, grader: Grader) -> set[tuple[str, str]]:
    """The (trace, gold) pairs this grader has judged among the recipe's traces."""

    def read() -> set[tuple[str, str]]:
        parts = store.names(_folder(grader), prefix=f"part-{role.recipe.key}-")
        tables = (store.read_part(part, ["trace_id", "gold"]).to_pydict().values() for part in parts)
        return {pair for columns in tables for pair in zip(*columns, strict=True)}

    return patiently(read)


def _folder(grader: Grader) -> str:
    return f"grades/grader={grader.name}-{grader.version}"


@task(name="grade-stage", task_run_name="grade {stage}", cache_policy=NO_CACHE)
def grade_stage(stage: str, role: Role, members: list[Member], form: GraderForm) -> int:  # noqa: ARG001
    """Grade one stage's traces; return how many verdicts were new."""
    return grade_traces(role, members, form)


def grade_run(run: Run, members: dict[str, list[Member]]) -> int:
    """Grade both stages of a run; return how many verdicts were new."""
    roles: dict[str, Role] = {"explore": run.explorer}
    if run.synthesizer:
        roles["synthesize"] = run.synthesizer
    return sum(
        grade_stage(stage, quoted(roles[stage]), quoted(held), quoted(run.experiment.grader))
        for stage, held in members.items()
    )
