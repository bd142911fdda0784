"""Measure how often nominal 95 % intervals hold the truth, over thousands of simulated runs.

    python tests/bench/coverage.py --runs 2000

Problems differ in difficulty (a beta distribution), each has 8 samples. Analytic: the macros behind
every relation. Bootstrap and paired: those of `a2r compare`. Suites have three benchmarks, each of its own
difficulty; the second run of a pair is better on one and worse on another by as much.
"""

import argparse
from math import comb

import duckdb
import numpy as np
import pyarrow as pa

from warehouse.catalog import create_tables
from warehouse.statistics import bootstrap_interval, student_t

N, K = 8, 4
PASS = np.array([1 - comb(N - c, K) / comb(N, K) for c in range(N + 1)])
BETAS = ((0.4, 0.8), (1, 1), (2, 1), (0.3, 2))
SUITE, SIZES, SHIFTS = ((2, 1), (1, 1), (0.4, 0.8)), (30, 30, 100), (0.3, 0.0, -0.2)
"""Difficulties of a suite's benchmarks, their problems, and by how much the later run's chances differ."""
METRICS = {
    "mean@8": lambda right: right / N,
    "cons@8": lambda right: (right > N / 2) + 0.5 * (right == N / 2),
    "pass@4": lambda right: PASS[right],
}


def analytic(catalog: duckdb.DuckDBPyConnection, values: np.ndarray, truth: float) -> float:
    """Share of runs whose interval by the macros holds the truth."""
    m = values.shape[1]
    catalog.register("drawn", pa.table({"p": values.mean(1), "variance": values.var(1, ddof=1)}))
    ends = ", ".join(f"clustered_{end}(p, variance, {m}, {m * N})" for end in ("low", "high"))
    low, high = catalog.execute(f"select {ends} from drawn").fetchnumpy().values()
    return float(np.mean((low <= truth) & (truth <= high)))


def bootstrapped(values: np.ndarray, truth: float) -> float:
    """The same of the bootstrap; a run whose problems are all alike has no interval and counts as missed."""
    found = [bootstrap_interval(row) for row in values]
    return float(np.mean([i is not None and i.low <= truth <= i.high for i in found]))


def paired(before: np.ndarray, after: np.ndarray) -> float:
    """The same of the paired t interval of a change that is truly zero."""
    d = after - before
    half = student_t(d.shape[1] - 1) * d.std(1, ddof=1) / d.shape[1] ** 0.5
    return float(np.mean(abs(d.mean(1)) <= half))


def suite_analytic(catalog: duckdb.DuckDBPyConnection, strata: list[np.ndarray], truth: float) -> float:
    """Share of suites whose macro-average's interval holds the truth; `strata` has an array of runs x problems per benchmark."""
    catalog.register("drawn", _by_stratum(strata))
    ends = ", ".join(
        f"macro_{end}(p, clustered_{end}(p, variance, m, m * {N})) as {end}" for end in ("low", "high")
    )
    found = catalog.execute(f"select {ends} from drawn group by run").fetchnumpy()
    return float(np.mean((found["low"] <= truth) & (truth <= found["high"])))


def suite_paired(
    catalog: duckdb.DuckDBPyConnection, before: list[np.ndarray], after: list[np.ndarray], truth: float
) -> float:
    """The same of the stratified paired interval of a change."""
    catalog.register("drawn", _by_stratum([b - a for a, b in zip(before, after, strict=True)]))
    found = catalog.execute(
        "select change, student_t(nu) * error as half from (select avg(p) as change, "
        "sqrt(sum(variance / m)) / count(*) as error, satterthwaite(sqrt(variance / m), m) as nu from drawn group by run)"
    ).fetchnumpy()
    return float(np.mean(abs(found["change"] - truth) <= found["half"]))


def suite_bootstrapped(before: list[np.ndarray], after: list[np.ndarray], truth: float) -> float:
    """The same of the stratified bootstrap."""
    changes = [b - a for a, b in zip(before, after, strict=True)]
    found = [bootstrap_interval(*rows) for rows in zip(*changes, strict=True)]
    return float(np.mean([i is not None and i.low <= truth <= i.high for i in found]))


def suites(
    rng: np.random.Generator, num_runs: int, sizes: tuple[int, ...] = SIZES
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Right answers of `num_runs` runs and of as many later ones: arrays of runs x problems, one per benchmark."""
    before, after = [], []
    for (a, b), m, shift in zip(SUITE, sizes, SHIFTS, strict=True):
        difficulty = rng.beta(a, b, (num_runs, m))
        before.append(rng.binomial(N, difficulty))
        after.append(rng.binomial(N, difficulty + shift * difficulty * (1 - difficulty)))
    return before, after


def _by_stratum(strata: list[np.ndarray]) -> pa.Table:
    return pa.concat_tables(
        pa.table(
            {
                "run": np.arange(len(values)),
                "p": values.mean(1),
                "variance": values.var(1, ddof=1),
                "m": np.full(len(values), values.shape[1]),
            }
        )
        for values in strata
    )


def main_suites(catalog: duckdb.DuckDBPyConnection, rng: np.random.Generator, num_runs: int) -> None:
    """The table of suites."""
    population = suites(rng, 1, (2_000_000,) * len(SUITE))
    print("suite of          metric   truth  analytic  change  paired t  bootstrap")
    for sizes in (SIZES, (30, 30, 30), (30, 200, 1000)):
        before, after = suites(rng, num_runs, sizes)
        for name, value in METRICS.items():
            first, second = ([value(rows) for rows in strata] for strata in (before, after))
            truth, later = (float(np.mean([value(rows).mean() for rows in strata])) for strata in population)
            shares = (
                suite_analytic(catalog, first, truth),
                suite_paired(catalog, first, second, later - truth),
                suite_bootstrapped(first, second, later - truth),
            )
            print(
                " + ".join(map(str, sizes)).ljust(18) + f"{name:<9}{truth:.3f}  {shares[0]:.4f}    "
                f"{later - truth:+.3f}  {shares[1]:.4f}    {shares[2]:.4f}",
                flush=True,
            )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=2000)
    num_runs = parser.parse_args().runs
    rng = np.random.default_rng(1)
    with duckdb.connect() as catalog:
        create_tables(catalog)
        main_suites(catalog, rng, num_runs)
        print("difficulty     problems  metric   truth  analytic  bootstrap  paired t")
        for a, b in BETAS:
            population = rng.binomial(N, rng.beta(a, b, 4_000_000))
            for m in (30, 500):
                difficulty = rng.beta(a, b, (num_runs, m))
                first, second = rng.binomial(N, difficulty), rng.binomial(N, difficulty)
                for name, value in METRICS.items():
                    truth = float(value(population).mean())
                    shares = (
                        analytic(catalog, value(first), truth),
                        bootstrapped(value(first), truth),
                        paired(value(first), value(second)),
                    )
                    print(
                        f"beta({a}, {b})".ljust(15) + f"{m:<10}{name:<9}{truth:.3f}  "
                        f"{shares[0]:.4f}    {shares[1]:.4f}     {shares[2]:.4f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
