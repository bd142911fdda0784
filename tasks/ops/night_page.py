"""A night in words: one line that says all an operator needs, and the page below it. Values in, text out."""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from tasks.analysis.compare import Change
from tasks.analysis.numbers import NOTHING, count, interval, money, share, span
from tasks.ops.night_results import Cause, Result, merged

MOST_NAMES = 4
"""Experiments or models that a sentence lists by name."""
LONGEST_CAUSE = 220
"""Characters of a cause in the line; the page below has all of it."""

_HOW_TO_READ = (
    "Changes are paired by problem, with 95 % intervals; a verdict is corrected for the number of metrics. Cost is of "
    "what this night made; what was stored before costs nothing."
)


@dataclass(frozen=True, slots=True)
class NightLine:
    """The sentences of the one line, in the order in which a page says them."""

    ran: str
    why: str
    """Empty where nothing failed, like `press`."""
    press: str
    cost: str
    changed: str

    def __str__(self) -> str:
        """What ran, what failed and why, what to press, what it cost, what changed."""
        return " ".join(filter(None, (self.ran, self.why, self.press, self.cost, self.changed)))

    @property
    def remedy_first(self) -> str:
        """The same for a failed run's state, whose beginning is all that a list shows."""
        return " ".join(filter(None, (self.press, self.ran, self.why, self.cost, self.changed)))


def line_of(results: Sequence[Result]) -> NightLine:
    """The night in one line."""
    return NightLine(_ran(results), _why(results), _press(results), _cost(results), _changed(results))


def page_of(night: date, results: Sequence[Result], root: str, report: str) -> str:
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


# --- the line ---------------------------------------------------------------------------------


def _ran(results: Sequence[Result]) -> str:
    whole = [result.name for result in results if result.is_complete]
    failed = [result.name for result in results if not result.is_complete]
    if not failed:
        return (
            f"{whole[0]} is complete." if len(whole) == 1 else f"All {len(whole)} experiments are complete."
        )
    done = f"{len(whole)} of {len(results)} experiments are complete; " if len(results) > 1 else ""
    return f"{done}{_listed(failed)} {'is' if len(failed) == 1 else 'are'} not."


def _why(results: Sequence[Result]) -> str:
    causes = merged(cause for result in results for cause in result.causes)
    if not causes:
        return ""
    missing = sum(result.num_missing for result in results)
    lacking = f"{count(missing)} traces are missing: " if missing else ""
    first = _shortened(_said(causes[0]))
    others = len(causes) - 1
    more = f" (and {others} other cause{'s' if others > 1 else ''})" if others else ""
    return f"{lacking}{first}{more}."


def _press(results: Sequence[Result]) -> str:
    if all(result.is_complete for result in results):
        return ""
    causes = [cause for result in results for cause in result.causes]
    if causes and all(cause.is_permanent for cause in causes):
        return "Change what is refused (prompt, max_tokens), then press Retry: only what is missing is made."
    return "Once the cause is mended, press Retry: only what is missing is made."


def _cost(results: Sequence[Result]) -> str:
    tokens = sum(result.num_tokens for result in results)
    seconds = span(sum(result.outcome.seconds for result in results))
    if not tokens:
        return f"Nothing was generated; {seconds}."
    return f"{_dollars(results)}, {count(tokens)} tokens, {seconds}."


def _dollars(results: Sequence[Result]) -> str:
    unpriced = list(dict.fromkeys(model for result in results for model in result.unpriced))
    if unpriced:
        return f"Dollars unknown (no price for {_listed(unpriced)})"
    return f"{money(sum(result.dollars or 0 for result in results))} dollars"


def _changed(results: Sequence[Result]) -> str:
    moved = [
        f"{result.name}: {change.metric} {change.verdict} by {abs(change.change):.3f}"
        for result in results
        for change in (*result.fallen, *result.risen)
    ]
    if moved:
        return f"Changed since earlier nights: {'; '.join(moved)}."
    measured = [result for result in results if result.headline]
    if not measured:
        return ""
    first = [result.name for result in measured if result.is_first]
    if len(first) == len(measured):
        return "The first night of each." if len(first) > 1 else "Its first night."
    return "No metric changed significantly" + (f"; first night of {_listed(first)}." if first else ".")


