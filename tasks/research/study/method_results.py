"""What the catalog says of the methods: accuracy, difference to A2R, cost and critical path, over all seeds there are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import duckdb
from pydantic import ValidationError

from configs.experiment import Experiment
from tasks.research.study.methods import BASELINE, Family, Method, Scope
from warehouse.relations import statement


@dataclass(frozen=True, slots=True)
class MethodRun:
    """A method's run with one seed."""

    method: Method
    seed: int
    run_id: str


@dataclass(frozen=True, slots=True)
class Selections:
    """What became of the replies that were to name a candidate."""

    num_fallbacks: int
    """They named none."""
    num_selections: int


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method with its numbers over all seeds."""

    method: Method
    seeds: tuple[int, ...]
    of_seeds: tuple[float | None, ...]
    """The estimate of each seed alone."""
    num_problems: int
    estimate: float
    low: float | None
    high: float | None
    difference: float | None
    """Minus A2R, paired by problem."""
    difference_low: float | None
    difference_high: float | None
    mean_path: float | None
    """Critical path in tokens."""
    path_p50: float | None
    path_p95: float | None
    megaflops: float
    """Per problem."""
    cost_ratio: float | None
    """Its cost ÷ that of A2R."""
    path_ratio: float | None
    """Its mean critical path ÷ that of A2R."""
    selections: Selections | None

    @property
    def difference_text(self) -> str:
        """The difference with its interval."""
        if self.method.name == BASELINE or self.difference is None:
            return "–"
        if self.difference_low is None:
            return f"{self.difference:+.3f}"
        return f"{self.difference:+.3f} [{self.difference_low:+.3f}, {self.difference_high:+.3f}]"


@dataclass(frozen=True, slots=True)
class FamilyResults:
    """One family's methods, and what of them the store does not have."""

    family: Family
    results: tuple[MethodResult, ...]
    missing: tuple[str, ...]
    """Methods with a seed, such as `rsa, seed 2`."""

    def of(self, name: str) -> MethodResult | None:
        """The method of that name."""
        return next((result for result in self.results if result.method.name == name), None)


def results_of_family(catalog: duckdb.DuckDBPyConnection, family: Family, scope: Scope) -> FamilyResults:
    """The family's numbers, from the latest complete run of each method with each seed."""
    planned = [(method, seed) for seed in range(scope.num_seeds) for method in scope.methods(family, seed)]
    names = [method.experiment.name for method, _ in planned]
    rows = catalog.execute(
        statement("study/recorded"), {"experiments": names, "num_problems": scope.num_problems}
    ).fetchall()
    experiments = {method.experiment.name: method.experiment for method, _ in planned}
    runs = {name: run_id for name, config, run_id in rows if is_run_of(experiments[name], config)}
    held = [
        MethodRun(method, seed, runs[method.experiment.name])
        for method, seed in planned
        if method.experiment.name in runs
    ]
    missing = tuple(
        f"{method.name}, seed {seed}" for method, seed in planned if method.experiment.name not in runs
    )
    return FamilyResults(family, tuple(_results(catalog, held)), missing)


def is_run_of(experiment: Experiment, config: str) -> bool:
    """Whether a run's configuration, as JSON, says the same; a setting that it does not know has its default."""
    try:
        return Experiment.model_validate_json(config) == experiment
    except ValidationError:  # it has a setting that there no longer is
        return False


def _results(catalog: duckdb.DuckDBPyConnection, held: Sequence[MethodRun]) -> Iterator[MethodResult]:
    ids = [recorded.run_id for recorded in held]
    rows = catalog.execute(
        statement("study/methods"),
        {
            "names": [recorded.method.name for recorded in held],
            "run_ids": ids,
            "metrics": [recorded.method.metric for recorded in held],
            "baseline": BASELINE,
        },
    ).fetchall()
    numbers = {name: row for name, *row in rows}
    costs = {
        run_id: row
        for run_id, *row in catalog.execute(statement("study/method_costs"), {"run_ids": ids}).fetchall()
    }
    estimates = {
        (run_id, metric): estimate
        for run_id, metric, estimate in catalog.execute(
            "select run_id, metric, estimate from metrics where run_id in (select unnest($run_ids::varchar[]))",
            {"run_ids": ids},
        ).fetchall()
    }
    by_name: dict[str, list[MethodRun]] = {}
    for recorded in held:
        by_name.setdefault(recorded.method.name, []).append(recorded)
    megaflops = {name: fmean(costs[r.run_id][0] for r in mine) for name, mine in by_name.items()}
    baseline_path = numbers[BASELINE][7] if BASELINE in numbers else None
    for name, mine in by_name.items():
        path = numbers[name][7]
        num_fallbacks, num_selections = (sum(costs[r.run_id][at] or 0 for r in mine) for at in (1, 2))
        yield MethodResult(
            mine[0].method,
            tuple(recorded.seed for recorded in mine),
            tuple(estimates.get((recorded.run_id, recorded.method.metric)) for recorded in mine),
            *numbers[name],
            megaflops=megaflops[name],
            cost_ratio=megaflops[name] / megaflops[BASELINE] if BASELINE in megaflops else None,
            path_ratio=path / baseline_path if path and baseline_path else None,
            selections=Selections(num_fallbacks, num_selections) if num_selections else None,
        )
