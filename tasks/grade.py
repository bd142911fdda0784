"""The grading step: a verdict on every stored trace, each decided once and kept.

Grades are stored beside the traces, in parts of their own: another grader, another version, other settings
or a corrected gold answer add rows and generate nothing.
"""

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.assess import assess, grade_members
from tasks.executor.cache import quoted
from tasks.grading.cascade import Cascade
from tasks.grading.traces import Grading
from tasks.run import Run
from tasks.stage import Stage
from warehouse.records import Member


@task(name="grade-stage", task_run_name="grade {label}", cache_policy=NO_CACHE)
def grade_stage(label: str, stage: Stage, members: list[Member], grading: Grading | Cascade) -> list[Member]:  # noqa: ARG001 - the label names the run
    """Grade one stage's traces; return a judge's traces that the verdicts rest on."""
    return grade_members(stage, members, grading)


def grade(run: Run) -> None:
    """Grade every stage of a run; what it wanted and what went wrong are known afterwards."""
    assess(run, _as_task)


def _as_task(stage: Stage, members: list[Member], grading: Grading | Cascade) -> list[Member]:
    return grade_stage(stage.name, quoted(stage), quoted(members), quoted(grading))
