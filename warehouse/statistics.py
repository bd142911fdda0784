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


def bootstrap_interval(values: Sequence[float], seed: int = 0) -> Interval | None:
    """Percentile interval of the mean, widened for few problems; None where the values do not differ.

    A resample's spread is too narrow by sqrt((m - 1) / m) and a percentile knows no Student's t: the
    percentiles taken are those at which a normal distribution has the t quantile (Hesterberg 2015,
    "What Teachers Should Know About the Bootstrap", the expanded percentile interval).
    """
    means = _resampled_means(values, seed)
    if means is None:
        return None
    m = len(values)
    tail = NormalDist().cdf(-((m / (m - 1)) ** 0.5) * student_t(m - 1))
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def bootstrap_p(differences: Sequence[float], seed: int = 0) -> float | None:
    """Two-sided p value of a mean of paired differences against zero; None where they do not differ.

    The share of resamples, moved to a mean of zero, that lie as far out as what was seen; never below
    1 / (resamples + 1).
    """
    means = _resampled_means(differences, seed)
    if means is None:
        return None
    m, seen = len(differences), float(np.mean(differences))
    as_far = np.abs(means - seen) * (m / (m - 1)) ** 0.5 >= abs(seen) - 1e-12
    return float((as_far.sum() + 1) / (len(means) + 1))


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


def _resampled_means(values: Sequence[float], seed: int) -> NDArray[np.float64] | None:
    distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    if len(distinct) < 2:  # noqa: PLR2004 - one value has no spread
        return None
    m = len(values)
    drawn = np.random.default_rng(seed).multinomial(m, counts / m, size=NUM_RESAMPLES)
    return drawn @ distinct / m
