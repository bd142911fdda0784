"""The main flow: one experiment from problems to numbers."""

from typing import Any

from prefect import flow

from tasks.engines.pool import open_engines
from tasks.executor import RUNNER
from tasks.explore import plan_explore
from tasks.grade import grade_run
from tasks.load import load_catalog
from tasks.ops.watching import progress_artifacts
from tasks.publish import publish_run
from tasks.run import members_of, raise_if_incomplete, record_run, root_in_use, start_run
from tasks.run_names import ExperimentRequest, requested, run_name
from tasks.stages import generate_stages
from tasks.synthesize import plan_synthesize


@flow(name="evaluate", flow_run_name=run_name, task_runner=RUNNER)
def evaluate(
    experiment: ExperimentRequest, root: str | None = None, limit: int | None = None
) -> dict[str, Any]:
    """Explore, synthesize, grade, load and publish one experiment; only what is missing is generated.

    Shards that fail do not stop the others. What could be made is graded, loaded and shown, and then
    the flow fails with a sentence for each failed shard; running it again makes the rest.

    Args:
        experiment: What to run: by a preset's or file's name, or filled in here.
        root: Where results live: a folder or an fsspec URL; else A2R_ROOT, else ./a2r-data.
        limit: Only the first so many problems.
    """
    with root_in_use(root), progress_artifacts():
        with open_engines():
            run = start_run(requested(experiment), root, limit)
            complaints = generate_stages(plan_explore(run), plan_synthesize(run), run.experiment.execution)
        members = members_of(run)
        graded = grade_run(run, members)
        complaints += graded.complaints
        record_run(run, members | {"judge": graded.judged}, complaints)
    load_catalog(run.store)
    return raise_if_incomplete(publish_run(run.store, run.run_id), complaints)
