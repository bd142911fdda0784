"""Flows that look after a root."""

import tasks.executor.environment  # noqa: F401 - before Prefect

from prefect import flow

from tasks.ops.compact import run_compaction
from tasks.ops.upkeep import CompactionReport


@flow(name="compact", flow_run_name="compact")
def compact(root: str | None = None, fewest: int = 4) -> CompactionReport:
    """Merge many small files of a root into few big ones; nothing that any query shows is lost, runs may go on.

    Args:
        root: Where results live: a folder or an fsspec URL; else A2R_ROOT, else ./a2r-data.
        fewest: Leave alone what has fewer small files.
    """
    return run_compaction(root, fewest)
