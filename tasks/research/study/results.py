"""What the catalog says of the study's cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from tasks.research.study.cells import StudyCell
from warehouse.relations import statement
from warehouse.summary import Metric, Summary

VOTES = (1, 2, 4, 8, 16)
"""Votes for which a model alone is shown."""

Curve = Mapping[tuple[str, int], Mapping[str, float | None]]
"""(kind, k) -> estimate, low, high of an explorer's samples: kind is mean, cons or pass."""


@dataclass(frozen=True, slots=True)
class Result:
    """One cell with its numbers."""

    cell: StudyCell
    run_id: str
    metrics: Mapping[str, Metric]
    megaflops: float
    """Forward FLOPs per problem in millions: 2 x parameters x (prompt + completion tokens), summed over its models."""
    num_truncated: int
    """Answers of the last stage that reached the token limit, and count as wrong."""
    num_failed: int

    @property
    def answer(self) -> str:
        """The metric of the cell's last stage."""
        return "a2r" if self.cell.experiment.synthesizer else "mean@1"

    def interval(self, metric: str) -> tuple[float, float, float] | None:
        """Estimate, low and high; None without an estimate. One problem alone has an interval without width."""
        value = self.metrics[metric]
        estimate, low, high = value["estimate"], value["low"], value["high"]
        if estimate is None:
            return None
        return estimate, estimate if low is None else low, estimate if high is None else high


def results_of(
    catalog: duckdb.DuckDBPyConnection, outcomes: Sequence[tuple[StudyCell, Summary]]
) -> list[Result]:
    """The cells with what the catalog says of their runs."""
    ids = [summary["run_id"] for _, summary in outcomes]
    rows = catalog.execute(statement("study/costs"), {"run_ids": ids}).fetchall()
    results = []
    for cell, summary in outcomes:
        mine = [row for row in rows if row[0] == summary["run_id"]]
        last = mine[-1]  # `synthesize` comes after `explore`
        results.append(
            Result(
                cell,
                summary["run_id"],
                summary["metrics"],
                sum(row[2] or 0.0 for row in mine),
                last[3] or 0,
                last[4] or 0,
            )
        )
    return results
