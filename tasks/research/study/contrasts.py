"""What the study is about: differences within problems, at stated costs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import duckdb

from configs.training import Training
from tasks.research.study.cells import TRYING
from tasks.research.study.results import VOTES, Result
from tasks.research.training.jobs import reading_kind
from warehouse.relations import statement


class Contrast(NamedTuple):
    """One metric of a run less another's."""

    label: str
    one: Result
    metric: str
    other: Result
    other_metric: str
    ratio: float = 1.0
    """The other's cost a problem over the one's."""


def contrasts_of(training: Training, results: Sequence[Result]) -> Iterator[Contrast]:
    """Every contrast whose cells are there."""
    by_name = {r.cell.name: r for r in results if not r.cell.seed}
    yield from _of_the_pair(training, by_name)
    for kind in (reading_kind(training), "reinforced"):
        if pair := by_name.get(kind):
            yield from _of_a_reader(training, kind, pair, by_name)
    yield from _of_the_seeds(training, {(r.cell.name, r.cell.seed): r for r in results})


def _of_the_seeds(training: Training, found: Mapping[tuple[str, int], Result]) -> Iterator[Contrast]:
    metric, kind = f"cons@{training.references.count}", reading_kind(training)
    reinforced = TRYING if training.selection else kind
    if (before := found.get((reinforced, 0))) and (after := found.get(("reinforced", 0))):
        label, ratio = "reinforced: A2R less before", before.megaflops / after.megaflops
        yield Contrast(label, after, "a2r", before, "a2r", ratio)
    for seed in range(1, training.num_seeds):
        if other := found.get((kind, seed)):
            yield Contrast(f"{other.cell.label}: A2R less {metric}", other, "a2r", other, metric)


def _of_the_pair(training: Training, by_name: Mapping[str, Result]) -> Iterator[Contrast]:
    (size, reading), count = training.headline, training.references.count
    if pair := by_name.get(f"{size} → {reading}, N = {count}"):
        yield Contrast(f"the explorer's cons@{count} less its mean@1", pair, f"cons@{count}", pair, "mean@1")
        for name, other in by_name.items():
            if size != reading and name.startswith(f"{reading} → {size},"):
                ratio = other.megaflops / pair.megaflops
                yield Contrast(f"{pair.cell.label} less {name}", pair, "a2r", other, "a2r", ratio)


def _of_a_reader(
    training: Training, kind: str, pair: Result, by_name: Mapping[str, Result]
) -> Iterator[Contrast]:
    """Against voting, against the ceiling of choosing, and against opponents that cost as much."""
    reading, count = training.headline[1], training.references.count
    width = training.shapes[reading].hidden_size
    opponents = [
        "its model, plain prompt",
        "its model alone, as many tokens of training",
        *(size for size in training.explorers if training.shapes[size].hidden_size > width),
        f"{kind}, no references",
        "its model trained to try and check, without references",
        f"{TRYING}, no references",
    ]
    yield Contrast(f"{kind}: A2R less cons@{count}", pair, "a2r", pair, f"cons@{count}")
    yield Contrast(f"{kind}: pass@{count}, a perfect checker, less A2R", pair, f"pass@{count}", pair, "a2r")
    for name in opponents:
        if other := by_name.get(name):
            yield _at_equal_cost(kind, pair, other)
    if other := by_name.get(TRYING):
        yield Contrast(
            f"{kind}: A2R less {TRYING}", pair, "a2r", other, "a2r", other.megaflops / pair.megaflops
        )


def measured(catalog: duckdb.DuckDBPyConnection, contrast: Contrast) -> tuple[str, ...]:
    """A contrast as a line of the page's table."""
    values = {
        "run_id": contrast.one.run_id,
        "metric": contrast.metric,
        "other_run_id": contrast.other.run_id,
        "other_metric": contrast.other_metric,
    }
    found = catalog.execute(statement("study/contrast"), values).fetchone()
    if not found or found[2] is None:
        return (contrast.label, "–", "–", "–", "–")
    one, other, difference, low, high, _ = found
    interval = f"{difference:+.3f}" if low is None else f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]"
    return (contrast.label, f"{one:.3f}", f"{other:.3f}", interval, f"{contrast.ratio:.2f}")


def _at_equal_cost(kind: str, pair: Result, other: Result) -> Contrast:
    """Against the largest vote of a single model that costs no more, or else against one sample."""
    n = other.cell.experiment.explorer.sampling.n
    single = other.megaflops / n
    k = max([k for k in VOTES if k <= n and k * single <= pair.megaflops], default=1)
    metric = "mean@1" if k == 1 else f"cons@{k}"
    return Contrast(
        f"{kind}: A2R less {other.cell.label}, {metric}",
        pair,
        "a2r",
        other,
        metric,
        k * single / pair.megaflops,
    )
