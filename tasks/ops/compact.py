"""Compaction as a flow runs it: a line a merge in its log, a table on its page."""

from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger

from configs.schema import UserError
from tasks.ops.upkeep import CompactionReport, compact_store
from tasks.run import default_root
from warehouse.store import Store


def run_compaction(root: str | None, fewest: int) -> CompactionReport:
    """Compact a root. Raises UserError, after all else is done, where a folder had to be left alone."""
    report = compact_store(Store(root or default_root()), fewest, get_run_logger().info)
    table = [
        {
            "kind": kind,
            "files before": old.files,
            "files after": report.after[kind].files,
            "bytes before": old.bytes,
            "bytes after": report.after[kind].bytes,
        }
        for kind, old in report.before.items()
    ]
    create_table_artifact(table=table, key="a2r-compact", description=f"Compaction of {report.root}.")
    if report.complaints:
        raise UserError("\n".join(report.complaints))
    return report
