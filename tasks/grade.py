"""The grading step: a verdict on every stored trace, each decided once and kept.

Grades are stored beside the traces, in parts of their own: another grader, another version, other settings
or a corrected gold answer add rows and generate nothing.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial

from tasks.grading.assessment import Assessment
from tasks.grading.cascade import Cascade, grade_by_cascade, is_lacking
from tasks.grading.grader_of import judge_of
from tasks.grading.judge import Judge
from tasks.grading.traces import Grading, grade_traces
from tasks.run import Run, members_of
from tasks.stage import Stage
from warehouse.records import Member
from warehouse.verdicts import VerdictMemory

GradeStage = Callable[[Stage, list[Member], Grading | Cascade], list[Member]]
"""Makes a stage's missing verdicts; gives a judge's traces that the verdicts rest on."""


def grade(run: Run) -> None:
    """Grade every stage of a run, each as a task of the flow run; see `assess`."""
    from tasks.executor.steps import as_task  # noqa: PLC0415 - imports Prefect, which not every grading needs

    def grade_stage(stage: Stage, members: list[Member], grading: Grading | Cascade) -> list[Member]:
        work = partial(grade_members, stage, members, grading)
        return as_task("grade-stage", f"grade {stage.name}", work)

    assess(run, grade_stage)


def grade_members(stage: Stage, members: list[Member], grading: Grading | Cascade) -> list[Member]:
    """Grade one stage's traces; return a judge's traces that the verdicts rest on."""
    if isinstance(grading, Grading):
        grade_traces(stage, members, grading)
    return judged_members(stage, members, grading)


def judged_members(stage: Stage, members: list[Member], grading: Grading | Cascade) -> list[Member]:
    """The same where no verdict is missing: of a long history, none is read."""
    if isinstance(grading, Cascade):
        return grade_by_cascade(stage, members, grading)
    grader = grading.grader
    return grader.members(stage, members) if isinstance(grader, Judge) else []


def assess(run: Run, grade_stage: GradeStage = grade_members) -> None:
    """Grade every stage of a run; what it wanted and what went wrong are known afterwards."""
    run.members = run.members or members_of(run)
    grader = run.grader
    is_cascade = isinstance(grader, Cascade)
    grading = grader if is_cascade else Grading(grader, VerdictMemory(run.store, grader.key))
    judged: list[Member] = []
    for stage in run.stages:
        judged_here = grade_stage(stage, run.members[stage.name], grading)
        _look_at(run, stage, judged_here)
        judged += judged_here
    run.grader.close()
    if run.grader.complaints:
        run.complaints += list(dict.fromkeys(run.grader.complaints))
        run.again_seconds = None
    if judged:
        run.members["judge"] = list(dict.fromkeys(judged))


def is_ungraded(run: Run) -> bool:
    """Whether a verdict on a stored trace is to be made, or one to be checked."""
    members = run.members or members_of(run)
    return any(is_lacking(stage, members[stage.name], run.grader) for stage in run.stages)


def _look_at(run: Run, stage: Stage, judged: list[Member]) -> None:
    """Note what of a stage's verdicts a reader has to know, and whether too many are lacking."""
    assessment, settings = Assessment(stage, run.members[stage.name], run.grader.key), run.experiment.grader
    judge = judge_of(run.grader)
    unread = judge.unread(judged) if judge else Counter[str]()
    run.warnings += assessment.warnings(settings)
    refusal = judge.refusal if judge else ""
    lacking = assessment.undecided(settings, run.experiment.max_undecided, unread, refusal)
    run.undecided += [lacking] if lacking else []
