"""A sweep: its cells one after the other, then all of them in one table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, NotRequired, cast

from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger
from pydantic import JsonValue
from typing_extensions import TypedDict  # of pydantic, which refuses typing's before Python 3.12

from configs.schema import UserError
from configs.sweep import Sweep, SweepCell, cells_of
from tasks.analysis.check import CheckReport, check_experiment
from tasks.engines.pool import ENGINES, Stopped
from tasks.executor.errors import FlowIncomplete
from warehouse.summary import Cost, Metric, StageCounts, Status, Summary

METRICS = ("mean@1", "cons", "pass", "a2r")
"""Columns of the table; `cons` and `pass` are those over all of the cell's samples."""


class Failed(TypedDict):
    """What is left of a cell whose run came to no numbers."""

    status: Literal["failed"]


class CellOutcome(TypedDict):
    """A cell, what it changes, and what came of it: its run's summary unless it failed."""

    cell: str
    experiment: str
    settings: Mapping[str, JsonValue]
    status: Status | Literal["failed"]
    run_id: NotRequired[str]
    stages: NotRequired[dict[str, StageCounts]]
    metrics: NotRequired[dict[str, Metric]]
    cost: NotRequired[dict[str, Cost]]


class SweepSummary(TypedDict):
    """The object of `a2r sweep --json`."""

    sweep: str
    status: Status
    cells: list[CellOutcome]


class CellCheck(NamedTuple):
    """What one cell would find and need."""

    cell: SweepCell
    report: CheckReport


@dataclass(frozen=True, slots=True)
class SweepCheck:
    """What a sweep would find and need; traces that cells share are counted once in the totals."""

    sweep: str
    cells: tuple[CellCheck, ...]
    missing: int
    max_completion_tokens: int

    def as_dict(self) -> dict[str, object]:
        """The object of `a2r sweep --dry-run --json`."""
        return {
            "sweep": self.sweep,
            "cells": [{"cell": cell.label, **report.as_dict()} for cell, report in self.cells],
            "missing": self.missing,
            "max_completion_tokens": self.max_completion_tokens,
        }


def run_sweep(
    sweep: Sweep, root: str | None, limit: int | None, evaluate: Callable[..., Summary]
) -> SweepSummary:
    """Evaluate every cell; one that fails does not hold up the others. Raises FlowIncomplete at the end.

    Cells share what they have in common: explorer traces are made by the first cell that wants them.
    """
    log, outcomes, complaints = get_run_logger(), list[CellOutcome](), list[str]()
    cells = cells_of(sweep)
    for number, cell in enumerate(cells, start=1):
        stops = ENGINES.stops
        try:
            summary: Summary | Failed = evaluate(experiment=cell.experiment, root=root, limit=limit)
        except UserError as error:
            summary = error.summary if isinstance(error, FlowIncomplete) else Failed(status="failed")
            complaints.append(f"{cell.label}: {error}")
        if ENGINES.stops > stops:
            raise Stopped
        outcomes.append(_outcome(cell, summary))
        log.info("cell %d/%d, %s: %s", number, len(cells), cell.label, summary["status"])
    status: Status = "incomplete" if complaints else "complete"
    report = SweepSummary(sweep=sweep.name, status=status, cells=outcomes)
    create_table_artifact(
        table=[table_row(outcome) for outcome in outcomes],
        key="a2r-sweep",
        description=f"Sweep {sweep.name}. Estimates with 95 % intervals clustered by problem.",
    )
    if complaints:
        done = len(outcomes) - len(complaints)
        raise FlowIncomplete(
            report,
            "\n".join(complaints)
            + f"\n{done} of {len(outcomes)} cells are complete; run the same command again, or press Retry, for the rest.",
        )
    return report


def check_sweep(sweep: Sweep, root: str, limit: int | None = None) -> SweepCheck:
    """Reach every cell's engines and count what a sweep would make. What cells share is counted once."""
    cells = [CellCheck(cell, check_experiment(cell.experiment, root, limit)) for cell in cells_of(sweep)]
    shared: dict[tuple[str, ...], tuple[int, int]] = {}
    for cell, report in cells:
        benchmark = cell.experiment.benchmark.model_dump_json()
        for stage, check in report.stages.items():
            key = (stage, check.recipe, benchmark)
            missing, tokens = shared.get(key, (0, 0))
            shared[key] = (max(missing, check.missing), max(tokens, check.max_completion_tokens))
    return SweepCheck(
        sweep=sweep.name,
        cells=tuple(cells),
        missing=sum(missing for missing, _ in shared.values()),
        max_completion_tokens=sum(tokens for _, tokens in shared.values()),
    )


def _outcome(cell: SweepCell, summary: Summary | Failed) -> CellOutcome:
    told = CellOutcome(
        cell=cell.label, experiment=cell.experiment.name, settings=cell.settings, status=summary["status"]
    )
    return cast("CellOutcome", {**told, **summary})


def table_row(outcome: CellOutcome) -> dict[str, str | int]:
    """A cell's outcome as a row of the sweep's table: heading and text."""
    metrics, stages = outcome.get("metrics", {}), outcome.get("stages", {})
    shown: dict[str, str | int] = {"cell": outcome["cell"], "status": outcome["status"]}
    for column in METRICS:
        found = [(n, value) for n, value in metrics.items() if n == column or n.startswith(f"{column}@")]
        shown[column] = _interval(*found[-1]) if found else "–"
    shown["problems"] = metrics["mean@1"]["n"] if "mean@1" in metrics else "–"
    for count in ("errors", "truncated"):
        shown[count] = sum(stage[count] for stage in stages.values())
    costs = [cost for stage, cost in outcome.get("cost", {}).items() if stage != "judge"]
    shown["tokens"] = f"{sum(cost['tokens'] or 0 for cost in costs):,}"
    for unit in ("petaflops", "dollars"):
        amounts = [cost[unit] for cost in costs]
        known = [amount for amount in amounts if amount is not None]
        shown[unit] = f"{sum(known):.4g}" if known and len(known) == len(amounts) else "–"
    return shown


def _interval(name: str, value: Metric) -> str:
    if value["estimate"] is None:
        return "–"
    k = name.partition("@")[2]
    text = f"{value['estimate']:.3f}" + (f" @{k}" if k and name != "mean@1" else "")
    return text if value["low"] is None else f"{text} [{value['low']:.3f}, {value['high']:.3f}]"
