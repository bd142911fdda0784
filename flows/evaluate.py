"""The main flow: one experiment from problems to numbers."""

import tasks.executor.environment  # noqa: F401 - before Prefect

from prefect import flow

from tasks.executor.flow_runs import ExperimentRequest, run_name
from tasks.executor.submit import RUNNER
from tasks.grade import grade
from tasks.load import load
from tasks.publish import publish
from tasks.run import generate, record, started
from warehouse.summary import Summary


@flow(name="evaluate", flow_run_name=run_name, task_runner=RUNNER)
def evaluate(experiment: ExperimentRequest, root: str | None = None, limit: int | None = None) -> Summary:
    """Explore, synthesize, grade, load and publish one experiment; only what is missing is generated.

    Shards that fail do not stop the others. What could be made is graded, loaded and shown, and then
    the flow fails with a sentence for each failed shard; running it again makes the rest.

    Args:
        experiment: What to run: by a preset's or file's name, or filled in here.
        root: Where results live: a folder or an fsspec URL; else A2R_ROOT, else ./a2r-data.
        limit: Only the first so many problems.
    """
    with started(experiment, root, limit) as run:
        generate(run)
        grade(run)
        record(run)
    load(run.store)
    return publish(run)
