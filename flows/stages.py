"""One flow a stage: each makes only what is missing, reads its input from the store, and can be run alone."""

from typing import Any

from prefect import flow

from configs.experiment import Experiment
from tasks.engines.hosting import hosted_engines
from tasks.explore import plan_explore
from tasks.grade import grade_run
from tasks.load import load_catalog
from tasks.publish import publish_run
from tasks.runs import members_of, raise_for, record_run, root_in_use, run_identity, stage_summary, start_run
from tasks.shards import RUNNER
from tasks.stages import generate_stages
from tasks.synthesize import plan_synthesize


@flow(name="explore", flow_run_name="{experiment.name} explore", task_runner=RUNNER)
def explore(experiment: Experiment, root: str | None = None, limit: int | None = None) -> dict[str, Any]:
    """Sample what is missing of the explorer's traces."""
    with root_in_use(root), hosted_engines():
        run = start_run(experiment, root, run_identity(experiment.name), limit)
        complaints = generate_stages(plan_explore(run), [], experiment.execution)
    summary = stage_summary(run, "explore")
    raise_for(complaints, summary)
    return summary


@flow(name="synthesize", flow_run_name="{experiment.name} synthesize", task_runner=RUNNER)
def synthesize(experiment: Experiment, root: str | None = None, limit: int | None = None) -> dict[str, Any]:
    """Synthesize what is missing from the explorer's traces that are stored; explores nothing."""
    with root_in_use(root), hosted_engines():
        run = start_run(experiment, root, run_identity(experiment.name), limit)
        complaints = generate_stages([], plan_synthesize(run), experiment.execution)
    summary = stage_summary(run, "synthesize")
    raise_for(complaints, summary)
    return summary


@flow(name="grade", flow_run_name="{experiment.name} grade")
def grade(experiment: Experiment, root: str | None = None, limit: int | None = None) -> dict[str, Any]:
    """Grade what is stored, record it as a run, load the catalog; generates nothing."""
    with root_in_use(root):
        run = start_run(experiment, root, run_identity(experiment.name), limit)
        members = members_of(run)
        complaints = grade_run(run, members)
        record_run(run, members, complaints)
    load_catalog(run.store)
    summary = publish_run(run.store, run.run_id)
    raise_for(complaints, summary)
    return summary
