"""What an operator reads of a night: one line with everything in it, equal causes once, a first night said only then."""

from datetime import date

import pytest

from tasks.analysis.compare import Change
from tasks.analysis.numbers import money, span
from tasks.ops.night_line import line_of
from tasks.ops.night_page import page_of
from tasks.ops.night_results import Cause, NightAttempt, NightResult, Spent, merged
from tasks.ops.sweep_table import table_row

OVERLOADED = "server_error: HTTP 500: The model is overloaded."
TOO_LONG = "context_overflow: HTTP 400: maximum context length is <b>4096</b> tokens"


def outcome(name, missing=0, seconds=60.0, complaint="", **metrics):
    counts = {
        "wanted": 60,
        "generated": 60 - missing,
        "reused": 0,
        "errors": missing,
        "blocked": 0,
        "truncated": 0,
    }
    values = {
        metric.replace("_", "@"): {
            "estimate": estimate,
            "low": estimate - 0.1,
            "high": estimate + 0.1,
            "n": 10,
            "wanted": 12,
            "undecided": 3 * (name == "tens"),
        }
        for metric, estimate in metrics.items()
    }
    summary = {
        "run_id": f"20261128T020000-{name}-0",
        "status": "incomplete" if missing else "complete",
        "stages": {"explore": counts | {"tokens": 5}},
        "metrics": values,
        "cost": {},
        "verdicts": {},
        "warnings": ["half of the verdicts are missing"] if name == "tens" else [],
    }
    return NightAttempt(name, summary, complaint, seconds, 7)


def change(name, by, verdict, baseline=("a", "b")):
    return Change(
        run_id=name,
        baseline=baseline,
        metric="a2r",
        before=0.7,
        after=0.7 + by,
        change=by,
        low=by - 0.01,
        high=by + 0.01,
        p_value=0.01,
        p_corrected=0.01,
        bootstrap_low=None,
        bootstrap_high=None,
        bootstrap_p=None,
        smallest_effect=None,
        num_problems=10,
        num_better=1,
        num_worse=1,
        num_gained=1,
        num_lost=1,
        num_undecided=0,
        mcnemar_p=1.0,
        verdict=verdict,
    )


WHOLE = NightResult(
    outcome("sums", mean_1=0.5, cons_4=0.6, a2r=0.7),
    spent=(Spent("explore", "small", 60, 1200, 0.25),),
    since_last=(change("x", 0.012, "same", ("a",)),),
    since_nights=(change("x", 0.012, "same"),),
)
BROKEN = NightResult(
    outcome("tens", 20, 30.0, "it broke", mean_1=0.5),
    causes=(Cause(OVERLOADED, 15, False), Cause(TOO_LONG, 5, True)),
    spent=(Spent("explore", "small", 40, 800, 0.125),),
    is_first=True,
)
DEAD = NightResult(
    NightAttempt("hundreds", None, "mine.yaml does not exist", 1.0, 7), causes=(Cause(OVERLOADED, 9, False),)
)


def test_line_of_a_good_night_says_what_ran_what_it_cost_and_what_changed():
    assert str(line_of([WHOLE])) == (
        "sums is complete. 0.25 dollars, 1,200 tokens, 1 min. No metric changed significantly."
    )
    fallen = NightResult(WHOLE.outcome, spent=WHOLE.spent, since_nights=(change("x", -0.2, "fell"),))
    assert str(line_of([WHOLE, fallen])).endswith(
        "All 2 experiments are complete. 0.50 dollars, 2,400 tokens, 2 min. "
        "Changed since earlier nights: sums: a2r fell by 0.200."
    )


def test_vote_over_adaptive_samples_is_a_vote():
    adaptive = outcome("adaptive", **{"mean_1": 0.5, "stopped-cons_6": 0.7})
    assert [NightResult(adaptive).headline[0], NightResult(WHOLE.outcome).headline[0]] == [
        "stopped-cons@6",
        "a2r",
    ]
    cell = {"cell": "stop.after=3", "experiment": "adaptive", "settings": {}, **adaptive.summary}
    assert table_row(cell)["cons"] == "0.700 @6 [0.600, 0.800]"


def test_night_with_nothing_new_costs_nothing():
    idle = NightResult(
        WHOLE.outcome, spent=(Spent("explore", "free", 0, 0, 0),), since_nights=WHOLE.since_nights
    )
    assert "Nothing was generated; 1 min." in str(line_of([idle]))


def test_line_of_a_failed_night_says_why_and_what_to_press_and_its_state_begins_with_that():
    line = line_of([WHOLE, BROKEN, DEAD])
    assert str(line).startswith(
        "1 of 3 experiments are complete; tens and hundreds are not. 20 traces are missing: 24 × server_error: HTTP 500: "
        "The model is overloaded (and 1 other cause). Once the cause is mended, press Retry: only what is missing is made."
    )
    assert line.remedy_first.startswith(
        "Once the cause is mended, press Retry: only what is missing is made. 1 of 3"
    )
    refused = NightResult(BROKEN.outcome, causes=(Cause(TOO_LONG, 5, True),))
    assert "Change what is refused" in line_of([refused]).press and "press Retry" in line_of([refused]).press
    assert line_of([refused]).press.endswith("only what is missing is made.")


