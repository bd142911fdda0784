"""`a2r report`: which runs, where to, and what is said of it."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tasks.analysis.report.data import as_json, findings
from tasks.analysis.report.page import write_findings
from tasks.analysis.report.texts import TextLimits
from tasks.progress import PROGRESS
from warehouse.store import Store


def report_runs(
    run_ids: Sequence[str],
    experiments: Sequence[str],
    root: str,
    output: Path,
    limits: TextLimits,
    *,
    as_data: bool,
) -> None:
    """Write the page and say what is in it, or print its rows as JSON. Raises UserError."""
    store = Store(root)
    found = findings(store, run_ids, experiments)
    if as_data:
        sys.stdout.write(as_json(found).decode())
        return
    console = Console(stderr=True)
    with PROGRESS.shown_on(console):
        info = write_findings(store, found, output, limits)
    texts = f"texts of {info.num_problems_with_texts:,} of {info.num_problems:,} problems"
    cut = f", {info.num_texts_cut:,} long texts without their middle" if info.num_texts_cut else ""
    Console().print(
        f"{info.path}: {info.num_bytes / 1e6:,.1f} MB, {info.num_runs} runs, {info.num_traces_with_texts:,} traces, "
        f"{texts}{cut}.",
        soft_wrap=True,
        highlight=False,
    )
