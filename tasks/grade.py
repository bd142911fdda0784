"""The grading stage: a verdict on every stored trace, each decided once and kept.

Grades live beside the traces, in parts of their own: another grader, another version, other settings
or a corrected gold answer add rows and generate nothing.
"""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.executor import quoted
from tasks.generation.roles import Role
from tasks.graders.protocol import Case, Grader
from tasks.grading.judge import Judge
from tasks.grading.verdicts import LONGEST_STORED, Grading, grader_of
from tasks.progress import PROGRESS
from tasks.run import Run
from warehouse.grades import read_grades, write_grades
from warehouse.records import Member
from warehouse.store import Store, retry_if_compacted
from warehouse.verdicts import VerdictMemory


@dataclass
class Graded:
    """What became of a stage's traces."""

    num_new: int = 0
    """Verdicts that were not stored before."""
    complaints: list[str] = field(default_factory=list)
    """Why some have none, in sentences for people."""
    judged: list[Member] = field(default_factory=list)
    """A judge's traces that the verdicts rest on, new or not."""


def grade_traces(role: Role, members: Iterable[Member], grader: Grader) -> Graded:
    """Grade the stored traces that have no verdict yet.

    One grade part is written a trace part, so that memory is bounded by a part's answers and an
    interrupted grading goes on where it stopped.
    """
    store, done = Store(role.root), Graded()
    graded = set(read_grades(store, grader.key, role.recipe, ["trace_id", "gold"]))
    golds: dict[str, set[str]] = {}
    for member in members:
        if (member.trace_id, member.gold) not in graded:
            golds.setdefault(member.trace_id, set()).add(member.gold)
    by_part = role.index.by_part(golds)
    PROGRESS.expect("grade", sum(map(len, by_part.values())))
    at_work = Grading(grader, VerdictMemory(store, grader.key))
    for trace_ids in by_part.values():
        grades = retry_if_compacted(partial(_grades, role, trace_ids, golds, at_work))
        if grades.num_rows:
            write_grades(store, grader.key, role.recipe, grades)
        done.num_new += grades.num_rows
        PROGRESS.advance("grade", count=len(trace_ids))
    done.complaints += grader.complaints
    return done


def _grades(role: Role, trace_ids: list[str], golds: dict[str, set[str]], at_work: Grading) -> pa.Table:
    return at_work.grades(role.index.batches(trace_ids, ["problem_digest", "status", "answer"]), golds)


def judged_members(role: Role, members: Iterable[Member], judge: Judge) -> list[Member]:
    """The judge's traces behind the stored verdicts on these members: what judging them cost."""
    digests = {(member.trace_id, member.gold): member.problem_digest for member in members}
    cases: set[Case] = set()
    cut: dict[str, set[str]] = {}
    columns = ["trace_id", "gold", "extracted"]
    for trace_id, gold, answer in read_grades(Store(role.root), judge.key, role.recipe, columns):
        if answer is None or (trace_id, gold) not in digests:
            continue
        if len(answer) <= LONGEST_STORED:
            cases.add(Case(digests[trace_id, gold], gold, answer))
        else:
            cut.setdefault(trace_id, set()).add(gold)
    for row in role.index.rows(cut, ["answer"]).to_pylist():
        held = row["trace_id"]
        for answer in filter(None, judge.extract([row["answer"]])):
            cases.update(Case(digests[held, gold], gold, answer) for gold in cut[held])
    return judge.members(cases)


@task(name="grade-stage", task_run_name="grade {stage}", cache_policy=NO_CACHE)
def grade_stage(stage: str, run: Run, members: list[Member]) -> Graded:
    """Grade one stage's traces; where a model judges, tell also of its own."""
    role = run.synthesizer if stage == "synthesize" and run.synthesizer else run.explorer
    with closing(grader_of(run.experiment.grader, run.store.root, run.listed)) as grader:
        done = grade_traces(role, members, grader)
        if isinstance(grader, Judge):
            done.judged = judged_members(role, members, grader)
        return done


def grade_run(run: Run, members: dict[str, list[Member]]) -> Graded:
    """Grade both stages of a run; what concerns both is told once."""
    stages = [grade_stage(stage, quoted(run), quoted(held)) for stage, held in members.items()]
    return Graded(
        sum(stage.num_new for stage in stages),
        list(dict.fromkeys(sentence for stage in stages for sentence in stage.complaints)),
        list(dict.fromkeys(member for stage in stages for member in stage.judged)),
    )
