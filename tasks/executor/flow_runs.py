"""The present flow run: what it is called, when it was to start, what a form may ask."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import Pause
from prefect.runtime import deployment, flow_run
from prefect.settings import get_current_settings
from prefect.states import AwaitingRetry
from pydantic import TypeAdapter

from configs.experiment import Experiment
from configs.nightly import NamedExperiment
from tasks.progress import PROGRESS

ExperimentRequest = NamedExperiment | Experiment
"""A run form's experiment: by name, or filled in line by line."""


def requested(request: ExperimentRequest) -> Experiment:
    """The requested experiment; the flow run is tagged with it and its date. Raises UserError."""
    experiment = request.load() if isinstance(request, NamedExperiment) else request
    if get_current_settings().server.ui.enabled and flow_run.get_root_flow_run_id() == flow_run.get_id():
        PROGRESS.say(f"Reporting to Prefect: {flow_run.get_flow_run_ui_url()}")
    with get_client(sync_client=True) as client:
        tags = {*(flow_run.get_tags() or ()), experiment.name, f"{scheduled_at():%Y-%m-%d}"}
        client.update_flow_run(UUID(flow_run.get_id()), tags=sorted(tags))
    return experiment


def run_name() -> str:
    """Such as `quickstart synthesize 2026-11-24`, of the flow run under way."""
    request: Any = TypeAdapter(ExperimentRequest).validate_python(flow_run.get_parameters()["experiment"])
    name = request.label if isinstance(request, NamedExperiment) else request.name
    return f"{name} {flow_run.get_flow_name()} {scheduled_at():%Y-%m-%d}"


def wait_for_next_start(seconds: float, reason: str) -> None:
    """End this process and have the same flow run started again after so long, with its id and its date.

    Returns, and does nothing, where nobody would start it: below another flow run, and in a run of the command line.
    Raises Prefect's Pause, which ends the flow run's process and is no failure.
    """
    if deployment.get_id() is None or flow_run.get_root_flow_run_id() != flow_run.get_id():
        return
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    message = f"Nothing to press: it goes on by itself at {at:%Y-%m-%d %H:%M} UTC. {reason}"
    with get_client(sync_client=True) as client:
        told = client.set_flow_run_state(
            UUID(flow_run.get_id()), AwaitingRetry(scheduled_time=at, message=message)
        )
    raise Pause(state=told.state)


def root_flow_run_id() -> str:
    """Id of the flow run at the top, which a retry keeps, also below a retried night."""
    return str(flow_run.get_root_flow_run_id())


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
