"""What the study is about: differences within problems, at stated costs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import duckdb

from configs.training import Training
from tasks.research.study.cells import CellKind
from tasks.research.study.results import VOTES, Result
from tasks.research.training.jobs import JobKind, reader_kind
from warehouse.relations import statement


class ContrastKind(Enum):
    """What two results are compared for."""

    VOTE_OVER_SAMPLE = auto()
    SWAPPED_SIZES = auto()
    A2R_OVER_VOTE = auto()
    CHECKER_OVER_A2R = auto()
    A2R_OVER_SINGLE_MODEL = auto()
    A2R_OVER_TRYING = auto()
    REINFORCED_OVER_BEFORE = auto()


@dataclass(frozen=True, slots=True)
class Contrast:
    """One metric of a run minus another's."""

    kind: ContrastKind
    label: str
    one: Result
    metric: str
    other: Result
    other_metric: str
    ratio: float = 1.0
    """The other's cost per problem ÷ the one's."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A contrast with its numbers; None where no problem has both values, or one alone has no interval."""

    kind: ContrastKind
    label: str
    reader: JobKind | None
    """The kind of model whose A2R the first value is; None: of none, or not of the headline pair's first seed."""
    opponent: str
    """The second value in words, where it is a single model's."""
    one: float | None
    other: float | None
    difference: float | None
    low: float | None
    high: float | None
    ratio: float

    @property
    def text(self) -> str:
        """The difference with its interval."""
        if self.difference is None:
            return "–"
        if self.low is None:
            return f"{self.difference:+.3f}"
        return f"{self.difference:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"

    @property
    def row(self) -> tuple[str, ...]:
        """A line of the page's table."""
        if self.one is None or self.other is None:
            return (self.label, "–", "–", "–", "–")
        return (self.label, f"{self.one:.3f}", f"{self.other:.3f}", self.text, f"{self.ratio:.2f}")


def contrasts_of(training: Training, results: Sequence[Result]) -> Iterator[Contrast]:
    """Every contrast whose cells exist."""
    yield from _of_the_pair(training, results)
    for kind in (reader_kind(training), "reinforced"):
        if pair := _find(results, CellKind.READER, reader_kind=kind):
            yield from _of_a_reader(training, kind, pair, results)
    yield from _of_the_seeds(training, results)


def _find(
    results: Sequence[Result], kind: CellKind, *, seed: int = 0, reader_kind: JobKind | None = None
) -> Result | None:
    for result in results:
        cell = result.cell
        if (cell.kind, cell.seed, cell.reader_kind) == (kind, seed, reader_kind):
            return result
    return None


def _of_the_seeds(training: Training, results: Sequence[Result]) -> Iterator[Contrast]:
    vote, kind = f"cons@{training.references.count}", reader_kind(training)
    start = _find(results, CellKind.READER, reader_kind=kind)
    before = _find(results, CellKind.TRYING) if training.selection else start
    if before and (after := _find(results, CellKind.READER, reader_kind="reinforced")):
        label, ratio = "reinforced: A2R minus A2R before reinforcement", before.megaflops / after.megaflops
        yield Contrast(ContrastKind.REINFORCED_OVER_BEFORE, label, after, "a2r", before, "a2r", ratio)
    for seed in range(1, training.num_seeds):
        if pair := _find(results, CellKind.READER, seed=seed, reader_kind=kind):
            label = f"{pair.cell.label}: A2R minus {vote}"
            yield Contrast(ContrastKind.A2R_OVER_VOTE, label, pair, "a2r", pair, vote)


def _of_the_pair(training: Training, results: Sequence[Result]) -> Iterator[Contrast]:
    """A vote against one sample, and the pair against the same two sizes with their roles swapped."""
    (explorer, reader), most = training.headline, training.references.count
    grid = {
        (r.cell.explorer, r.cell.reader, r.cell.count): r for r in results if r.cell.kind is CellKind.PAIR
    }
    if pair := grid.get((explorer, reader, most)):
        label = f"the explorer's cons@{most} minus its mean@1"
        yield Contrast(ContrastKind.VOTE_OVER_SAMPLE, label, pair, f"cons@{most}", pair, "mean@1")
        for (other_explorer, other_reader, _), other in grid.items():
            if explorer != reader and (other_explorer, other_reader) == (reader, explorer):
                label, ratio = f"{pair.cell.label} minus {other.cell.label}", other.megaflops / pair.megaflops
                yield Contrast(ContrastKind.SWAPPED_SIZES, label, pair, "a2r", other, "a2r", ratio)


