"""A run's numbers as the catalog has them."""

from typing import cast

from warehouse.catalog import Row, connect, rows
from warehouse.manifest import read_manifest
from warehouse.relations import statement
from warehouse.store import Store
from warehouse.summary import Agreement, Cost, Metric, Summary, VerdictCounts


def summarize(store: Store, run_id: str) -> Summary:
    """A run's numbers from the catalog."""
    manifest = read_manifest(store, run_id)
    with connect(store) as catalog:

        def asked(name: str) -> list[Row]:
            return rows(catalog, statement(f"asking/{name}"), {"run_id": run_id})

        metrics, costs, verdicts = map(asked, ("metrics", "costs", "verdicts"))
        agreement = asked("agreement") if manifest.grader.startswith("cascade-") else []
        members = asked("suite_metrics") if manifest.suite else []
    benchmarks: dict[str, dict[str, Metric]] = {name: {} for name in manifest.suite}
    for row in members:
        benchmarks[row.pop("member")][row.pop("metric")] = cast("Metric", row)
    summary: Summary = {
        "run_id": run_id,
        "status": manifest.status,
        "stages": {name: stage.counts for name, stage in manifest.stages.items()},
        "metrics": {row.pop("metric"): cast("Metric", row) for row in metrics},
        "cost": {row.pop("stage"): cast("Cost", row) for row in costs},
        "agreement": [cast("Agreement", row) for row in agreement],
        "verdicts": {row.pop("stage"): cast("VerdictCounts", row) for row in verdicts},
        "warnings": list(manifest.warnings),
    }
    if benchmarks:
        summary["benchmarks"] = benchmarks
    return summary
