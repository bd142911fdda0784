"""A night: its experiments, each on the same or on fresh samples, and what has changed since the last."""

import hashlib
import socket
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from prefect import Flow, tags
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.runtime import flow_run as this_run
from pydantic import TypeAdapter
from typing_extensions import TypedDict  # of pydantic, which refuses typing's before Python 3.12

from configs.experiment import Experiment, Explorer, Synthesizer
from configs.nightly import Night, NightlyExperiment, load_nightly
from configs.schema import UserError
from tasks.analysis.compare import Change, watch
from tasks.executor.artifacts import write_sentences
from tasks.executor.errors import FlowIncomplete
from tasks.executor.flow_runs import scheduled_at
from warehouse.store import Store, default_root
from warehouse.summary import Summary

MOST_REPORTS = 30
"""Reports of nights that are kept: each carries its own charts' code, about 5 MB; `a2r report` writes any again."""


R = TypeVar("R", Explorer, Synthesizer)


class Outcome(NamedTuple):
    """What became of one experiment of the night."""

    summary: Summary
    num_nights: int
    """How many earlier nights it is compared with."""


class NightSummary(TypedDict):
    """What the flow of a complete night returns."""

    night: str
    """Its date."""
    runs: list[Summary]


class BoardRow(NamedTuple):
    """What the leaderboard says of one experiment."""

    summary: Summary
    since_last: Sequence[Change]
    since_nights: Sequence[Change]


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
    explorer = with_seed_of(experiment.explorer, night)
    synthesizer = experiment.synthesizer and with_seed_of(experiment.synthesizer, night)
    return experiment.model_copy(update={"explorer": explorer, "synthesizer": synthesizer})


def with_seed_of(role: R, night: date) -> R:
    """The role with a base seed derived from its own and the night's date."""
    digest = hashlib.sha256(f"{role.sampling.seed}/{night.isoformat()}".encode()).digest()
    sampling = role.sampling.model_copy(update={"seed": int.from_bytes(digest[:4], "big") >> 1})
    return role.model_copy(update={"sampling": sampling})


def run_night(night: Night, root: str | None, evaluate: Flow[..., Summary]) -> NightSummary:
    """Evaluate every experiment, tell what changed, and fail if any is incomplete."""
    write_sentences()
    date_of_night, log = night_of(night.timezone), get_run_logger()
    outcomes: list[Outcome] = []
    complaints: list[str] = []
    for entry in night.experiments:
        try:
            experiment = experiment_of(entry, date_of_night)
            named = evaluate.with_options(flow_run_name=f"{experiment.name} evaluate {date_of_night}")
            with tags(experiment.name, date_of_night.isoformat()):
                summary = named(experiment=experiment, root=root, limit=entry.limit)
            outcomes.append(Outcome(summary, entry.baseline_nights))
        except UserError as error:
            if isinstance(error, FlowIncomplete):
                outcomes.append(Outcome(error.summary, entry.baseline_nights))
            complaints.append(f"{entry.named.label}: {error}")
        except Exception as error:  # a defect in one experiment does not cost the night its others
            log.exception("%s", entry.named.label)
            complaints.append(f"{entry.named.label}: {type(error).__name__}: {error}")
    _report(date_of_night, outcomes, complaints, root)
    if complaints:
        raise UserError("\n".join(complaints))
    return NightSummary(night=date_of_night.isoformat(), runs=[outcome.summary for outcome in outcomes])