def test_answers_that_did_without_a_refused_one_are_said_to_be_made_anew():
    lacking = outcome("tens", 20, 30.0, "it broke", mean_1=0.5)
    counts = lacking.summary["stages"]["explore"]
    lacking.summary["stages"]["synthesize"] = counts | {"generated": 60, "errors": 0}
    refused = NightResult(lacking, causes=(Cause(TOO_LONG, 5, True),))
    assert line_of([refused]).press.endswith(
        "only what is missing is made, and the answers that had to do without it."
    )


@pytest.mark.parametrize(
    ("undecided", "ungraded", "press"),
    [
        (13, 0, "Change the grader, or give verdicts by hand, then press Retry"),
        (12, 1, "Once the cause is mended"),
    ],
)
def test_night_that_lacks_only_verdicts_says_how_many_and_whether_retry_asks_again(
    undecided, ungraded, press
):
    judged = outcome("judged", complaint="13 of 40 answers have no verdict", mean_1=0.5)
    counts = {"answers": 40, "decided": 27, "undecided": undecided, "ungraded": ungraded}
    judged.summary["verdicts"] = {"explore": counts}
    failed = NightResult(judged, causes=(Cause("the judge does not decide", None, False),))
    line = line_of([WHOLE, failed])
    assert line.press.startswith(press)
    assert "judged is not. 13 verdicts are missing: the judge does not decide." in str(line)
    assert "| judged | **13 undecided** |" in page_of(date(2026, 11, 28), [WHOLE, failed], "root", "")


def test_unknown_price_is_said_and_never_a_smaller_sum():
    free = NightResult(
        WHOLE.outcome, spent=(Spent("explore", "free", 60, 100, None),), since_nights=WHOLE.since_nights
    )
    assert "Dollars unknown (no price for free), 1,300 tokens" in str(line_of([WHOLE, free]))
    page = page_of(date(2026, 11, 28), [WHOLE, free], "root", "")
    assert "| 1,300 | – | 2 min |" in page


def test_numbers_of_the_last_try_are_said_to_be_its_own():
    retried = NightResult(WHOLE.outcome, spent=(Spent("explore", "small", 61, 1200, 0.25),))
    for result, beginning in ((WHOLE, "explore 60 made"), (retried, "The last try: explore 60 made")):
        page = page_of(date(2026, 11, 28), [result], "root", "")
        assert any(line.startswith(beginning) for line in page.splitlines())


def test_equal_causes_are_one_whatever_they_struck():
    assert merged([Cause("a", 1, False), Cause("b", None, False), Cause("a", 3, False)]) == (
        Cause("a", 4, False),
        Cause("b", None, False),
    )
    page = page_of(date(2026, 11, 28), [BROKEN, DEAD], "root", "")
    assert page.count("The model is overloaded") == 2, "once in the line and once below"
    assert "- **tens (15 traces) and hundreds (9 traces)**: server_error" in page
    assert "<b>" not in page, "what a server said is no markup"


def test_page_begins_with_the_line_and_has_headings_by_experiment():
    page = page_of(
        date(2026, 11, 28), [WHOLE, BROKEN], "root", "[Open the report](http://127.0.0.1:4201/x.html)"
    )
    assert page.startswith(f"**{line_of([WHOLE, BROKEN])}**\n\n[Open the report]")
    assert "\n## sums\n" in page and "\n## tens\n" in page and "\n## What failed\n" in page
    assert (
        "| sums | complete | a2r **0.700**<br>0.600 – 0.800<br>10 of 12 problems | +0.012 | 60 | 1,200 | 0.25 |"
        in page
    )
    sums, tens = page.split("\n## sums\n")[1].split("\n## tens\n")
    assert "first night" not in sums and "| mean@1 | 0.500 | 0.400 – 0.600 | 10 of 12 | – | – |" in sums
    assert (
        "| a2r | 0.700 | 0.600 – 0.800 | 10 of 12 | +0.012 (+0.002 … +0.022) | +0.012 (+0.002 … +0.022) same |"
        in sums
    )
    assert (
        "first night" in tens
        and "tens | **20 missing** | mean@1 **0.500**<br>0.400 – 0.600<br>10 of 12 problems | first night |"
        in page
    )
    assert "10 of 12, 3 samples undecided" in tens and "Warning: half of the verdicts" in tens
    assert "explore 40 made, 0 reused of 60. Run `20261128T020000-tens-0`" in tens


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [
        (None, "–"),
        (0, "0.00"),
        (1234.5, "1,234.50"),
        (0.0123, "0.01"),
        (0.0051, "0.0051"),
        (5.04e-5, "0.000050"),
        (3e-9, "0.0000000030"),
    ],
)
def test_dollars_are_plain_decimals(dollars, shown):
    assert money(dollars) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0 s"), (59, "59 s"), (90, "2 min"), (12_000, "3 h 20 min")]
)
def test_spans_are_short(seconds, shown):
    assert span(seconds) == shown
