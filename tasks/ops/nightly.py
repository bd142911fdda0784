"""A night: its experiments, each on the same or on fresh samples, and what has changed since the last."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from prefect import Flow, tags
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.runtime import flow_run as this_run
from prefect.states import Completed, Failed
from pydantic import TypeAdapter
from typing_extensions import TypedDict  # of pydantic, which refuses typing's before Python 3.12

from configs.experiment import Experiment
from configs.nightly import Night, NightlyExperiment, load_nightly
from configs.roles import Role
from configs.schema import UserError
from tasks.executor.artifacts import write_sentences
from tasks.executor.errors import FlowIncomplete
from tasks.executor.flow_runs import scheduled_at, wait_for_next_start
from tasks.ops.night_line import again_after, line_of
from tasks.ops.night_page import page_of
from tasks.ops.night_results import NightAttempt, NightResult, result_of
from tasks.ops.reports import how_to_read, write_night_report
from warehouse.store import Store, default_root
from warehouse.summary import Summary


class NightSummary(TypedDict):
    """What the flow of a complete night returns."""

    night: str
    """Its date."""
    runs: list[Summary]


def night_of(timezone: str) -> date:
    """The date for which the present flow run was scheduled, where the night's schedule is read.

    A retry, days later, stays that night. In another zone than the schedule's, two nights around a
    change of the clocks may share a date.
    """
    return scheduled_at().astimezone(ZoneInfo(timezone)).date()


def night_name() -> str:
    """The flow run's name."""
    night = TypeAdapter(Night | None).validate_python(this_run.get_parameters().get("night"))
    return f"night of {night_of((night or load_nightly().night).timezone).isoformat()}"


def experiment_of(entry: NightlyExperiment, night: date) -> Experiment:
    """The entry's experiment; for fresh samples with the night in its base seeds. Raises UserError."""
    experiment = entry.named.load()
    if entry.samples == "same":
        return experiment
    return experiment.with_roles(lambda role: with_seed_of(role, night))


def with_seed_of(role: Role, night: date) -> Role:
    """The role with a base seed derived from its own and the night's date."""
    digest = hashlib.sha256(f"{role.sampling.seed}/{night.isoformat()}".encode()).digest()
    sampling = role.sampling.model_copy(update={"seed": int.from_bytes(digest[:4], "big") >> 1})
    return role.model_copy(update={"sampling": sampling})


def run_night(night: Night, root: str | None, evaluate: Flow[..., Summary]) -> State[Any]:
    """Evaluate every experiment and tell what changed; the state is Failed if any is incomplete.

    A state rather than an exception, so that its message begins with what to press.
    """
    write_sentences()
    date_of_night, store = night_of(night.timezone), Store(root or default_root())
    log, results = get_run_logger(), list[NightResult]()
    for entry in night.experiments:
        outcome = _evaluated(entry, date_of_night, root, evaluate)
        results.append(
            result_of(store, outcome, scheduled_at())
        )  # now: a later experiment may make what is missing
    line = line_of(results)
    _publish(date_of_night, results, store)
    complaints = [
        f"{result.name}: {result.outcome.complaint}" for result in results if not result.is_complete
    ]
    if complaints:
        if (again := again_after(results)) is not None:
            wait_for_next_start(again, str(replace(line, press="")))
        log.error(line.remedy_first)
        message = "\n".join([line.remedy_first, *complaints])
        return Failed(message=message, data=UserError(message))
    log.info(str(line))
    _tell("finished", date_of_night.isoformat(), str(line), str(this_run.get_id()))
    runs = [result.outcome.summary for result in results if result.outcome.summary]
    return Completed(message=str(line), data=NightSummary(night=date_of_night.isoformat(), runs=runs))


def tell_failure(flow: object, flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - a hook of Prefect
    """The event of a night that failed, with what the run page says."""
    _tell("failed", flow_run.name.removeprefix("night of "), state.message or "", str(flow_run.id))


def _evaluated(
    entry: NightlyExperiment, night: date, root: str | None, evaluate: Flow[..., Summary]
) -> NightAttempt:
    """Evaluate one experiment; whatever happens to it does not cost the night its others."""
    log, began, name, summary, complaint = get_run_logger(), time.monotonic(), entry.named.label, None, ""
    again = None
    try:
        experiment = experiment_of(entry, night)
        name = experiment.name
        named = evaluate.with_options(flow_run_name=f"{name} evaluate {night}")
        with tags(name, night.isoformat()):
            summary = named(experiment=experiment, root=root, limit=entry.limit)
    except UserError as error:
        if isinstance(error, FlowIncomplete):
            summary, again = error.summary, error.again_seconds
        complaint = str(error)
    except Exception as error:  # a defect in one experiment
        log.exception("%s", name)
        complaint = f"{type(error).__name__}: {error}"
    return NightAttempt(name, summary, complaint, time.monotonic() - began, entry.baseline_nights, again)


def _publish(night: date, results: Sequence[NightResult], store: Store) -> None:
    """The night's page as an artifact, its report, and the event of metrics that fell."""
    run_ids = [result.outcome.summary["run_id"] for result in results if result.outcome.summary]
    text = page_of(night, results, store.root, _report(store, night, run_ids))
    create_markdown_artifact(text, key="a2r-nightly", description=line_of(results).ran)
    fallen = [
        f"{change.run_id}: {change.metric} {change.change:+.3f} against {_nights(len(change.baseline))}"
        for result in results
        for change in result.fallen
    ]
    if fallen:
        message = "\n".join([str(line_of(results)), *fallen])
        _tell("regression", night.isoformat(), message, str(this_run.get_id()))


def _report(store: Store, night: date, run_ids: Sequence[str]) -> str:
    """How to read the night's report; empty where there is none."""
    if not run_ids:
        return ""
    try:
        return how_to_read(store, write_night_report(store, night, run_ids))
    except UserError as error:
        get_run_logger().warning("The night's report was not written: %s", error)
        return ""


def _tell(what: str, night: str, message: str, flow_run_id: str) -> None:
    emit_event(
        f"a2r.nightly.{what}",
        resource={"prefect.resource.id": "a2r.nightly", "prefect.resource.name": "night", "a2r.night": night},
        related=[
            {"prefect.resource.id": f"prefect.flow-run.{flow_run_id}", "prefect.resource.role": "flow-run"}
        ],
        payload={"message": message, "flow_run": flow_run_id},
    )


def _nights(count: int) -> str:
    return "the last night" if count <= 1 else f"the last {count} nights"
