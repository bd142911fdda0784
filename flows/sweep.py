"""The sweep flow: one experiment over a grid of settings."""

import tasks.executor.environment  # noqa: F401 - before Prefect

from prefect import flow

from configs.sweep import Sweep
from flows.evaluate import evaluate
from tasks.ops.sweep import SweepSummary, run_sweep


@flow(name="sweep", flow_run_name="{grid.name}")
def sweep(grid: Sweep, root: str | None = None, limit: int | None = None) -> SweepSummary:
    """Evaluate each cell of a sweep, one after the other, and show all of them in one table.

    Cells share what they have in common, so nothing is generated twice. A cell that fails does not
    hold up the others; the sweep then is Failed, and Retry makes what is missing.

    Args:
        grid: The base experiment and the axes.
        root: Where results live: a folder or an fsspec URL; else A2R_ROOT, else ./a2r-data.
        limit: Only the first so many problems of each cell.
    """
    return run_sweep(grid, root, limit, evaluate)
