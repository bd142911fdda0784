"""`a2r compare`: runs held against the first of them, or a night against those before it, paired by problem."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any, Literal, NamedTuple

import duckdb
from rich.table import Table

from configs.schema import UserError
from tasks.analysis.naming import Named, resolve
from tasks.terminal import print_json, table_console
from warehouse.catalog import connect, rows, statement
from warehouse.statistics import LEVEL, bootstrap_interval, bootstrap_p, holm
from warehouse.store import Store

EXIT_REGRESSION = 3
NUM_NIGHTS = 7
"""Nights before that a night is held against unless told otherwise."""

Verdict = Literal["fell", "rose", "same", "unknown"]
"""`same`: not told apart from zero; `unknown`: fewer than two problems have a value on both sides."""


@dataclass(frozen=True, slots=True)
class Change:
    """One metric of a run, less its mean over the runs it is held against."""

    run_id: str
    baseline: tuple[str, ...]
    """The run ids it is held against."""
    metric: str
    before: float
    after: float
    change: float
    low: float | None
    """The paired 95 % interval of the change (Student's t), not corrected for the number of comparisons."""
    high: float | None
    p_value: float | None
    """Paired t."""
    p_corrected: float | None
    """After Holm, over all metrics of the comparison; what the verdict is taken from."""
    bootstrap_low: float | None
    bootstrap_high: float | None
    bootstrap_p: float | None
    smallest_effect: float | None
    """The true change that data with this spread would show in four cases of five."""
    num_problems: int
    num_better: int
    num_worse: int
    num_gained: int
    """Problems wrong before and right after (a value below, then above one half)."""
    num_lost: int
    num_undecided: int
    """Problems with a value of exactly one half on either side, which McNemar's test leaves out."""
    mcnemar_p: float
    verdict: Verdict


class Comparison(NamedTuple):
    """What is asked: a run, and the earlier runs whose mean it is held against."""

    baseline: tuple[str, ...]
    run_id: str


def watch(store: Store, run_id: str, num_nights: int = NUM_NIGHTS) -> list[Change]:
    """A run against the last `num_nights` earlier runs of the same experiment and benchmark.

    One change a metric, corrected by Holm for the number of metrics; empty where there is no earlier
    run. Raises UserError for an unknown run.
    """
    with connect(store) as catalog:
        earlier = _nights_before(catalog, resolve(catalog, run_id).run_id, num_nights)
        return changes_of(catalog, [Comparison(earlier, run_id)] if earlier else [])


def compare_runs(names: Sequence[str], root: str, *, baseline: int | None, as_json: bool) -> None:
    """Print every change and its verdict; exit 3 if any metric fell.

    Without `baseline`: each later run against the first. With it: one run (the latest unless named)
    against that many runs of its experiment before it. Raises UserError for what cannot be compared.
    """
    with connect(Store(root)) as catalog:
        runs = [resolve(catalog, name) for name in names or ["latest"]]
        if baseline is None:
            asked = [Comparison((runs[0].run_id,), run.run_id) for run in runs[1:]]
        else:
            asked = [Comparison(_earlier(catalog, runs[0], baseline), runs[0].run_id)]
        changes = changes_of(catalog, asked)
        for comparison in asked:
            if not any(change.run_id == comparison.run_id for change in changes):
                raise UserError(
                    f"{comparison.run_id} and {', '.join(comparison.baseline)} have no problem with a value in both; "
                    "compare runs of the same benchmark."
                )
    fell = any(change.verdict == "fell" for change in changes)
    if as_json:
        print_json({"verdict": overall(changes), "level": LEVEL, "correction": "holm", "changes": changes})
    else:
        _print(changes)
    if fell:
        raise SystemExit(EXIT_REGRESSION)


def overall(changes: Sequence[Change]) -> Verdict:
    """The verdict on all changes together: a fall outweighs a rise."""
    words: tuple[Verdict, ...] = ("fell", "rose", "same")
    verdicts = {change.verdict for change in changes}
    found: list[Verdict] = [word for word in words if word in verdicts]
    return found[0] if found else "unknown"


def changes_of(catalog: duckdb.DuckDBPyConnection, asked: Sequence[Comparison]) -> list[Change]:
    """Every metric of every comparison, p values corrected together."""
    found = [
        (comparison, row, _differences(catalog, comparison, row["metric"]))
        for comparison in asked
        for row in rows(catalog, "from compare_to(?, ?)", [list(comparison.baseline), comparison.run_id])
    ]
    corrected = holm([row["p_value"] for _, row, _ in found])
    return [
        _change(comparison, row, differences, p)
        for (comparison, row, differences), p in zip(found, corrected, strict=True)
    ]


def _change(
    comparison: Comparison, row: dict[str, Any], differences: Sequence[float], p_corrected: float | None
) -> Change:
    interval = bootstrap_interval(differences)
    if p_corrected is None:
        verdict: Verdict = "unknown"
    elif p_corrected >= LEVEL:
        verdict = "same"
    else:
        verdict = "fell" if row["change"] < 0 else "rose"
    values = {field.name: row[field.name] for field in fields(Change) if field.name in row}
    return Change(
        **values,
        run_id=comparison.run_id,
        baseline=comparison.baseline,
        p_corrected=p_corrected,
        bootstrap_low=interval.low if interval else None,
        bootstrap_high=interval.high if interval else None,
        bootstrap_p=bootstrap_p(differences),
        verdict=verdict,
    )


def _differences(catalog: duckdb.DuckDBPyConnection, comparison: Comparison, metric: str) -> list[float]:
    """Per problem, in a fixed order, so that the bootstrap says the same each time."""
    found = catalog.execute(
        "select difference from problem_changes(?, ?) where metric = ? order by problem_digest, problem_id",
        [list(comparison.baseline), comparison.run_id, metric],
    )
    return [row[0] for row in found.fetchall()]


def _earlier(catalog: duckdb.DuckDBPyConnection, run: Named, num_nights: int) -> tuple[str, ...]:
    earlier = _nights_before(catalog, run.run_id, num_nights)
    if not earlier:
        raise UserError(
            f"{run.run_id} is the first run of {run.experiment} on {run.benchmark}; there is nothing before it to "
            "hold it against. Run it again another night."
        )
    return earlier


def _nights_before(catalog: duckdb.DuckDBPyConnection, run_id: str, num_nights: int) -> tuple[str, ...]:
    """The last earlier runs of the same experiment and benchmark, newest first."""
    asked = {"run_id": run_id, "num_nights": num_nights}
    found = catalog.execute(statement("asking/nights_before"), asked)
    return tuple(row[0] for row in found.fetchall())


def _print(changes: Sequence[Change]) -> None:
    console = table_console()
    for (run_id, baseline), group in groupby(changes, key=lambda change: (change.run_id, change.baseline)):
        against = baseline[0] if len(baseline) == 1 else f"the mean of {len(baseline)} runs before it"
        table = Table(title=f"{run_id} against {against}", title_justify="left", caption_justify="left")
        table.caption = (
            "paired by problem; 95 % intervals (t); the verdict is Holm's for all metrics here; smallest: the change "
            "that data like these show in four cases of five"
        )
        headings = ("metric", "before", "after", "change", "95 % interval", "p", "McNemar p", "problems")
        for heading in (*headings, "better", "worse", "smallest", "verdict"):
            table.add_column(heading, justify="left" if heading in {"metric", "verdict"} else "right")
        for change in group:
            table.add_row(*_cells(change), style={"fell": "red", "rose": "green"}.get(change.verdict))
        console.print(table)


def _cells(change: Change) -> tuple[str, ...]:
    interval = "–" if change.low is None else f"{change.low:+.3f} … {change.high:+.3f}"
    return (
        change.metric,
        f"{change.before:.3f}",
        f"{change.after:.3f}",
        f"{change.change:+.3f}",
        interval,
        _p(change.p_value),
        _p(change.mcnemar_p),
        str(change.num_problems),
        str(change.num_better),
        str(change.num_worse),
        "–" if change.smallest_effect is None else f"{change.smallest_effect:.3f}",
        change.verdict,
    )


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"  # noqa: PLR2004
