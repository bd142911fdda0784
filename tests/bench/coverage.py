"""Measure how often nominal 95 % intervals hold the truth, over thousands of simulated runs.

    python tests/bench/coverage.py --runs 2000

Problems differ in difficulty (a beta distribution), each has 8 samples. Analytic: the macros behind
every relation. Bootstrap and paired: those of `a2r compare`.
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


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=2000)
    num_runs = parser.parse_args().runs
    rng = np.random.default_rng(1)
    print("difficulty     problems  metric   truth  analytic  bootstrap  paired t")
    with duckdb.connect() as catalog:
        create_tables(catalog, ".")
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