def tell_failure(flow: object, flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - a hook of Prefect
    """The event of a night that failed, with what the run page says."""
    _tell("failed", flow_run.name.removeprefix("night of "), state.message or "", str(flow_run.id))


def _report(night: date, outcomes: Sequence[Outcome], complaints: list[str], root: str | None) -> None:
    """The night's leaderboard as an artifact, and its events for automations."""
    store = Store(root or default_root())
    rows = [
        BoardRow(
            o.summary, watch(store, o.summary["run_id"], 1), watch(store, o.summary["run_id"], o.num_nights)
        )
        for o in outcomes
    ]
    page = _page(store, night, [row.summary["run_id"] for row in rows])
    text = leaderboard(night, rows, complaints, store.root, page)
    create_markdown_artifact(text, key="a2r-nightly", description=f"night of {night.isoformat()}")
    fallen = [
        f"{change.run_id}: {change.metric} {change.change:+.3f} against {_nights(len(change.baseline))}"
        for row in rows
        for change in row.since_nights
        if change.verdict == "fell"
    ]
    if fallen:
        _tell("regression", night.isoformat(), "\n".join(fallen), str(this_run.get_id()))
    if not complaints:
        message = f"{len(rows)} of {len(rows)} experiments are complete."
        _tell("finished", night.isoformat(), message, str(this_run.get_id()))


def _page(store: Store, night: date, run_ids: Sequence[str]) -> str:
    """The path of the night's report, on this machine also for a root elsewhere; else an empty text."""
    if not run_ids:
        return ""
    folder = Path(store.root if store.is_local else "a2r-reports") / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"night-{night.isoformat()}.html"
    from tasks.analysis.report.page import write_report  # noqa: PLC0415 - its charts load slowly, and only here

    try:
        write_report(store, run_ids, path)
    except UserError as error:
        get_run_logger().warning("The night's report was not written: %s", error)
        return ""
    for old in sorted(folder.glob("night-*.html"))[:-MOST_REPORTS]:
        old.unlink(missing_ok=True)
    return str(path.resolve())


def leaderboard(
    night: date, rows: Sequence[BoardRow], complaints: Sequence[str], root: str, page: str
) -> str:
    """The night as Markdown: what is incomplete, every metric with its changes, where to ask more."""
    lines = [f"# Night of {night.isoformat()}", ""]
    for complaint in complaints:
        lines += [f"**Incomplete** – {complaint}", ""]
    for summary, last, earlier in rows:
        wanted, failed, cut = (
            sum(counts[name] for counts in summary["stages"].values())
            for name in ("wanted", "errors", "truncated")
        )
        since_last = {change.metric: change for change in last}
        since_nights = {change.metric: change for change in earlier}
        num_nights = len(earlier[0].baseline) if earlier else 0
        lines += [
            f"## {summary['run_id']} – {summary['status']}",
            "",
            f"{wanted:,} traces wanted, {failed:,} failed, {cut:,} truncated.",
            "",
            f"| metric | accuracy | 95 % interval | problems | since last night | since {_nights(num_nights)} |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        lines += [
            f"| {name} | {_number(value['estimate'])} | {_number(value['low'])} – {_number(value['high'])} "
            f"| {value['n']} | {_change(since_last.get(name))} | {_change(since_nights.get(name), verdict=True)} |"
            for name, value in summary.get("metrics", {}).items()
        ]
        lines.append("")
    lines += [
        "Changes are paired by problem, with 95 % intervals; a verdict is corrected for the number of metrics.",
        "",
        *([_how_to_read(page), ""] if page else []),
        f'Ask more: `a2r sql "from leaderboard" --root {root}`',
    ]
    return "\n".join(lines)


def _tell(what: str, night: str, message: str, flow_run_id: str) -> None:
    emit_event(
        f"a2r.nightly.{what}",
        resource={"prefect.resource.id": "a2r.nightly", "prefect.resource.name": "night", "a2r.night": night},
        related=[
            {"prefect.resource.id": f"prefect.flow-run.{flow_run_id}", "prefect.resource.role": "flow-run"}
        ],
        payload={"message": message, "flow_run": flow_run_id},
    )


def _how_to_read(page: str) -> str:
    """Where the report lies and how to open it: browsers follow no link from a page of a server to a file."""
    return (
        f"Report, with every trace to read: `{page}` on {socket.gethostname()}. No browser opens a file from here: "
        "copy the path into the address bar there, or fetch the file, which is whole by itself, and open it."
    )


def _nights(count: int) -> str:
    return "the last night" if count <= 1 else f"the last {count} nights"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _change(change: Change | None, *, verdict: bool = False) -> str:
    if change is None:
        return "first night"
    interval = "" if change.low is None else f" ({change.low:+.3f} … {change.high:+.3f})"
    return f"{change.change:+.3f}{interval}" + (f" {change.verdict}" if verdict else "")
