"""Suites: macro-averages and stratified comparisons, against closed forms, scipy and simulation."""

import numpy as np
import pytest
from bench.coverage import METRICS, SUITE, suite_analytic, suite_bootstrapped, suite_paired, suites
from test_statistics import answered, catalog, empty_catalog  # noqa: F401

from tasks.analysis.compare import Comparison, changes_of
from warehouse.relations import statement

SIZES = {"hard": 12, "easy": 40, "mixed": 25}


def enter(catalog, run_id, chances, seed, sizes=SIZES, **columns):  # noqa: F811
    """A run of a suite with four samples per problem; returns the mean of each problem, by benchmark."""
    rng = np.random.default_rng(seed)
    drawn = {name: rng.binomial(1, chances[name], (size, 4)) for name, size in sizes.items()}
    rows = {
        f"{name}/{i}": list(map(bool, row)) for name, table in drawn.items() for i, row in enumerate(table)
    }
    for place, (name, size) in enumerate(sizes.items()):
        values = [run_id, name, f"set of {name}", size, place]
        catalog.execute("insert into store.suites values (?, ?, ?, ?, ?)", values)
    answered(catalog, rows, run_id=run_id, **columns)
    return {name: table.mean(1) for name, table in drawn.items()}


CHANCES = {"hard": 0.2, "easy": 0.9, "mixed": 0.5}


def test_macro_average_weighs_benchmarks_alike_and_its_squared_distances_add_up(catalog):  # noqa: F811
    means = enter(catalog, "r", CHANCES, 1)
    own = catalog.execute(
        "select member, benchmark, estimate, low, high, num_problems, num_wanted_problems from suite_metrics "
        "where metric = 'mean@1'"
    ).fetchall()
    assert [row[:2] for row in own] == [(name, f"set of {name}") for name in SIZES], "in the suite's order"
    assert [row[5:] for row in own] == [(size, size) for size in SIZES.values()]
    assert [row[2] for row in own] == pytest.approx([values.mean() for values in means.values()])
    found = catalog.execute(
        "select estimate, low, high, num_problems, num_left_out from metrics where metric = 'mean@1'"
    ).fetchone()
    estimates, lows, highs = (np.array([row[i] for row in own]) for i in (2, 3, 4))
    expected = estimates.mean()
    below, above = (np.sqrt(((end - estimates) ** 2).sum()) / 3 for end in (lows, highs))
    assert found == pytest.approx((expected, expected - below, expected + above, 77, 0))


def test_each_benchmarks_interval_is_that_of_a_run_of_it_alone(catalog):  # noqa: F811
    means = enter(catalog, "r", CHANCES, 2)
    alone = {str(i): [j < 4 * value for j in range(4)] for i, value in enumerate(means["mixed"])}
    answered(catalog, alone, run_id="alone")
    columns = "metric, estimate, low, high, num_problems, num_attempts"
    by_itself = catalog.execute(
        f"select {columns} from metrics where run_id = 'alone' and measure in ('mean', 'pass') order by metric"
    ).fetchall()
    assert (
        by_itself
        == catalog.execute(
            f"select {columns} from suite_metrics where member = 'mixed' and measure in ('mean', 'pass') order by metric"
        ).fetchall()
    )


def test_leaderboard_has_the_suite_and_each_benchmark_beside_runs_of_it_alone(catalog):  # noqa: F811
    enter(catalog, "r", CHANCES, 13)
    board = catalog.execute(
        "select benchmark, accuracy, num_problems, num_wanted, num_attempts, num_errors, num_tokens from leaderboard"
    ).fetchall()
    own = {row[0]: row[1:] for row in board}
    assert list(own) == ["b", "set of easy", "set of hard", "set of mixed"]
    assert own["set of hard"][1:] == (12, 48, 48, 0, 48 * 30)
    assert own["b"][0] == pytest.approx(np.mean([own[f"set of {name}"][0] for name in SIZES]))
    for place in range(1, 6):
        assert own["b"][place] == sum(own[f"set of {name}"][place] for name in SIZES)


