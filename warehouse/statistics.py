"""Statistics that SQL does not serve: the bootstrap over problems, and p values of many comparisons.

Everything is over problems: a problem's samples depend on one another, problems do not. A sample
of problems drawn with replacement is drawn as counts of its distinct values, which has the same
distribution and costs the same for 30 problems as for 30,000.
"""

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist
from typing import NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from warehouse.relations import statement

NUM_RESAMPLES = 10_000
LEVEL = 0.05
"""A change is significant where its corrected p value is below this; intervals are 95 % ones."""


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


def bootstrap_interval(*strata: Sequence[float], seed: int = 0) -> Interval | None:
    """Percentile interval of the mean, widened for few problems; None where the values do not differ.

    Of several benchmarks' values (`strata`), the interval of the mean of their means, each resampled by itself; None also where
    one of them has a single value.

    A resample's spread is too narrow by sqrt((m - 1) / m) and a percentile knows no Student's t: the
    percentiles taken are those at which a normal distribution has the t quantile (Hesterberg 2015,
    "What Teachers Should Know About the Bootstrap", the expanded percentile interval).
    """
    means = _resampled_means(strata, seed)
    if means is None:
        return None
    tail = NormalDist().cdf(-_narrowing(strata) * student_t(degrees_of_freedom(strata)))
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def bootstrap_p(*strata: Sequence[float], seed: int = 0) -> float | None:
    """Two-sided p value of a mean of paired differences against zero; None where `bootstrap_interval` is.

    The share of resamples, moved to a mean of zero, that lie as far out as what was seen; never below
    1 / (resamples + 1).
    """
    means = _resampled_means(strata, seed)
    if means is None:
        return None
    seen = float(np.mean([np.mean(values) for values in strata]))
    as_far = np.abs(means - seen) * _narrowing(strata) >= abs(seen) - 1e-12
    return float((as_far.sum() + 1) / (len(means) + 1))


def degrees_of_freedom(strata: Sequence[Sequence[float]]) -> int:
    """Satterthwaite's, of a mean of means, rounded down; of a single one, its values less one. One of them must vary."""
    squares = _squared_errors(strata, ddof=1)
    parts = sum(square**2 / (len(values) - 1) for square, values in zip(squares, strata, strict=True))
    return int(sum(squares) ** 2 / parts + 1e-6)


def _narrowing(strata: Sequence[Sequence[float]]) -> float:
    """By how much resampling makes the standard error too small: sqrt(m / (m - 1)) of one stratum."""
    return (sum(_squared_errors(strata, ddof=1)) / sum(_squared_errors(strata, ddof=0))) ** 0.5


def _squared_errors(strata: Sequence[Sequence[float]], ddof: int) -> list[float]:
    return [float(np.var(values, ddof=ddof)) / len(values) for values in strata]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P values corrected for their number (Holm 1979): the chance of any false alarm stays below the level.

    Holds whatever the dependence between the comparisons. None stays None and does not count.
    """
    order = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    reached = 0.0
    for rank, (p, place) in enumerate(order):
        reached = max(reached, min(1.0, (len(order) - rank) * p))
        corrected[place] = reached
    return corrected


@cache
def student_t(nu: int) -> float:
    """The 97.5 % quantile of Student's t, by the macro that intervals in SQL use."""
    with duckdb.connect() as connection:
        connection.execute(statement("macros/student_t"))
        row = connection.execute("select student_t(?)::double", [nu]).fetchone()
    return row[0] if row else math.nan


def _resampled_means(strata: Sequence[Sequence[float]], seed: int) -> NDArray[np.float64] | None:
    """The mean of the strata's means in each resample."""
    if any(len(values) < 2 for values in strata):  # noqa: PLR2004 - one value has no spread
        return None
    generator, total, is_spread = np.random.default_rng(seed), np.zeros(NUM_RESAMPLES), False
    for values in strata:
        distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
        is_spread |= len(distinct) > 1
        m = len(values)
        total += generator.multinomial(m, counts / m, size=NUM_RESAMPLES) @ distinct / m
    return total / len(strata) if is_spread else None
