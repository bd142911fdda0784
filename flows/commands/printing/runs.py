"""The tables at the end of a run, of one stage, and of a sweep."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from flows.commands.run_flow import Shown
from tasks.ops.sweep_table import table_row

_VERDICTS = ("no_answer", "undecided", "ungraded")
"""Columns of the table of stages that only grading fills."""


def print_summary(summary: Shown, console: Console, root: str) -> None:
    """The table at the end of `a2r run`, and what to try next."""
    table = Table(title=summary["run_id"], title_justify="left", caption_justify="left")
    table.caption = "95 % intervals, clustered by problem"
    members = summary.get("benchmarks", {})
    if members:
        table.caption += "; the accuracy of a suite is the mean of its benchmarks'"
    for heading in ("metric", "accuracy", "95 % interval", "problems", *members):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for name, value in summary["metrics"].items():
        shares = (_share(found[name]) if name in found else "–" for found in members.values())
        cells = (name, _estimate(value), _interval(value), _problems(value), *shares)
        table.add_row(*cells, style="bold" if name == "a2r" else None)
    console.print(table)
    print_stages(summary, console, root)
    for line in (*_left_out(summary), *(f"warning: {text}" for text in summary.get("warnings", ()))):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    steps = _next_steps(summary, root)
    console.print("\nNext:  " + "\n       ".join(steps), highlight=False, soft_wrap=True)


def _estimate(metric: Shown) -> str:
    return "–" if metric["estimate"] is None else f"{metric['estimate']:.3f}"


def _interval(metric: Shown) -> str:
    return "–" if metric["low"] is None else f"{metric['low']:.3f} – {metric['high']:.3f}"


def _share(metric: Shown) -> str:
    """A benchmark's own estimate and interval in one cell."""
    return _estimate(metric) if metric["low"] is None else f"{_estimate(metric)} ({_interval(metric)})"


def _next_steps(summary: Shown, root: str) -> list[str]:
    """Commands that make sense now: after a run without a single answer there is nothing to look at yet."""
    stages = summary["stages"].values()
    if not any(counts["generated"] + counts["reused"] for counts in stages):
        return ["mend what is said below, then run the same command again; nothing was stored"]
    steps = [f'a2r sql "from leaderboard" --root {root}']
    if "a2r" in summary["metrics"]:
        steps.append(
            f"a2r sql \"from synthesis_outcomes where run_id = '{summary['run_id']}'\" --root {root}"
        )
    return [*steps, f"a2r report {summary['run_id']} --root {root}", f"a2r show PROBLEM_ID --root {root}"]


def print_stages(summary: Shown, console: Console, _root: str) -> None:
    """What each stage generated, reused, failed and cost."""
    stages = Table(box=None, pad_edge=False)
    verdicts = summary.get("verdicts", {})
    rows = {stage: verdicts.get(stage, {}) | counts for stage, counts in summary["stages"].items()}
    rare = {"blocked", "no_answer", "undecided", "ungraded"}
    names = [
        name
        for name in ("wanted", "generated", "reused", "errors", "blocked", "truncated", *_VERDICTS, "tokens")
        if name not in rare or any(counts.get(name) for counts in rows.values())
    ]
    for heading in ("stage", *names, "FLOP", "$"):
        stages.add_column(heading.replace("_", " "), justify="left" if heading == "stage" else "right")
    costs = summary.get("cost", {})
    for stage in summary["stages"] | costs:  # a judge only costs
        cost = costs.get(stage, {})
        counts = {"tokens": cost.get("tokens")} | rows.get(stage, {})
        stages.add_row(
            stage,
            *("–" if counts.get(name) is None else f"{counts[name]:,}" for name in names),
            _flop(cost.get("petaflops")),
            "–" if cost.get("dollars") is None else f"{cost['dollars']:,.4g}",
        )
    console.print(stages)
    if all(counts["reused"] == counts["wanted"] for counts in summary["stages"].values()):
        untouched = "" if "judge" in costs else "no engine was called, "
        console.print(f"Nothing was missing: {untouched}every trace came from the store.")


def _problems(metric: Shown) -> str:
    """Over how many problems a metric was computed, and of how many where that is not all."""
    wanted = metric.get("wanted", metric["n"])
    return str(metric["n"]) if metric["n"] == wanted else f"{metric['n']} of {wanted}"


def _left_out(summary: Shown) -> Iterator[str]:
    """What no number above counts, and which costs are not known."""
    for stage, counts in summary.get("verdicts", {}).items():
        lacking = counts["undecided"] + counts["ungraded"]
        if counts.get("by_hand"):
            yield f"{stage}: {counts['by_hand']:,} verdicts by hand."
        if lacking:
            yield f"{stage}: {lacking:,} of {counts['answers']:,} answers have no verdict and are in no number above."
    for row in summary.get("agreement", ()):
        yield (
            f"{row['stage']}: {row['grader']} and {row['other_grader']} agree on {row['num_agreed']:,} of {row['num_both']:,} "
            f"answers that {row['decided_by']} decided."
        )
    costs = {stage: cost for stage, cost in summary["cost"].items() if cost["tokens"]}
    is_mixed = any(cost["dollars"] is not None for cost in costs.values())
    for stage, cost in costs.items():
        if cost.get("cost_note") and is_mixed:
            yield f"{stage}: {cost['cost_note']}."


def print_sweep(report: Shown, console: Console, root: str) -> None:
    """The table at the end of `a2r sweep`, and how to ask for it again."""
    table = Table(title=f"sweep {report['sweep']}", title_justify="left", caption_justify="left")
    table.caption = "accuracy with 95 % intervals, clustered by problem"
    rows = [table_row(outcome) for outcome in report["cells"]]
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading in {"cell", "status"} else "right")
    for row in rows:
        table.add_row(*map(str, row.values()))
    console.print(table)
    query = f"from leaderboard where experiment like '{report['sweep']}.%' order by run_id, stage"
    console.print(f'\nNext:  a2r sql "{query}" --root {root}', highlight=False, soft_wrap=True)


def _flop(petaflops: float | None) -> str:
    """Such as 29.7G for 2.97e-5 petaflops."""
    if petaflops is None:
        return "–"
    amount, unit = petaflops * 1e15, ""
    for bigger in "kMGTPE":
        if amount < 1000:  # noqa: PLR2004
            break
        amount, unit = amount / 1000, bigger
    return f"{amount:.3g}{unit}"
