"""The page of a night: its line, a table of its experiments, every cause once, all metrics. Values in, text out."""

from collections.abc import Iterator, Sequence
from datetime import date

from tasks.analysis.compare import Change
from tasks.analysis.numbers import NOTHING, count, interval, money, share, span
from tasks.ops.night_line import inline, line_of, listed
from tasks.ops.night_results import NightResult
from warehouse.summary import Metric

_HOW_TO_READ = (
    "Changes are paired by problem, with 95 % intervals; a verdict is corrected for the number of metrics. Cost is of "
    "all that this night made, also before a Retry; what was stored before costs nothing. Time is that of the last try."
)


def page_of(night: date, results: Sequence[NightResult], root: str, report: str) -> str:
    """The night as Markdown; `report` says how to open it, empty where there is none."""
    lines = [f"**{line_of(results)}**", "", *([report, ""] if report else []), *_overview(results), ""]
    if any(not result.is_complete for result in results):
        lines += ["## What failed", "", *_failures(results), ""]
    for result in results:
        if result.outcome.summary and result.outcome.summary["metrics"]:
            lines += [*_experiment(result), ""]
    lines += [
        _HOW_TO_READ,
        "",
        f'Night of {night.isoformat()}. Ask more: `a2r runs --root {root}`, `a2r sql "from leaderboard" --root {root}`',
    ]
    return "\n".join(lines)


_OVERVIEW = ("experiment", "status", "headline", "since last night", "made", "tokens", "$", "time")
"""Few enough for a laptop's screen, `made` in traces; the rest is below, by experiment."""


def _overview(results: Sequence[NightResult]) -> Iterator[str]:
    yield _cells(_OVERVIEW)
    yield _cells(["---", "---", *["---:"] * (len(_OVERVIEW) - 2)])
    for result in results:
        yield _row(result)
    if len(results) > 1:
        is_priced = all(result.dollars is not None for result in results)
        cells = (
            "**all**",
            *[""] * 3,
            count(sum(result.num_made for result in results)),
            count(sum(result.num_tokens for result in results)),
            money(sum(result.dollars or 0 for result in results) if is_priced else None),
            span(sum(result.outcome.seconds for result in results)),
        )
        yield _cells(cells)


def _row(result: NightResult) -> str:
    name, metric = result.headline or ("", None)
    change = next((change for change in result.since_last if change.metric == name), None)
    return _cells(
        (
            result.name,
            _status(result),
            _headline(name, metric),
            _change(change, result, has_bounds=False),
            count(result.num_made),
            count(result.num_tokens),
            money(result.dollars),
            span(result.outcome.seconds),
        )
    )


def _headline(name: str, metric: Metric | None) -> str:
    if metric is None or metric["estimate"] is None:
        return f"{name} {NOTHING}".strip()
    bounds = "" if metric["low"] is None else f"<br>{interval(metric['low'], metric['high'])}"
    left_out = (
        "" if metric["n"] == metric["wanted"] else f"<br>{_problems(metric, has_samples=False)} problems"
    )
    return f"{name} **{share(metric['estimate'])}**{bounds}{left_out}"


def _status(result: NightResult) -> str:
    if result.is_complete:
        return "complete"
    if result.num_missing:
        return f"**{count(result.num_missing)} missing**"
    return f"**{count(result.num_undecided)} undecided**" if result.num_undecided else "**incomplete**"


def _failures(results: Sequence[NightResult]) -> Iterator[str]:
    """Equal causes once, with the experiments they struck."""
    struck: dict[str, list[str]] = {}
    for result in results:
        for cause in result.causes:
            names = struck.setdefault(cause.text, [])
            names.append(
                f"{result.name} ({count(cause.num_traces)} traces)" if cause.num_traces else result.name
            )
    for text, names in struck.items():
        yield f"- **{listed(names)}**: {inline(text)}"


def _experiment(result: NightResult) -> Iterator[str]:
    """Every metric with its changes, what it leaves out, and where its traces came from."""
    num_nights = len(result.since_nights[0].baseline) if result.since_nights else 0
    has_more = num_nights > 1
    yield f"## {result.name}"
    yield ""
    headings = ["metric", "accuracy", "95 % interval", "problems", "since last night"]
    headings += [f"since the last {num_nights} nights"] if has_more else []
    yield _cells(headings)
    yield _cells(["---", *["---:"] * (len(headings) - 1)])
    last = {change.metric: change for change in result.since_last}
    nights = {change.metric: change for change in result.since_nights}
    for name, value in result.outcome.summary["metrics"].items() if result.outcome.summary else ():
        cells = [name, share(value["estimate"]), interval(value["low"], value["high"]), _problems(value)]
        cells.append(_change(last.get(name), result, has_verdict=not has_more))
        if has_more:
            cells.append(_change(nights.get(name), result, has_verdict=True))
        yield _cells(cells)
    yield ""
    if summary := result.outcome.summary:
        for warning in summary["warnings"]:
            yield f"Warning: {inline(warning)}"
            yield ""
        kinds = ", ".join(
            f"{stage} {count(counts['generated'])} made, {count(counts['reused'])} reused of {count(counts['wanted'])}"
            for stage, counts in summary["stages"].items()
        )
        had_more = sum(s.num_traces for s in result.spent if s.stage != "judge") > sum(
            counts["generated"] for counts in summary["stages"].values()
        )
        yield f"{'The last try: ' if had_more else ''}{kinds}. Run `{summary['run_id']}`"


def _problems(metric: Metric, *, has_samples: bool = True) -> str:
    """Over how many problems, of how many where that is not all; and the samples without a verdict."""
    of = "" if metric["n"] == metric["wanted"] else f" of {count(metric['wanted'])}"
    undecided = (
        f", {count(metric['undecided'])} samples undecided" if metric["undecided"] and has_samples else ""
    )
    return f"{count(metric['n'])}{of}{undecided}"


def _change(
    change: Change | None, result: NightResult, *, has_verdict: bool = False, has_bounds: bool = True
) -> str:
    if change is None:
        return "first night" if result.is_first else NOTHING
    bounds = "" if change.low is None or not has_bounds else f" ({change.low:+.3f} … {change.high:+.3f})"
    return f"{change.change:+.3f}{bounds}" + (f" {change.verdict}" if has_verdict else "")


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
