"""A night: its experiments, each on the same or on fresh samples, and what has changed since the last."""

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from prefect import Flow, tags
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.runtime import flow_run as this_run
from pydantic import TypeAdapter

from configs.errors import UserError
from configs.experiment import Experiment
from configs.nightly import Night, NightlyExperiment, load_nightly
from tasks.publish import Summary, changes
from tasks.run_names import scheduled_at
from tasks.runs import default_root
from tasks.shards import StageFailed
from tasks.watching import write_sentences
from warehouse.store import Store


def night_of(timezone: str) -> date:
    """The date for which the present flow run was scheduled, where the night's schedule is read.

    A retry, days later, stays that night. In another zone than the schedule's, two nights around a
    change of the clocks may share a date.
    """
    return scheduled_at().astimezone(ZoneInfo(timezone)).date()


def night_name() -> str:
    """The flow run's name."""
    night = TypeAdapter(Night | None).validate_python(this_run.get_parameters().get("night"))
    return f"night of {night_of((night or load_nightly()).timezone).isoformat()}"


def experiment_of(entry: NightlyExperiment, night: date) -> Experiment:
    """The entry's experiment; for fresh samples with the night in its base seeds. Raises UserError."""
    experiment = entry.load()
    if entry.samples == "same":
        return experiment
    explorer = with_seed_of(experiment.explorer, night)
    synthesizer = experiment.synthesizer and with_seed_of(experiment.synthesizer, night)
    return experiment.model_copy(update={"explorer": explorer, "synthesizer": synthesizer})


def with_seed_of(role: Any, night: date) -> Any:  # noqa: ANN401 - Explorer or Synthesizer, the same comes back
    """The role with a base seed derived from its own and the night's date."""
    digest = hashlib.sha256(f"{role.sampling.seed}/{night.isoformat()}".encode()).digest()
    sampling = role.sampling.model_copy(update={"seed": int.from_bytes(digest[:4], "big") >> 1})
    return role.model_copy(update={"sampling": sampling})


def run_night(night: Night, root: str | None, evaluate: Flow[..., Summary]) -> dict[str, Any]:
    """Evaluate every experiment, tell what changed, and fail if any is incomplete."""
    write_sentences()
    date_of_night, log = night_of(night.timezone), get_run_logger()
    summaries: list[Summary] = []
    complaints: list[str] = []
    for entry in night.experiments:
        try:
            experiment = experiment_of(entry, date_of_night)
            named = evaluate.with_options(flow_run_name=f"{experiment.name} evaluate {date_of_night}")
            with tags(experiment.name, date_of_night.isoformat()):
                summaries.append(named(experiment=experiment, root=root, limit=entry.limit))
        except UserError as error:
            if isinstance(error, StageFailed):
                summaries.append(error.summary)
            complaints.append(f"{entry.label}: {error}")
        except Exception as error:  # a defect in one experiment does not cost the night its others
            log.exception("%s", entry.label)
            complaints.append(f"{entry.label}: {type(error).__name__}: {error}")
    _report(date_of_night, summaries, complaints, root)
    if complaints:
        raise UserError("\n".join(complaints))
    return {"night": date_of_night.isoformat(), "runs": summaries}


def tell_failure(flow: object, flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - a hook of Prefect
    """The event of a night that failed, with what the run page says."""
    emit_event(
        "a2r.nightly.failed",
        resource=_resource(flow_run.name.removeprefix("night of ")),
        related=[
            {"prefect.resource.id": f"prefect.flow-run.{flow_run.id}", "prefect.resource.role": "flow-run"}
        ],
        payload={"message": state.message or "", "flow_run": str(flow_run.id)},
    )


def _report(night: date, summaries: Sequence[Summary], complaints: list[str], root: str | None) -> None:
    """The night's leaderboard as an artifact, and its events for automations."""
    store = Store(root or default_root())
    since = {summary["run_id"]: changes(store, summary["run_id"]) for summary in summaries}
    text = leaderboard(night, summaries, since, complaints, store.root)
    create_markdown_artifact(text, key="a2r-nightly", description=f"night of {night.isoformat()}")
    fallen = [
        f"{run_id}: {name} {change['change']:+.3f}"
        for run_id, found in since.items()
        for name, change in found.items()
        if change["high"] is not None and change["high"] < 0
    ]
    resource, run_id = _resource(night.isoformat()), str(this_run.get_id())
    related = [{"prefect.resource.id": f"prefect.flow-run.{run_id}", "prefect.resource.role": "flow-run"}]
    if fallen:
        payload = {"message": "\n".join(fallen), "flow_run": run_id}
        emit_event("a2r.nightly.regression", resource=resource, related=related, payload=payload)
    if not complaints:
        payload = {"message": f"{len(summaries)} experiments are complete.", "flow_run": run_id}
        emit_event("a2r.nightly.finished", resource=resource, related=related, payload=payload)


def leaderboard(
    night: date,
    summaries: Sequence[Summary],
    since: dict[str, dict[str, Any]],
    complaints: Sequence[str],
    root: str,
) -> str:
    """The night as Markdown: what is incomplete, every metric with its change, where to ask more."""
    lines = [f"# Night of {night.isoformat()}", ""]
    for complaint in complaints:
        lines += [f"**Incomplete** – {complaint}", ""]
    for summary in summaries:
        wanted, failed, cut = (
            sum(counts[name] for counts in summary["stages"].values())
            for name in ("wanted", "errors", "truncated")
        )
        lines += [
            f"## {summary['run_id']} – {summary['status']}",
            "",
            f"{wanted:,} traces wanted, {failed:,} failed, {cut:,} truncated.",
            "",
            "| metric | accuracy | 95 % interval | problems | change since the last night |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [
            f"| {name} | {_number(value['estimate'])} | {_number(value['low'])} – {_number(value['high'])} "
            f"| {value['n']} | {_change(since[summary['run_id']].get(name))} |"
            for name, value in summary.get("metrics", {}).items()
        ]
        lines.append("")
    lines.append(f'Ask more: `a2r sql "from leaderboard" --root {root}`')
    return "\n".join(lines)


def _resource(night: str) -> dict[str, str]:
    return {"prefect.resource.id": "a2r.nightly", "prefect.resource.name": "night", "a2r.night": night}


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _change(change: dict[str, Any] | None) -> str:
    if change is None:
        return "first night"
    if change["low"] is None:
        return f"{change['change']:+.3f}"
    return f"{change['change']:+.3f} ({change['low']:+.3f} … {change['high']:+.3f})"
