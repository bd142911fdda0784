"""What came of a sweep's cells, as rows of one table."""

from collections.abc import Mapping
from typing import Literal, NotRequired

from pydantic import JsonValue
from typing_extensions import TypedDict  # of pydantic, which refuses typing's before Python 3.12

from warehouse.summary import Cost, Metric, StageCounts, Status

METRICS = ("mean@1", "cons", "pass", "a2r")
"""Columns of the table; `cons` and `pass` are those over all of the cell's samples, of adaptive ones too."""


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


def table_row(outcome: CellOutcome) -> dict[str, str | int]:
    """A cell's outcome as a row of the sweep's table: heading and text."""
    metrics, stages = outcome.get("metrics", {}), outcome.get("stages", {})
    shown: dict[str, str | int] = {"cell": outcome["cell"], "status": outcome["status"]}
    for column in METRICS:
        found = [
            (name, value)
            for name, value in metrics.items()
            if name.removeprefix("stopped-").partition("@")[0] == column.partition("@")[0]
        ]
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