def test_curves_end_where_the_metrics_are(catalog):  # noqa: F811
    enter(catalog, "r", CHANCES, 14)
    metrics = "select estimate, low, high, num_problems from metrics where metric in ('cons@4', 'pass@4') order by metric"
    ends = catalog.execute(metrics).fetchall()
    columns = "estimate, low, high, num_problems"
    view = f"select {columns} from curves where k = 4 and kind <> 'mean' order by kind"
    page = f"select {columns} from ({statement('report/curves')}) where k = 4 order by estimator"
    for query, values in ((view, {}), (page, {"run_ids": ["r"]})):
        found = catalog.execute(query, values).fetchall()
        assert [value for row in found for value in row] == pytest.approx([v for row in ends for v in row])


def test_gains_are_the_means_of_the_benchmarks(catalog, stats):  # noqa: F811
    enter(catalog, "r", {"hard": 0.5, "easy": 0.5, "mixed": 0.4}, 15)
    rng = np.random.default_rng(16)
    reader = {
        f"{name}/{i}": rng.random(2).round().astype(bool).tolist()
        for name, n in SIZES.items()
        for i in range(n)
    }
    answered(catalog, reader, stage="synthesize")
    own = catalog.execute(
        "select metric, estimate from metrics where metric in ('a2r', 'cons@4', 'pass@4')"
    ).fetchall()
    metrics = dict(own)
    found = catalog.execute(
        "select a2r, cons_at_n, pass_at_n, gap_closed_percent, low, high, num_problems from gains"
    ).fetchone()
    assert found[:3] == pytest.approx((metrics["a2r"], metrics["cons@4"], metrics["pass@4"]))
    assert found[3] == pytest.approx(100 * (found[0] - found[1]) / (found[2] - found[1]))
    d = {}
    for problem, vote, synthesis, is_any in catalog.execute(
        "select problem_id, majority_accuracy, synthesizer_accuracy, is_any_right from synthesis_outcomes"
    ).fetchall():
        d.setdefault(problem.split("/")[0], []).append((synthesis - vote, is_any - vote))
    strata = [np.array(rows) for rows in d.values()]
    error = sum(np.cov(rows.T) / len(rows) for rows in strata) / 9
    gain, gap = np.mean([rows.mean(0) for rows in strata], axis=0)
    t = stats.t.ppf(0.975, 77 - 3)
    for ratio in (found[4] / 100, found[5] / 100):
        spread = error[0, 0] - 2 * ratio * error[0, 1] + ratio**2 * error[1, 1]
        assert abs(gain - ratio * gap) == pytest.approx(t * np.sqrt(spread), rel=1e-3), "Fieller's"
    assert found[6] == 77


def test_average_without_one_of_its_benchmarks_is_unknown(catalog):  # noqa: F811
    enter(catalog, "r", CHANCES, 3, sizes={"easy": 5})
    catalog.execute("insert into store.suites values ('r', 'gone', 'set of gone', 9, 1)")
    assert catalog.execute(
        "select estimate, low, high, num_problems from metrics where metric = 'mean@1'"
    ).fetchone() == (None, None, None, 5)
    assert catalog.execute("select member from suite_metrics where metric = 'mean@1'").fetchall() == [
        ("easy",)
    ]


def test_stratified_change_agrees_with_its_closed_form_and_with_scipy(catalog, stats):  # noqa: F811
    before = enter(catalog, "before", CHANCES, 4)
    after = enter(catalog, "after", {"hard": 0.35, "easy": 0.9, "mixed": 0.7}, 5)
    [change] = [c for c in changes_of(catalog, [Comparison(("before",), "after")]) if c.metric == "mean@1"]
    d = [after[name] - before[name] for name in SIZES]
    squares = np.array([x.var(ddof=1) / len(x) for x in d])
    nu = squares.sum() ** 2 / (squares**2 / (np.array(list(SIZES.values())) - 1)).sum()
    expected, error = np.mean([x.mean() for x in d]), np.sqrt(squares.sum()) / 3
    assert change.change == pytest.approx(expected)
    assert (change.before, change.after) == pytest.approx(
        tuple(np.mean([x.mean() for x in run.values()]) for run in (before, after))
    )
    half = stats.t.ppf(0.975, int(nu)) * error
    assert (change.low, change.high) == pytest.approx((expected - half, expected + half), rel=1e-5)
    assert change.p_value == pytest.approx(2 * stats.t.sf(expected / error, int(nu)), rel=1e-6)
    assert (change.bootstrap_low, change.bootstrap_high) == pytest.approx(
        (change.low, change.high), abs=0.012
    )
    assert change.num_problems == 77
    assert list(change.benchmarks) == list(SIZES)
    for name, x in zip(SIZES, d, strict=True):
        own = change.benchmarks[name]
        low, high = stats.ttest_1samp(x, 0).confidence_interval(0.95)
        assert (own.change, own.low, own.high) == pytest.approx((x.mean(), low, high), rel=1e-4)
        assert own.num_problems == len(x)


