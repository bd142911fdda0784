"""A sweep: its cells one after the other, then all of them in one table."""

from collections.abc import Callable
from typing import cast

from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger
from typing_extensions import TypedDict  # of pydantic, which refuses typing's before Python 3.12

from configs.schema import UserError
from configs.sweep import Sweep, SweepCell, cells_of
from tasks.engines.pool import ENGINES, Stopped
from tasks.executor.errors import FlowIncomplete
from tasks.ops.sweep_table import CellOutcome, Failed, table_row
from warehouse.summary import Status, Summary


class SweepSummary(TypedDict):
    """The object of `a2r sweep --json`."""

    sweep: str
    status: Status
    cells: list[CellOutcome]


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


def _outcome(cell: SweepCell, summary: Summary | Failed) -> CellOutcome:
    told = CellOutcome(
        cell=cell.label, experiment=cell.experiment.name, settings=cell.settings, status=summary["status"]
    )
    return cast("CellOutcome", {**told, **summary})
