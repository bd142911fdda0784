"""What a sweep would find, need and cost, before it is started."""

from dataclasses import dataclass
from typing import NamedTuple

from configs.sweep import Sweep, SweepCell, cells_of
from tasks.analysis.check import CheckReport, check_experiment


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

    @property
    def absent(self) -> tuple[str, ...]:
        """Sentences about engines that are not installed here, those that cells share once."""
        return tuple(dict.fromkeys(told for _, report in self.cells for told in report.absent))

    def as_dict(self) -> dict[str, object]:
        """The object of `a2r sweep --dry-run --json`."""
        return {
            "sweep": self.sweep,
            "cells": [{"cell": cell.label, **report.as_dict()} for cell, report in self.cells],
            "missing": self.missing,
            "max_completion_tokens": self.max_completion_tokens,
        }


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
