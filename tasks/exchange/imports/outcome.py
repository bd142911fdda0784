"""The run of an import: an earlier one if nothing would change."""

from collections.abc import Callable
from typing import Any

import orjson

from tasks.exchange.imports.importing import Imported
from tasks.grading.grader_of import grader_of
from warehouse.catalog import connect
from warehouse.loader import load
from warehouse.store import Store
from warehouse.summarize import summarize
from warehouse.summary import Summary


def recorded(imported: Imported, root: str) -> dict[str, object] | None:
    """The import's numbers from a run that is on record already, or None."""
    run_id = _recorded_run(imported, root)
    return _outcome(imported, summarize(Store(root), run_id)) if run_id else None


def run_of(imported: Imported, evaluate: Callable[..., Summary]) -> Callable[..., dict[str, object]]:
    """A flow that returns the import's numbers from a new run by `evaluate`."""

    def flow(**arguments: Any) -> dict[str, object]:  # noqa: ANN401 - passed on to the flow
        return _outcome(imported, evaluate(**arguments))

    return flow


def _outcome(imported: Imported, summary: Summary) -> dict[str, object]:
    """The numbers and what was read. A log with broken lines is never reported as complete."""
    if imported.report.num_broken:
        summary["status"] = "incomplete"
    return {**summary, "import": imported.facts()}


def _recorded_run(imported: Imported, root: str) -> str | None:
    """The complete run of this import with the same experiment and grader, or None."""
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
