"""The page of the study of methods: who is better than A2R at equal cost, tables, plots, and what is not there."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tasks.research.study.markdown import estimate_text, table
from tasks.research.study.method_plots import plot_methods
from tasks.research.study.method_results import FamilyResults, MethodResult
from tasks.research.study.methods import BASELINE

TOLERANCE = 0.05
"""Costs that differ by no more count as equal."""

INTRO = """# Methods at equal cost

Every method of [parallel reasoning](../methods.md) on the same puzzles with the same small models, at the cost of A2R.
Written by `a2r study methods` from the store: {num_problems:,} held-out problems per family, the same for every method and
seed. Seeds are base seeds of sampling, and a problem's value is the mean over them. Intervals are of 95 %, clustered by
problem; differences are paired by problem.

- **Cost** is forward FLOPs per problem in millions (MFLOP): 2 × parameters × (prompt + completion tokens) of all stages; a
  prompt is counted once for the samples that share it. Counts of samples were chosen so that it is that of A2R within 5 %.
- **Critical path** is in tokens: the longest sample of the explorers, then that of each round, as if nothing waited for a
  free engine. Seconds are in the store (`critical_paths`), but of a busy CPU on which samples wait for one another.
- Replies that reach the token limit are truncated and count as wrong.
- The readers were trained to read four references of one small explorer. **None was trained for what else the methods ask of
  it**: other numbers of references, the replies of readers, mixtures of models, the replies of a model that tries by itself,
  or naming a candidate. No model was trained for this study.
"""

INCOMPLETE = """**This page is not complete**: what is missing is named under each family. Its counts of samples are
estimates until it is measured; a cost that comes out otherwise is marked as not equal.
"""

NOTES = {
    "sum3": """Which three of six integers hit the target. Explorer, synthesizer and the model that tries and checks by
itself are of size s (0.43 M parameters); the small explorer and its synthesizer are of size xs (0.15 M). Synthesizers are the
[selectors](sum3.md), which check references and may not search.
""",
    "bill": """Prices times quantities, added up. All models have one size (0.15 M parameters), so there is no smaller
explorer and no `a2r-efficient`. The synthesizer is the [reinforced](bill.md) one.
""",
}

OUTLINES = """`rsa` and `pacore` are small here: a step of a population of 16 in groups of 4 alone costs more than ten times
what A2R does. `fast-slow` has no thinking to switch off: fast is the explorer, slow the synthesizer. Presets with the papers'
settings: [methods](../methods.md).
"""


def write_methods_page(families: Sequence[FamilyResults], num_problems: int, docs: Path) -> Path:
    """Write `<docs>/methods.md` and a plot for each family; returns the page's path."""
    docs.mkdir(parents=True, exist_ok=True)
    sections = [INTRO.format(num_problems=num_problems)]
    if any(found.missing for found in families):
        sections.append(INCOMPLETE)
    for found in families:
        if not found.results:
            sections += [f"## {found.family}\n", _missing(found)]
            continue
        plot = plot_methods(found, docs / f"methods-{found.family}.svg")
        sections += [
            f"## {found.family}\n",
            NOTES[found.family],
            *headline(found),
            f"![differences to A2R, and critical paths]({plot})\n",
            "### Methods\n",
            _table(result for result in found.results if not result.method.is_opponent),
            "### The strongest opponent: the model that tries and checks by itself\n",
            _table(result for result in found.results if result.method.is_opponent),
            *_equal_paths(found),
            *_selections(found),
            "### What each does\n",
            table(("method", "what", "metric"), [_described(result) for result in found.results]),
            _missing(found),
        ]
    sections.append(OUTLINES)
    page = docs / "methods.md"
    page.write_text("\n".join(section for section in sections if section), encoding="utf-8")
    return page


