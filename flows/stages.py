"""One flow per stage: each makes only what is missing, reads its input from the store, and can be run alone."""

import tasks.executor.environment  # noqa: F401 - before Prefect

from prefect import flow

from tasks.executor.flow_runs import ExperimentRequest, run_name
from tasks.executor.submit import RUNNER
from tasks.grade import grade as grade_run
from tasks.load import load
from tasks.publish import publish, publish_stages
from tasks.run import generate, record, started
from warehouse.summary import StageSummary, Summary


@flow(name="explore", flow_run_name=run_name, task_runner=RUNNER)
def explore(experiment: ExperimentRequest, root: str | None = None, limit: int | None = None) -> StageSummary:
    """Sample what is missing of the explorers' traces.

    Args:
        experiment: What to run: by a preset's or file's name, or filled in here.
        root: Where results live: a folder or an fsspec URL; else A2R_ROOT, else ./a2r-data.
        limit: Only the first so many problems.
    """
    with started(experiment, root, limit) as run:
        generate(run, run.explorers)
    return publish_stages(run, run.explorers)


@flow(name="synthesize", flow_run_name=run_name, task_runner=RUNNER)
def synthesize(
    experiment: ExperimentRequest, root: str | None = None, limit: int | None = None
) -> StageSummary:
    """Make what is missing of every round from the explorers' traces that are stored; explores nothing.

    Args:
        experiment: What to run: by a preset's or file's name, or filled in here.
        root: Where results live: a folder or an fsspec URL; else A2R_ROOT, else ./a2r-data.
        limit: Only the first so many problems.
    """
    with started(experiment, root, limit) as run:
        generate(run, run.readers)
    return publish_stages(run, run.readers)


@flow(name="grade", flow_run_name=run_name)
def grade(experiment: ExperimentRequest, root: str | None = None, limit: int | None = None) -> Summary:
    """Grade what is stored, record it as a run, load the catalog; generates nothing.

    Args:
        experiment: What to run: by a preset's or file's name, or filled in here.
        root: Where results live: a folder or an fsspec URL; else A2R_ROOT, else ./a2r-data.
        limit: Only the first so many problems.
    """
    with started(experiment, root, limit) as run:
        grade_run(run)
        record(run)
    load(run.store)
    return publish(run)
