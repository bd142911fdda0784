"""One flow a stage: each makes only what is missing, reads its input from the store, and can be run alone."""

from typing import Any

from prefect import flow

from tasks.engines.pool import open_engines
from tasks.executor import RUNNER
from tasks.explore import plan_explore
from tasks.grade import grade_run
from tasks.load import load_catalog
from tasks.ops.watching import progress_artifacts
from tasks.publish import publish_run, publish_stages
from tasks.run import members_of, raise_if_incomplete, record_run, root_in_use, stage_summary, start_run
from tasks.run_names import ExperimentRequest, requested, run_name
from tasks.stages import generate_stages
from tasks.synthesize import plan_synthesize


@flow(name="explore", flow_run_name=run_name, task_runner=RUNNER)
def explore(
    experiment: ExperimentRequest, root: str | None = None, limit: int | None = None
) -> dict[str, Any]:
    """Sample what is missing of the explorer's traces.

    Args:
        experiment: What to run: by a preset's or file's name, or filled in here.
        root: Where results live: a folder or an fsspec URL; else A2R_ROOT, else ./a2r-data.
        limit: Only the first so many problems.
    """
    with root_in_use(root), open_engines(), progress_artifacts():
        run = start_run(requested(experiment), root, limit)
        complaints = generate_stages(plan_explore(run), [], run.experiment.execution)
    return raise_if_incomplete(publish_stages(stage_summary(run, "explore")), complaints)


@flow(name="synthesize", flow_run_name=run_name, task_runner=RUNNER)
def synthesize(
    experiment: ExperimentRequest, root: str | None = None, limit: int | None = None
) -> dict[str, Any]:
    """Synthesize what is missing from the explorer's traces that are stored; explores nothing.

    Args:
        experiment: What to run: by a preset's or file's name, or filled in here.
        root: Where results live: a folder or an fsspec URL; else A2R_ROOT, else ./a2r-data.
        limit: Only the first so many problems.
    """
    with root_in_use(root), open_engines(), progress_artifacts():
        run = start_run(requested(experiment), root, limit)
        complaints = generate_stages([], plan_synthesize(run), run.experiment.execution)
    return raise_if_incomplete(publish_stages(stage_summary(run, "synthesize")), complaints)


@flow(name="grade", flow_run_name=run_name)
def grade(experiment: ExperimentRequest, root: str | None = None, limit: int | None = None) -> dict[str, Any]:
    """Grade what is stored, record it as a run, load the catalog; generates nothing.

    Args:
        experiment: What to run: by a preset's or file's name, or filled in here.
        root: Where results live: a folder or an fsspec URL; else A2R_ROOT, else ./a2r-data.
        limit: Only the first so many problems.
    """
    with root_in_use(root), progress_artifacts():
        run = start_run(requested(experiment), root, limit)
        members = members_of(run)
        graded = grade_run(run, members)
        record_run(run, members | {"judge": graded.judged}, graded.complaints)
    load_catalog(run.store)
    return raise_if_incomplete(publish_run(run.store, run.run_id), graded.complaints)
