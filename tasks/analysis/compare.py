"""How runs compare with the first of them, or a night with those before it, paired by problem."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, NamedTuple

import duckdb

from configs.schema import UserError
from warehouse.catalog import Row, connect, rows
from warehouse.naming import NamedRun, resolve
from warehouse.relations import statement
from warehouse.statistics import LEVEL, bootstrap_interval, bootstrap_p, holm
from warehouse.store import Store

NUM_NIGHTS = 7
"""How many earlier nights a night is compared with by default."""

Trend = Literal["fell", "rose", "same", "unknown"]
"""`same`: no significant change; `unknown`: fewer than two problems have a value on both sides."""


@dataclass(frozen=True, slots=True)
class MemberChange:
    """What a change is on one benchmark of a suite; not corrected, and no verdict of its own."""

    before: float
    after: float
    change: float
    low: float | None
    high: float | None
    """The paired 95 % interval (Student's t)."""
    num_problems: int


@dataclass(frozen=True, slots=True)
class Change:
    """One metric of a run minus its mean over the baseline runs; of a suite, its macro-average, stratified by benchmark."""

    run_id: str
    baseline: tuple[str, ...]
    """The ids of the runs it is compared with."""
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
    """After Holm, over all metrics of the comparison; it decides the verdict."""
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
    verdict: Trend
    benchmarks: dict[str, MemberChange] = field(default_factory=dict)
    """By the benchmarks of a suite of which both sides have problems; empty elsewhere."""

    def as_dict(self) -> dict[str, object]:
        """The object of `a2r compare --json`."""
        said = asdict(self)
        return said if self.benchmarks else {name: said[name] for name in said if name != "benchmarks"}


class Comparison(NamedTuple):
    """A run, and the earlier runs whose mean it is compared with."""

    baseline: tuple[str, ...]
    run_id: str


def watch(store: Store, run_id: str, num_nights: int = NUM_NIGHTS) -> list[Change]:
    """A run against the last `num_nights` earlier runs of the same experiment and benchmark.

    One change per metric, corrected by Holm for the number of metrics; empty where there is no earlier
    run. Raises UserError for an unknown run.
    """
    with connect(store) as catalog:
        earlier = _nights_before(catalog, resolve(catalog, run_id).run_id, num_nights)
        return changes_of(catalog, [Comparison(earlier, run_id)] if earlier else [])


def compare_runs(names: Sequence[str], root: str, *, baseline: int | None = None) -> list[Change]:
    """Every change and its verdict, p values corrected together.

    Without `baseline`: each later run against the first. With it: one run (the latest if none is named)
    against that many runs of its experiment before it. A name is a run id, `latest`, or an experiment for
    its newest run. Raises UserError for what cannot be compared.
    """
    with connect(Store(root)) as catalog:
        runs = [resolve(catalog, name) for name in names or ["latest"]]
        if baseline is None:
            comparisons = [Comparison((runs[0].run_id,), run.run_id) for run in runs[1:]]
        else:
            comparisons = [Comparison(_earlier(catalog, runs[0], baseline), runs[0].run_id)]
        changes = changes_of(catalog, comparisons)
        for comparison in comparisons:
            if not any(change.run_id == comparison.run_id for change in changes):
                raise UserError(
                    f"{comparison.run_id} and {', '.join(comparison.baseline)} have no problem with a value in both; "
                    "compare runs of the same benchmark."
                )
    return changes


def overall(changes: Sequence[Change]) -> Trend:
    """The verdict on all changes together: a fall outweighs a rise."""
    words: tuple[Trend, ...] = ("fell", "rose", "same")
    verdicts = {change.verdict for change in changes}
    found: list[Trend] = [word for word in words if word in verdicts]
    return found[0] if found else "unknown"


def changes_of(catalog: duckdb.DuckDBPyConnection, comparisons: Sequence[Comparison]) -> list[Change]:
    """Every metric of every comparison, p values corrected together."""
    found = [
        (comparison, row, members.get(row["metric"], {}))
        for comparison in comparisons
        for members in [_by_member(catalog, comparison)]
        for row in rows(catalog, "from compare_to(?, ?)", [list(comparison.baseline), comparison.run_id])
    ]
    corrected = holm([row["p_value"] for _, row, _ in found])
    return [
        _change(comparison, row, _differences(catalog, comparison, row["metric"]), p, members)
        for (comparison, row, members), p in zip(found, corrected, strict=True)
    ]


def _change(
    comparison: Comparison,
    row: Row,
    strata: Sequence[Sequence[float]],
    p_corrected: float | None,
    members: dict[str, MemberChange],
) -> Change:
    interval = bootstrap_interval(*strata)
    if p_corrected is None:
        verdict: Trend = "unknown"
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
        bootstrap_p=bootstrap_p(*strata),
        verdict=verdict,
        benchmarks=members,
    )


def _differences(
    catalog: duckdb.DuckDBPyConnection, comparison: Comparison, metric: str
) -> list[list[float]]:
    """Per problem, in a fixed order, so that the bootstrap says the same each time; a list for each benchmark of a suite."""
    found = catalog.execute(
        "select list(difference order by problem_digest, problem_id) from problem_changes(?, ?) where metric = ? "
        "group by member order by member",
        [list(comparison.baseline), comparison.run_id, metric],
    )
    return [row[0] for row in found.fetchall()]


def _by_member(
    catalog: duckdb.DuckDBPyConnection, comparison: Comparison
) -> dict[str, dict[str, MemberChange]]:
    """By metric, the changes of a suite's benchmarks; empty elsewhere."""
    found = rows(
        catalog,
        "select metric, member, before, after, change, change - student_t(num_problems - 1) * standard_error as low, "
        "change + student_t(num_problems - 1) * standard_error as high, num_problems "
        "from member_changes(?, ?) where member is not null order by rank",
        [list(comparison.baseline), comparison.run_id],
    )
    changes: dict[str, dict[str, MemberChange]] = {}
    for row in found:
        metric, member = row.pop("metric"), row.pop("member")
        changes.setdefault(metric, {})[member] = MemberChange(**row)
    return changes


def _earlier(catalog: duckdb.DuckDBPyConnection, run: NamedRun, num_nights: int) -> tuple[str, ...]:
    earlier = _nights_before(catalog, run.run_id, num_nights)
    if not earlier:
        raise UserError(
            f"{run.run_id} is the first run of {run.experiment} on {run.benchmark}; there is nothing before it to "
            "compare it with. Run it again another night."
        )
    return earlier


def _nights_before(catalog: duckdb.DuckDBPyConnection, run_id: str, num_nights: int) -> tuple[str, ...]:
    """The last earlier runs of the same experiment and benchmark, newest first."""
    parameters = {"run_id": run_id, "num_nights": num_nights}
    found = catalog.execute(statement("asking/nights_before"), parameters)
    return tuple(row[0] for row in found.fetchall())