def headline(found: FamilyResults) -> list[str]:
    """A2R's accuracy, and what is better, worse and neither at equal cost, in Markdown."""
    baseline = found.of(BASELINE)
    if baseline is None:
        return []
    equal = [
        r for r in found.results if r.method.name != BASELINE and _is_equal(r) and r.difference is not None
    ]
    verdicts = {
        "better": [r for r in equal if r.difference_low is not None and r.difference_low > 0],
        "worse": [r for r in equal if r.difference_high is not None and r.difference_high < 0],
    }
    undecided = [r for r in equal if not any(r in held for held in verdicts.values())]
    bullets = [
        f"- {verdict}: {'; '.join(f'{r.method.name} {r.difference:+.3f}' for r in sorted(held, key=_by_difference))}"
        for verdict, held in (verdicts | {"not distinguishable": undecided}).items()
        if held
    ]
    accuracy = estimate_text({"estimate": baseline.estimate, "low": baseline.low, "high": baseline.high})
    intro = f"**{BASELINE}: {accuracy}.** At equal cost, compared with it:\n"
    return [intro, "\n".join(bullets) + "\n"] if bullets else []


def _by_difference(result: MethodResult) -> float:
    return -(result.difference or 0.0)


def _is_equal(result: MethodResult) -> bool:
    return result.cost_ratio is not None and abs(result.cost_ratio - 1) <= TOLERANCE


def _table(results: Iterable[MethodResult]) -> str:
    headings = (
        "method",
        "accuracy",
        "each seed",
        f"minus {BASELINE}",
        "MFLOP",
        f"÷ {BASELINE}",
        "critical path: mean",
        "p50",
        "p95",
        f"÷ {BASELINE}",
    )
    return table(headings, [_row(result) for result in results])


def _row(result: MethodResult) -> tuple[str, ...]:
    return (
        result.method.name,
        estimate_text({"estimate": result.estimate, "low": result.low, "high": result.high}),
        ", ".join("–" if value is None else f"{value:.3f}" for value in result.of_seeds),
        result.difference_text,
        f"{result.megaflops:.1f}",
        _number(result.cost_ratio, 2)
        + ("" if _is_equal(result) or result.cost_ratio is None else " (not equal)"),
        *(_number(value, 0) for value in (result.mean_path, result.path_p50, result.path_p95)),
        _number(result.path_ratio, 2),
    )


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _equal_paths(found: FamilyResults) -> list[str]:
    """What the opponent comes to that takes no longer than A2R, in a sentence."""
    held = [r for r in found.results if r.method.is_opponent and r.path_ratio is not None]
    quick = [r for r in held if r.path_ratio is not None and r.path_ratio <= 1 + TOLERANCE]
    if not held:
        return []
    if not quick:
        shortest = min(held, key=lambda r: r.path_ratio or 0.0)
        ratio = _number(shortest.path_ratio, 2)
        return [
            f"None is as quick as {BASELINE}: the quickest, {shortest.method.name}, takes {ratio} times as long.\n"
        ]
    texts = [
        f"{r.method.name} {r.difference_text} (critical path × {_number(r.path_ratio, 2)}, cost × {_number(r.cost_ratio, 2)})"
        for r in quick
    ]
    return [f"At a critical path no longer than that of {BASELINE}, minus {BASELINE}: {'; '.join(texts)}.\n"]


def _selections(found: FamilyResults) -> list[str]:
    """How many selections named no candidate."""
    return [
        f"{held.num_fallbacks:,} of the {held.num_selections:,} replies of {result.method.name} name no candidate, and the "
        "vote of the candidates is the answer: the small models were never taught to select.\n"
        for result in found.results
        if (held := result.selections)
    ]


def _described(result: MethodResult) -> tuple[str, ...]:
    return result.method.name, result.method.description, f"`{result.method.metric}`"


def _missing(found: FamilyResults) -> str:
    """What the store does not have yet."""
    if not found.missing:
        return ""
    return f"Not in the store yet, and in no number above; `a2r study methods` makes it: {'; '.join(found.missing)}.\n"
