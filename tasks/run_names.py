"""What a flow run is called in Prefect, and what a run form may ask for."""

from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from pydantic import TypeAdapter

from configs.experiment import Experiment
from configs.nightly import NamedExperiment

ExperimentRequest = NamedExperiment | Experiment
"""A run form's experiment: by name, or filled in line by line."""


def requested(asked: ExperimentRequest) -> Experiment:
    """The experiment that was asked for; the flow run is tagged with it and its date. Raises UserError."""
    experiment = asked.load() if isinstance(asked, NamedExperiment) else asked
    with get_client(sync_client=True) as client:
        tags = {*(flow_run.get_tags() or ()), experiment.name, f"{scheduled_at():%Y-%m-%d}"}
        client.update_flow_run(UUID(flow_run.get_id()), tags=sorted(tags))
    return experiment


def run_name() -> str:
    """Such as `quickstart synthesize 2026-11-24`, of the flow run under way."""
    asked: Any = TypeAdapter(ExperimentRequest).validate_python(flow_run.get_parameters()["experiment"])
    name = asked.label if isinstance(asked, NamedExperiment) else asked.name
    return f"{name} {flow_run.get_flow_name()} {scheduled_at():%Y-%m-%d}"


def scheduled_at() -> datetime:
    """When the present flow run was to start (UTC), or the one that called it; a retry, days later, keeps it."""
    root_id = flow_run.get_root_flow_run_id()
    if root_id is None or root_id == flow_run.get_id():
        return flow_run.get_scheduled_start_time()
    return _scheduled_at(root_id)


@cache
def _scheduled_at(flow_run_id: str) -> datetime:
    with get_client(sync_client=True) as client:
        found = client.read_flow_run(UUID(flow_run_id))
    if found.expected_start_time is None:
        raise ValueError(f"Flow run {flow_run_id} has no expected start time.")
    return found.expected_start_time
