"""A night in one line that says all an operator needs. Values in, text out."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.analysis.numbers import count, money, span
from tasks.executor.errors import soonest
from tasks.ops.night_results import Cause, NightResult, merged

MOST_NAMES = 4
"""Experiments or models that a sentence lists by name."""
LONGEST_CAUSE = 400
"""Characters of a cause in the line; the page below has all of it."""


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


def line_of(results: Sequence[NightResult]) -> NightLine:
    """The night in one line."""
    return NightLine(_ran(results), _why(results), _press(results), _cost(results), _changed(results))


def _ran(results: Sequence[NightResult]) -> str:
    whole = [result.name for result in results if result.is_complete]
    failed = [result.name for result in results if not result.is_complete]
    if not failed:
        return (
            f"{whole[0]} is complete." if len(whole) == 1 else f"All {len(whole)} experiments are complete."
        )
    if len(results) == 1:
        return f"{failed[0]} is not complete."
    verb = "is" if len(failed) == 1 else "are"
    return f"{len(whole)} of {len(results)} experiments are complete; {listed(failed)} {verb} not."


def _why(results: Sequence[NightResult]) -> str:
    causes = merged(cause for result in results for cause in result.causes)
    if not causes:
        return ""
    missing = sum(result.num_missing for result in results)
    undecided = sum(result.num_undecided for result in results)
    amounts = [
        f"{count(number)} {what}{'' if number == 1 else 's'}"
        for number, what in ((missing, "trace"), (undecided, "verdict"))
        if number
    ]
    verb = "is" if missing + undecided == 1 else "are"
    lacking = f"{' and '.join(amounts)} {verb} missing: " if amounts else ""
    first = _shortened(_said(causes[0]))
    others = len(causes) - 1
    more = f" (and {others} other cause{'s' if others > 1 else ''})" if others else ""
    return f"{lacking}{first}{more}."


def _press(results: Sequence[NightResult]) -> str:
    failed = [result for result in results if not result.is_complete]
    if not failed:
        return ""
    if again_after(results) is not None:
        return "Nothing to press: what is under way is collected by itself."
    if all(result.is_for_the_grader for result in failed):
        return "Change the grader, or give verdicts by hand, then press Retry: no answer is made again."
    causes = [cause for result in results for cause in result.causes]
    made = "only what is missing is made"
    if any(result.is_read_around for result in failed):
        made += ", and the answers that had to do without it"
    if causes and all(cause.is_permanent for cause in causes):
        return (
            "Change what is refused (prompt, max_tokens) or the endpoint that refuses it, then press Retry: "
            f"{made}."
        )
    return f"Once the cause is mended, press Retry: {made}."


def again_after(results: Sequence[NightResult]) -> float | None:
    """Seconds after which to look again where all that is missing is under way elsewhere; else None."""
    return soonest([result.outcome.again_seconds for result in results if not result.is_complete])


def _cost(results: Sequence[NightResult]) -> str:
    tokens = sum(result.num_tokens for result in results)
    seconds = span(sum(result.outcome.seconds for result in results))
    if not tokens:
        return f"Nothing was generated; {seconds}."
    return f"{_dollars(results)}, {count(tokens)} tokens, {seconds}."


def _dollars(results: Sequence[NightResult]) -> str:
    unpriced = list(dict.fromkeys(model for result in results for model in result.unpriced))
    uncounted = list(dict.fromkeys(model for result in results for model in result.uncounted))
    reasons = [
        *([f"no price for {listed(unpriced)}"] if unpriced else []),
        *([f"not all tokens of {listed(uncounted)} were counted"] if uncounted else []),
    ]
    if reasons:
        return f"Dollars unknown ({'; '.join(reasons)})"
    return f"{money(sum(result.dollars or 0 for result in results))} dollars"


def _changed(results: Sequence[NightResult]) -> str:
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
    return "No metric changed significantly" + (f"; first night of {listed(first)}." if first else ".")


def _said(cause: Cause) -> str:
    amount = "" if cause.num_traces is None else f"{count(cause.num_traces)} × "
    return f"{amount}{cause.text.strip().removesuffix('.')}"


def _shortened(text: str) -> str:
    one_line = inline(text)
    return one_line if len(one_line) <= LONGEST_CAUSE else f"{one_line[:LONGEST_CAUSE]}…"


def inline(text: str) -> str:
    """What a server or an experiment said, on one line and as no markup."""
    return html.escape(" ".join(text.split()), quote=False)


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: a, b and c; many of them cut short."""
    if len(names) > MOST_NAMES:
        names = [*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
