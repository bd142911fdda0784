"""The grading step: a verdict on every stored trace, each decided once and kept.

Grades are stored beside the traces, in parts of their own: another grader, another version, other settings
or a corrected gold answer add rows and generate nothing.
"""

from collections import Counter

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.executor.cache import quoted
from tasks.grading.judge import Judge
from tasks.grading.outcome import Outcome
from tasks.grading.traces import Grading, grade_traces
from tasks.run import Run, members_of
from tasks.stage import Stage
from warehouse.records import Member
from warehouse.verdicts import VerdictMemory


@task(name="grade-stage", task_run_name="grade {label}", cache_policy=NO_CACHE)
def grade_stage(label: str, stage: Stage, members: list[Member], grading: Grading) -> list[Member]:  # noqa: ARG001 - the label names the run
    """Grade one stage's traces; return a judge's traces that the verdicts rest on."""
    grade_traces(stage, members, grading)
    return grading.grader.members(stage, members) if isinstance(grading.grader, Judge) else []


def grade(run: Run) -> None:
    """Grade every stage of a run; what it wanted and what went wrong are known afterwards."""
    run.members = members_of(run)
    grading = Grading(run.grader, VerdictMemory(run.store, run.grader.key))
    judged: list[Member] = []
    for stage in run.stages:
        members = run.members[stage.name]
        judged_here = grade_stage(stage.name, quoted(stage), quoted(members), quoted(grading))
        _look_at(run, stage, judged_here)
        judged += judged_here
    run.grader.close()
    run.complaints += list(dict.fromkeys(run.grader.complaints))
    if judged:
        run.members["judge"] = list(dict.fromkeys(judged))


def _look_at(run: Run, stage: Stage, judged: list[Member]) -> None:
    """Note what of a stage's verdicts a reader has to know, and whether too many are lacking."""
    outcome = Outcome(stage, run.members[stage.name], run.grader.key)
    unread = run.grader.unread(judged) if isinstance(run.grader, Judge) else Counter[str]()
    run.warnings += outcome.warnings(run.experiment.grader)
    lacking = outcome.undecided(run.experiment.grader, run.experiment.max_undecided, unread)
    run.undecided += [lacking] if lacking else []
