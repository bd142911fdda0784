"""How runs differ: one table per comparison, a row per metric."""

from collections.abc import Sequence
from itertools import groupby

from rich.table import Table

from flows.commands.terminal import print_json, table_console
from tasks.analysis.compare import Change, MemberChange, overall
from warehouse.statistics import LEVEL

_COLOURS = {"fell": "red", "rose": "green"}


def print_changes(changes: Sequence[Change], *, as_json: bool) -> None:
    """Every change and its verdict."""
    if as_json:
        print_json(
            {
                "verdict": overall(changes),
                "level": LEVEL,
                "correction": "holm",
                "changes": [change.as_dict() for change in changes],
            }
        )
        return
    console = table_console()
    for (run_id, baseline), group in groupby(changes, key=lambda change: (change.run_id, change.baseline)):
        against = baseline[0] if len(baseline) == 1 else f"the mean of {len(baseline)} runs before it"
        table = Table(title=f"{run_id} against {against}", title_justify="left", caption_justify="left")
        table.caption = (
            "paired by problem; 95 % intervals (t); verdicts are corrected for all metrics here (Holm); smallest: the "
            "change that data like these would show four times out of five"
        )
        changes_here = list(group)
        if any(change.benchmarks for change in changes_here):
            table.caption += "; a suite's change is the mean of its benchmarks', each compared by itself"
        headings = ("metric", "before", "after", "change", "95 % interval", "p", "McNemar p", "problems")
        for heading in (*headings, "better", "worse", "smallest", "verdict"):
            table.add_column(heading, justify="left" if heading in {"metric", "verdict"} else "right")
        for change in changes_here:
            table.add_row(*_cells(change), style=_COLOURS.get(change.verdict))
            for name, member in change.benchmarks.items():
                table.add_row(f"  {name}", *_numbers(member), "", "", str(member.num_problems), style="dim")
        console.print(table)


def _cells(change: Change) -> tuple[str, ...]:
    return (
        change.metric,
        *_numbers(change),
        _p(change.p_value),
        _p(change.mcnemar_p),
        str(change.num_problems),
        str(change.num_better),
        str(change.num_worse),
        "–" if change.smallest_effect is None else f"{change.smallest_effect:.3f}",
        change.verdict,
    )


def _numbers(change: Change | MemberChange) -> tuple[str, ...]:
    interval = "–" if change.low is None else f"{change.low:+.3f} … {change.high:+.3f}"
    return f"{change.before:.3f}", f"{change.after:.3f}", f"{change.change:+.3f}", interval


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"  # noqa: PLR2004