def _said(cause: Cause) -> str:
    amount = "" if cause.num_traces is None else f"{count(cause.num_traces)} × "
    return f"{amount}{cause.text.strip().removesuffix('.')}"


def _shortened(text: str) -> str:
    one_line = _inline(text)
    return one_line if len(one_line) <= LONGEST_CAUSE else f"{one_line[:LONGEST_CAUSE]}…"


def _inline(text: str) -> str:
    """What a server or an experiment said, on one line and as no markup."""
    return html.escape(" ".join(text.split()), quote=False)


def _listed(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMES:
        names = [*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# --- the page ---------------------------------------------------------------------------------


_OVERVIEW = (
    "experiment",
    "status",
    "headline",
    "95 % interval",
    "problems",
    "since last night",
    "made",
    "reused",
    "missing",
    "tokens",
    "$",
    "time",
)


def _overview(results: Sequence[Result]) -> Iterator[str]:
    yield _cells(_OVERVIEW)
    yield _cells(["---", "---", *["---:"] * (len(_OVERVIEW) - 2)])
    for result in results:
        yield _row(result)
    if len(results) > 1:
        is_priced = all(result.dollars is not None for result in results)
        made, reused, missing = (sum(amounts) for amounts in zip(*map(_counts, results), strict=True))
        cells = (
            "**all**",
            *[""] * 5,
            count(made),
            count(reused),
            count(missing),
            count(sum(result.num_tokens for result in results)),
            money(sum(result.dollars or 0 for result in results) if is_priced else None),
            span(sum(result.outcome.seconds for result in results)),
        )
        yield _cells(cells)


def _row(result: Result) -> str:
    name, metric = result.headline or ("", None)
    change = next((change for change in result.since_last if change.metric == name), None)
    return _cells(
        (
            result.name,
            "complete" if result.is_complete else "**incomplete**",
            f"{name} **{share(metric['estimate'])}**" if metric else NOTHING,
            interval(metric["low"], metric["high"]) if metric else NOTHING,
            count(metric["n"]) if metric else NOTHING,
            _change(change, result, has_bounds=False),
            *map(count, _counts(result)),
            count(result.num_tokens),
            money(result.dollars),
            span(result.outcome.seconds),
        )
    )


def _counts(result: Result) -> tuple[int, int, int]:
    stages = list(result.outcome.summary["stages"].values()) if result.outcome.summary else []
    made, reused = (sum(counts[name] for counts in stages) for name in ("generated", "reused"))
    return made, reused, result.num_missing


def _failures(results: Sequence[Result]) -> Iterator[str]:
    """Equal causes once, with the experiments they struck."""
    struck: dict[str, list[str]] = {}
    for result in results:
        for cause in result.causes:
            names = struck.setdefault(cause.text, [])
            names.append(
                f"{result.name} ({count(cause.num_traces)} traces)" if cause.num_traces else result.name
            )
    for text, names in struck.items():
        yield f"- **{_listed(names)}**: {_inline(text)}"


def _experiment(result: Result) -> Iterator[str]:
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
        cells = [name, share(value["estimate"]), interval(value["low"], value["high"]), count(value["n"])]
        cells.append(_change(last.get(name), result, has_verdict=not has_more))
        if has_more:
            cells.append(_change(nights.get(name), result, has_verdict=True))
        yield _cells(cells)
    yield ""
    yield f"Run `{result.outcome.summary['run_id'] if result.outcome.summary else ''}`"


def _change(
    change: Change | None, result: Result, *, has_verdict: bool = False, has_bounds: bool = True
) -> str:
    if change is None:
        return "first night" if result.is_first else NOTHING
    bounds = "" if change.low is None or not has_bounds else f" ({change.low:+.3f} … {change.high:+.3f})"
    return f"{change.change:+.3f}{bounds}" + (f" {change.verdict}" if has_verdict else "")


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