def _of_a_reader(
    training: Training, kind: JobKind, pair: Result, results: Sequence[Result]
) -> Iterator[Contrast]:
    """Against voting, against the ceiling of choosing, and against opponents that cost as much."""
    vote, ceiling = f"cons@{training.references.count}", f"pass@{training.references.count}"
    width = training.shapes[training.headline[1]].hidden_size
    bigger = [size for size in training.explorers if training.shapes[size].hidden_size > width]
    alone = {r.cell.explorer: r for r in results if r.cell.kind is CellKind.EXPLORER and not r.cell.seed}
    opponents = [
        _find(results, CellKind.PLAIN_PROMPT),
        _find(results, CellKind.LONGER),
        *(alone.get(size) for size in bigger),
        _find(results, CellKind.NO_REFERENCES, reader_kind=kind),
        _find(results, CellKind.SOLO),
        _find(results, CellKind.TRYING_NO_REFERENCES),
    ]
    yield Contrast(ContrastKind.A2R_OVER_VOTE, f"{kind}: A2R minus {vote}", pair, "a2r", pair, vote)
    label = f"{kind}: {ceiling}, a perfect checker, minus A2R"
    yield Contrast(ContrastKind.CHECKER_OVER_A2R, label, pair, ceiling, pair, "a2r")
    for opponent in opponents:
        if opponent:
            yield _at_equal_cost(kind, pair, opponent)
    if trying := _find(results, CellKind.TRYING):
        label, ratio = f"{kind}: A2R minus {trying.cell.label}", trying.megaflops / pair.megaflops
        yield Contrast(ContrastKind.A2R_OVER_TRYING, label, pair, "a2r", trying, "a2r", ratio)


def _at_equal_cost(kind: JobKind, pair: Result, other: Result) -> Contrast:
    """Against the largest vote of a single model that costs no more, or else against one sample."""
    n = other.cell.experiment.first_explorer.sampling.n
    single = other.megaflops / n
    k = max([k for k in VOTES if k <= n and k * single <= pair.megaflops], default=1)
    metric = "mean@1" if k == 1 else f"cons@{k}"
    label = f"{kind}: A2R minus {other.cell.label}, {metric}"
    ratio = k * single / pair.megaflops
    return Contrast(ContrastKind.A2R_OVER_SINGLE_MODEL, label, pair, "a2r", other, metric, ratio)


def measured(catalog: duckdb.DuckDBPyConnection, contrast: Contrast) -> Difference:
    """A contrast's numbers from the catalog."""
    values = {
        "run_id": contrast.one.run_id,
        "metric": contrast.metric,
        "other_run_id": contrast.other.run_id,
        "other_metric": contrast.other_metric,
    }
    found = catalog.execute(statement("study/contrast"), values).fetchone()
    one, other, difference, low, high, _ = found or (None,) * 6
    is_headline = contrast.metric == "a2r" and not contrast.one.cell.seed
    return Difference(
        contrast.kind,
        contrast.label,
        contrast.one.cell.reader_kind if is_headline else None,
        f"{contrast.other.cell.label}, {contrast.other_metric}",
        one,
        other,
        difference,
        low,
        high,
        contrast.ratio,
    )


def headline_of(differences: Sequence[Difference], pair: str) -> list[str]:
    """The result for each kind of reader, in Markdown: its gain over a vote, and how it compares at equal cost.

    Args:
        differences: All that were measured.
        pair: The headline pair in words.
    """
    paragraphs = []
    for gain in differences:
        if gain.kind is not ContrastKind.A2R_OVER_VOTE or gain.reader is None or gain.one is None:
            continue
        single = [
            d
            for d in differences
            if d.kind is ContrastKind.A2R_OVER_SINGLE_MODEL and d.reader == gain.reader and d.low is not None
        ]
        verdicts = {
            "better than": [d for d in single if (d.low or 0) > 0],
            "worse than": [d for d in single if (d.high or 0) < 0],
            "not distinguishable from": [d for d in single if (d.low or 0) <= 0 <= (d.high or 0)],
        }
        paragraphs.append(
            f"**{gain.reader}, {pair}: {gain.one:.3f}. A vote over the same samples: {gain.other:.3f}. "
            f"Difference: {gain.text}.**\n"
        )
        bullets = [
            f"- {verdict} {'; '.join(f'{d.opponent}: {d.difference:+.3f}' for d in found)}"
            for verdict, found in verdicts.items()
            if found
        ]
        if bullets:
            intro = "At equal cost (or against one sample, where that already costs more), A2R is\n"
            paragraphs += [intro, "\n".join(bullets) + "\n"]
    return paragraphs
