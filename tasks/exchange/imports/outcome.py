"""What an import tells, and the run that stands for it: an earlier one where nothing would change."""

from collections.abc import Callable
from typing import Any

import orjson
from rich.console import Console

from tasks.exchange.imports.importing import Imported
from tasks.grading.kinds import grader_of
from tasks.publish import summarize
from warehouse.catalog import connect
from warehouse.loading import load
from warehouse.store import Store

Flow = Callable[..., dict[str, Any]]


def run_of(imported: Imported, evaluate: Flow, root: str) -> Flow:
    """The flow that gives the import's numbers: of the run there is, else of one made now by `evaluate`.

    A log with broken lines is never reported as complete.
    """

    def flow(**arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - a flow's own arguments
        run_id = _recorded_run(imported, root)
        summary = summarize(Store(root), run_id) if run_id else evaluate(**arguments)
        if imported.report.num_broken:
            summary["status"] = "incomplete"
        return {**summary, "import": imported.facts()}

    return flow


def _recorded_run(imported: Imported, root: str) -> str | None:
    """The complete run that stands for this import already: same experiment, same grader; None without one."""
    store = Store(root)
    if not store.catalog_path.exists():
        return None
    load(store)
    with connect(store) as catalog:
        runs = catalog.execute(
            "select run_id, config from runs where experiment = ? and grader = ? and status = 'complete' "
            "order by started_at desc",
            [imported.experiment.name, grader_of(imported.experiment.grader, store.root).key],
        ).fetchall()
    config = imported.experiment.model_dump(mode="json")
    return next((run_id for run_id, held in runs if orjson.loads(held) == config), None)


def print_import(imported: Imported, *, as_json: bool) -> None:
    """What came in, what could not, what was decided, and where the experiment is; on stderr with `as_json`."""
    console = Console(stderr=as_json)
    recording, header, report = imported.recording, imported.header, imported.report
    plain: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}
    console.print(
        f"{header.tool}: {recording.num_outputs:,} outputs of {len(recording.problems):,} problems"
        + (f", {recording.num_failed:,} recorded failures" if recording.num_failed else "")
        + ("" if recording.is_new else "; the same recording was there already"),
        **plain,
    )
    for note in header.notes:
        console.print(f"  {note}", **plain)
    if header.model is None:
        console.print("  the log names no model; it is called unknown (--model NAME)", **plain)
    if recording.num_uneven:
        console.print(
            f"  {recording.num_uneven} problems have fewer samples than others; what is missing counts as not recorded",
            **plain,
        )
    if recording.num_shared:
        console.print(
            f"  {recording.num_shared} problems repeat another's question; the first one's outputs stand for all",
            **plain,
        )
    for grader, (count, right) in imported.judged.items():
        console.print(f"  the log's own verdicts: {grader}, {right:,} of {count:,} correct", **plain)
    console.print(f"  experiment: {imported.experiment_file}", **plain)
    if report.num_broken:
        console.print(f"{report.num_broken:,} lines could not be used and are not in the import:", **plain)
        for sentence in report.breaks:
            console.print(f"  {sentence}", **plain)
        if report.num_broken > len(report.breaks):
            console.print(f"  … and {report.num_broken - len(report.breaks):,} more", **plain)
