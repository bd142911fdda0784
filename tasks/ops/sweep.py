"""A sweep: its cells one after the other, then all of them in one table."""

from collections.abc import Callable
from typing import Any

from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger
from rich.console import Console
from rich.table import Table

from configs.schema import UserError
from configs.sweep import Sweep, SweepCell, cells_of
from tasks.analysis.check import counts_of
from tasks.engines.pool import ENGINES, Stopped
from tasks.executor.failures import FlowIncomplete
from tasks.publish import Summary
from tasks.terminal import print_json, table_console

METRICS = ("mean@1", "cons", "pass", "a2r")
"""Columns of the table; `cons` and `pass` are those of all the cell's samples."""


def run_sweep(
    sweep: Sweep, root: str | None, limit: int | None, evaluate: Callable[..., Summary]
) -> dict[str, Any]:
    """Evaluate every cell; one that fails does not hold up the others. Raises FlowIncomplete at the end.

    Cells share what they have in common: explorer traces are made by the first cell that wants them.
    """
    log, outcomes, complaints = get_run_logger(), [], []
    cells = cells_of(sweep)
    for number, cell in enumerate(cells, start=1):
        stops = ENGINES.stops
        try:
            summary: Summary = evaluate(experiment=cell.experiment, root=root, limit=limit)
        except UserError as error:
            summary = error.summary if isinstance(error, FlowIncomplete) else {"status": "failed"}
            complaints.append(f"{cell.label}: {error}")
        if ENGINES.stops > stops:
            raise Stopped
        outcomes.append(_outcome(cell, summary))
        log.info("cell %d/%d, %s: %s", number, len(cells), cell.label, summary["status"])
    report = {
        "sweep": sweep.name,
        "status": "incomplete" if complaints else "complete",
        "cells": outcomes,
    }
    create_table_artifact(
        table=[_row(outcome) for outcome in outcomes],
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


def print_sweep(report: dict[str, Any], console: Console, root: str) -> None:
    """The table at the end of `a2r sweep`, and how to ask for it again."""
    table = Table(title=f"sweep {report['sweep']}", title_justify="left", caption_justify="left")
    table.caption = "accuracy with 95 % intervals, clustered by problem"
    rows = [_row(outcome) for outcome in report["cells"]]
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading in {"cell", "status"} else "right")
    for row in rows:
        table.add_row(*map(str, row.values()))
    console.print(table)
    query = f"from leaderboard where experiment like '{report['sweep']}.%' order by run_id, stage"
    console.print(f'\nNext:  a2r sql "{query}" --root {root}', highlight=False, soft_wrap=True)


def check_sweep(sweep: Sweep, root: str, limit: int | None, *, as_json: bool) -> None:
    """Reach every cell's engines and count what a sweep would make. What cells share is counted once."""
    counted = [(cell, counts_of(cell.experiment, root, limit)) for cell in cells_of(sweep)]
    shared: dict[tuple[str, ...], dict[str, int]] = {}
    for cell, counts in counted:
        benchmark = cell.experiment.benchmark.model_dump_json()
        for stage, row in counts["stages"].items():
            largest = shared.setdefault((stage, row["recipe"], benchmark), {"missing": 0, "tokens": 0})
            largest["missing"] = max(largest["missing"], row["missing"])
            largest["tokens"] = max(largest["tokens"], row["max_completion_tokens"])
    report = {
        "sweep": sweep.name,
        "cells": [{"cell": cell.label, **counts} for cell, counts in counted],
        "missing": sum(part["missing"] for part in shared.values()),
        "max_completion_tokens": sum(part["tokens"] for part in shared.values()),
    }
    if as_json:
        print_json(report)
        return
    table = Table(title=f"sweep {sweep.name}: {len(counted)} cells", title_justify="left")
    for heading in ("cell", "problems", "explore missing", "synthesize missing"):
        table.add_column(heading, justify="left" if heading == "cell" else "right")
    for cell, counts in counted:
        stages = counts["stages"]
        missing = [f"{stages[s]['missing']:,}" if s in stages else "–" for s in ("explore", "synthesize")]
        table.add_row(cell.label, f"{counts['num_problems']:,}", *missing)
    console = table_console()
    console.print(table)
    console.print(
        f"To be made in all, shared traces once: {report['missing']:,} traces, at most "
        f"{report['max_completion_tokens']:,} completion tokens.",
        highlight=False,
        soft_wrap=True,
    )


def _outcome(cell: SweepCell, summary: Summary) -> dict[str, Any]:
    return {"cell": cell.label, "experiment": cell.experiment.name, "settings": cell.settings, **summary}


def _row(outcome: dict[str, Any]) -> dict[str, Any]:
    """A cell as a line of the table."""
    metrics, stages = outcome.get("metrics", {}), outcome.get("stages", {})
    shown = {"cell": outcome["cell"], "status": outcome["status"]}
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
        shown[unit] = "–" if None in amounts or not amounts else f"{sum(amounts):.4g}"
    return shown


def _interval(name: str, value: dict[str, Any]) -> str:
    if value["estimate"] is None:
        return "–"
    k = name.partition("@")[2]
    text = f"{value['estimate']:.3f}" + (f" @{k}" if k and name != "mean@1" else "")
    return text if value["low"] is None else f"{text} [{value['low']:.3f}, {value['high']:.3f}]"
