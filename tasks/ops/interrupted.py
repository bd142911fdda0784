"""Runs that a reboot, a kill or a full stop cut off: found at the next start and resumed."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType, WorkerStatus
from prefect.states import AwaitingRetry, Crashed

MOST_DEATHS = 5
"""A run that has died this often is left to a person."""
LONGEST_AGO = timedelta(days=7)
"""A run that crashed longer ago is left to a person."""
ENDING_SECONDS = 90.0
"""How long the process of a crashed run is waited for: its worker is gone and it says its last word to the server."""
_UNFINISHED = (StateType.RUNNING, StateType.PENDING, StateType.CRASHED)


def worker_name() -> str:
    """The name of this machine's worker."""
    return f"a2r on {socket.gethostname()}"


def resume_interrupted(client: SyncPrefectClient, pool: str) -> Iterator[str]:
    """Start the pool's interrupted runs again; a sentence for each. To be called before a worker of ours starts.

    A run keeps its id and its scheduled date, and makes only what is missing. Runs whose process
    lives are left alone, and all of them while another machine's worker serves the pool. A run that has
    crashed is nobody's any more, so its process is waited for if it is still ending.
    """
    if others := _other_workers(client, pool):
        yield f"Interrupted runs are left to the workers that are online: {', '.join(others)}."
        return
    for run in _unfinished(client, pool):
        if is_alive(run):
            process = f"process {run.infrastructure_pid}"
            if run.state_type is not StateType.CRASHED:
                yield f"{run.name} goes on in {process}."
                continue
            yield f"{run.name} has crashed and its {process} is ending; waiting for it."
            if not _has_ended(run):
                yield f"{run.name} has crashed but its {process} does not end: end it, then press Retry."
                continue
        state = run.state_name
        if run.state_type is not StateType.CRASHED:
            message = "Its process is gone: the machine, the worker or the process was stopped."
            client.set_flow_run_state(run.id, Crashed(message=message))
        # not `run_count`: a run that waits for its batches is started many times and has not died
        num_deaths = sum(past.is_crashed() for past in client.read_flow_run_states(run.id))
        if num_deaths >= MOST_DEATHS:
            yield f"{run.name} was {state} and has died {num_deaths} times; press Retry to start it again."
            continue
        message = "Interrupted, started again by a2r up: what is stored stays, only what is missing is made."
        client.set_flow_run_state(run.id, AwaitingRetry(message=message))
        yield f"{run.name} was interrupted ({state}) and is started again; only what is missing is made."


def is_alive(run: FlowRun) -> bool:
    """Whether the process that the worker noted is there and is this run's, not another with its number."""
    try:
        process = psutil.Process(int(run.infrastructure_pid or ""))
        return process.environ().get("PREFECT__FLOW_RUN_ID") == str(run.id)
    except (ValueError, psutil.Error):
        return False


def _has_ended(run: FlowRun) -> bool:
    """Whether the process of a run ends in time."""
    with suppress(psutil.NoSuchProcess):
        try:
            psutil.Process(int(run.infrastructure_pid or "")).wait(ENDING_SECONDS)
        except psutil.TimeoutExpired:
            return False
    return True


def _other_workers(client: SyncPrefectClient, pool: str) -> list[str]:
    workers = client.read_workers_for_work_pool(pool)
    return [w.name for w in workers if w.status is WorkerStatus.ONLINE and w.name != worker_name()]


def _unfinished(client: SyncPrefectClient, pool: str) -> list[FlowRun]:
    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(_UNFINISHED)))
        ),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
        limit=200,
    )
    since = datetime.now(UTC) - LONGEST_AGO
    return [
        run
        for run in runs
        if run.state_type is not StateType.CRASHED or (run.state and run.state.timestamp > since)
    ]
