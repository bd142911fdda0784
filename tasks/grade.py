"""The grading stage: a verdict on every stored trace, each decided once and kept.

Grades live beside the traces, in parts of their own: another grader, another version, other settings
or a corrected gold answer add rows and generate nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.executor.cache import quoted
from tasks.graders.protocol import Case
from tasks.grading.judge import Judge
from tasks.grading.verdicts import LONGEST_STORED, Grading
from tasks.progress import PROGRESS
from tasks.run import Run, members_of
from tasks.stage import Stage
from warehouse.grades import read_grades, write_grades
from warehouse.records import Member
from warehouse.store import Store, retry_if_compacted
from warehouse.verdicts import VerdictMemory


@dataclass
class Graded:
    """What became of a stage's traces."""

    num_new: int = 0
    """Verdicts that were not stored before."""
    judged: list[Member] = field(default_factory=list)
    """A judge's traces that the verdicts rest on, new or not."""


def grade_traces(stage: Stage, members: Iterable[Member], grading: Grading) -> Graded:
    """Grade the stored traces that have no verdict yet.

    One grade part is written a trace part, so that memory is bounded by a part's answers and an
    interrupted grading goes on where it stopped.
    """
    store, grader, done = Store(stage.root), grading.grader, Graded()
    graded = set(read_grades(store, grader.key, stage.recipe, ["trace_id", "gold"]))
    golds: dict[str, set[str]] = {}
    for member in members:
        if (member.trace_id, member.gold) not in graded:
            golds.setdefault(member.trace_id, set()).add(member.gold)
    by_part = stage.index.by_part(golds)
    PROGRESS.expect("grade", sum(map(len, by_part.values())))
    for trace_ids in by_part.values():
        grades = retry_if_compacted(partial(_grades, stage, trace_ids, golds, grading))
        if grades.num_rows:
            write_grades(store, grader.key, stage.recipe, grades)
        done.num_new += grades.num_rows
        PROGRESS.advance("grade", count=len(trace_ids))
    return done


def _grades(stage: Stage, trace_ids: list[str], golds: dict[str, set[str]], grading: Grading) -> pa.Table:
    return grading.grades(stage.index.batches(trace_ids, ["problem_digest", "status", "answer"]), golds)


def judged_members(stage: Stage, members: Iterable[Member], judge: Judge) -> list[Member]:
    """The judge's traces behind the stored verdicts on these members: what judging them cost."""
    digests = {(member.trace_id, member.gold): member.problem_digest for member in members}
    cases: set[Case] = set()
    cut: dict[str, set[str]] = {}
    columns = ["trace_id", "gold", "extracted"]
    for trace_id, gold, answer in read_grades(Store(stage.root), judge.key, stage.recipe, columns):
        if answer is None or (trace_id, gold) not in digests:
            continue
        if len(answer) <= LONGEST_STORED:
            cases.add(Case(digests[trace_id, gold], gold, answer))
        else:
            cut.setdefault(trace_id, set()).add(gold)
    for row in stage.index.rows(cut, ["answer"]).to_pylist():
        held = row["trace_id"]
        for answer in filter(None, judge.extract([row["answer"]])):
            cases.update(Case(digests[held, gold], gold, answer) for gold in cut[held])
    return judge.members(cases)


@task(name="grade-stage", task_run_name="grade {label}", cache_policy=NO_CACHE)
def grade_stage(label: str, stage: Stage, members: list[Member], grading: Grading) -> Graded:  # noqa: ARG001 - the label names the run
    """Grade one stage's traces; where a model judges, report its own as well."""
    graded = grade_traces(stage, members, grading)
    if isinstance(grading.grader, Judge):
        graded.judged = judged_members(stage, members, grading.grader)
    return graded


def grade(run: Run) -> None:
    """Grade every stage of a run; what it wanted and what went wrong are known afterwards."""
    run.members = members_of(run)
    grading = Grading(run.grader, VerdictMemory(run.store, run.grader.key))
    judged: list[Member] = []
    for stage in run.stages:
        graded = grade_stage(stage.name, quoted(stage), quoted(run.members[stage.name]), quoted(grading))
        judged += graded.judged
    run.grader.close()
    run.complaints += list(dict.fromkeys(run.grader.complaints))
    if judged:
        run.members["judge"] = list(dict.fromkeys(judged))