def test_two_equal_benchmarks_are_welchs_test(catalog, stats):  # noqa: F811
    sizes = {"one": 20, "two": 35}
    before = enter(catalog, "before", {"one": 0.4, "two": 0.6}, 6, sizes)
    after = enter(catalog, "after", {"one": 0.6, "two": 0.7}, 7, sizes)
    [change] = [c for c in changes_of(catalog, [Comparison(("before",), "after")]) if c.metric == "mean@1"]
    one, two = (after[name] - before[name] for name in sizes)
    welch = stats.ttest_ind(one, -two, equal_var=False)
    assert change.p_value == pytest.approx(2 * stats.t.sf(abs(welch.statistic), int(welch.df)), rel=1e-6)


def test_a_run_of_one_benchmark_is_compared_on_it_alone(catalog):  # noqa: F811
    enter(catalog, "suite", CHANCES, 8)
    alone = {f"mixed/{i}": [i % 2 == 0] * 4 for i in range(25)}
    answered(catalog, alone, run_id="alone")
    for earlier, later in (("suite", "alone"), ("alone", "suite")):
        found = changes_of(catalog, [Comparison((earlier,), later)])
        assert {change.num_problems for change in found} == {25}
        assert {tuple(change.benchmarks) for change in found} == {("mixed",)}


def test_one_problem_of_a_benchmark_says_nothing_of_the_average(catalog):  # noqa: F811
    sizes = {"one": 1, "two": 30}
    for run_id, seed in (("before", 9), ("after", 10)):
        enter(catalog, run_id, {"one": 0.5, "two": 0.5}, seed, sizes)
    change = changes_of(catalog, [Comparison(("before",), "after")])[0]
    assert (change.low, change.p_value, change.bootstrap_p, change.verdict) == (None, None, None, "unknown")


def test_a_run_that_is_no_suite_has_no_rows_of_one(catalog):  # noqa: F811
    answered(catalog, {"a/1": [True, False], "b/2": [False, False]})
    for relation in ("suite_metrics", "suite_results"):
        assert catalog.execute(f"select count(*) from {relation}").fetchone() == (0,)
    assert catalog.execute("select distinct member from problem_metrics").fetchall() == [(None,)]


@pytest.mark.parametrize("name", list(METRICS))
def test_intervals_of_suites_cover(catalog, name):  # noqa: F811
    rng, value = np.random.default_rng(11), METRICS[name]
    truth, later = (
        np.mean([value(rows).mean() for rows in strata]) for strata in suites(rng, 1, (500_000,) * len(SUITE))
    )
    before, after = ([value(rows) for rows in strata] for strata in suites(rng, 2000))
    assert 0.93 <= suite_analytic(catalog, before, truth) <= 0.97
    assert 0.93 <= suite_paired(catalog, before, after, later - truth) <= 0.97


def test_stratified_bootstrap_covers():
    rng, value = np.random.default_rng(12), METRICS["mean@8"]
    population = suites(rng, 1, (500_000,) * len(SUITE))
    truth, later = (np.mean([value(rows).mean() for rows in strata]) for strata in population)
    before, after = ([value(rows) for rows in strata] for strata in suites(rng, 150))
    assert 0.91 <= suite_bootstrapped(before, after, later - truth) <= 0.98
