"""What loading, verifying, compaction and pruning did to a root, or would do."""

from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

from rich.filesize import decimal
from rich.table import Table

from flows.commands.terminal import print_json, print_line, table_console
from tasks.ops.upkeep import KINDS, CompactionReport, PruneReport
from warehouse.integrity import Damage
from warehouse.loader import LoadReport


def print_load(report: LoadReport, catalog: Path) -> None:
    """What came into the catalog."""
    source = "rebuilt from" if report.is_rebuilt else "new:"
    print_line(f"{source} {report.num_files:,} files, {report.num_rows:,} rows → {catalog}")


def print_damages(damages: Sequence[Damage], root: str) -> None:
    """A line per damage, or that there is none."""
    for damage in damages:
        print_line(f"{damage.path}: {damage.kind}: {damage.detail}")
    if not damages:
        print_line(f"{root}: no damage found.")


def print_compaction(report: CompactionReport, *, as_json: bool) -> None:
    """Files and bytes before and after, and on stderr what had to be left alone."""
    if as_json:
        print_json(report)
    else:
        table = Table(title=f"compacted {report.root}", title_justify="left")
        for heading in ("kind", "files before", "after", "bytes before", "after"):
            table.add_column(heading, justify="left" if heading == "kind" else "right")
        for kind in KINDS:
            old, new = report.before[kind], report.after[kind]
            table.add_row(kind, f"{old.files:,}", f"{new.files:,}", decimal(old.bytes), decimal(new.bytes))
        table_console().print(table)
    for complaint in report.complaints:
        print_line(complaint, stderr=True)


def print_pruning(report: PruneReport, *, as_json: bool) -> None:
    """The runs that go, or have gone, and what that frees."""
    if as_json:
        print_json(report.as_dict())
        return
    if not report.runs:
        print_line(f"No run matches; nothing {'was' if report.is_applied else 'would be'} removed.")
        return
    title = f"{'removed' if report.is_applied else 'would be removed'} from {report.root}"
    table = Table(title=title, title_justify="left")
    for heading in ("run", "experiment", "started (UTC)"):
        table.add_column(heading)
    for run in report.runs:
        table.add_row(run.run_id, run.experiment, f"{run.started_at.astimezone(UTC):%Y-%m-%d %H:%M}")
    table_console().print(table)
    plan = report.plan
    print_line(
        f"{len(report.runs):,} runs; {plan.num_traces:,} traces and {plan.num_grades:,} verdicts that no other run "
        f"wants, in {len(plan.parts):,} parts; {'freed' if report.is_applied else 'frees about'} "
        f"{decimal(plan.num_bytes)} beside the catalog."
    )
    if not report.is_applied:
        print_line("Nothing was removed; the same command with --apply removes it permanently.")
