"""Runs compared: paired by problem, agreeing with scipy and statsmodels, exit 3 on a significant fall."""

import duckdb
import numpy as np
import orjson
import pyarrow as pa
import pytest
from test_statistics import answered, catalog, empty_catalog  # noqa: F401
from typer.testing import CliRunner

from configs.schema import UserError
from flows.cli import app
from tasks.analysis.compare import Comparison, changes_of, compare_runs, overall, watch
from warehouse.catalog import create_relations, create_tables, enter_root
from warehouse.naming import resolve
from warehouse.statistics import bootstrap_interval, bootstrap_p, holm
from warehouse.store import Store


def enter(catalog, **tables):  # noqa: F811
    """Runs by name, each a table of verdicts: one row a problem."""
    for run_id, table in tables.items():
        verdicts = {f"p{i}": [None if x is None else bool(x) for x in row] for i, row in enumerate(table)}
        answered(catalog, verdicts, run_id=run_id)


def compared(catalog, before, after):  # noqa: F811
    enter(catalog, before=before, after=after)
    return {change.metric: change for change in changes_of(catalog, [Comparison(("before",), "after")])}


def test_paired_difference_agrees_with_scipys_paired_t(catalog, stats):  # noqa: F811
    rng = np.random.default_rng(1)
    before, after = rng.binomial(1, 0.6, (120, 4)), rng.binomial(1, 0.45, (120, 4))
    change = compared(catalog, before, after)["mean@1"]
    expected = stats.ttest_rel(after.mean(1), before.mean(1))
    low, high = expected.confidence_interval(0.95)
    assert (change.before, change.after) == pytest.approx((before.mean(), after.mean()))
    assert change.change == pytest.approx((after.mean(1) - before.mean(1)).mean())
    assert (change.low, change.high) == pytest.approx((low, high), rel=1e-6)
    assert change.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert change.verdict == "fell"


def test_mcnemar_agrees_with_statsmodels_and_leaves_out_even_problems(catalog):  # noqa: F811
    from statsmodels.stats.contingency_tables import mcnemar

    rng = np.random.default_rng(4)
    before, after = rng.binomial(1, 0.6, (90, 4)), rng.binomial(1, 0.5, (90, 4))
    change = compared(catalog, before, after)["mean@1"]
    was, now = before.mean(1), after.mean(1)
    gained, lost = np.sum((was < 0.5) & (now > 0.5)), np.sum((was > 0.5) & (now < 0.5))
    assert (change.num_gained, change.num_lost) == (gained, lost)
    assert change.num_undecided == np.sum((was == 0.5) | (now == 0.5)) > 0
    assert change.mcnemar_p == pytest.approx(mcnemar([[0, gained], [lost, 0]], exact=True).pvalue)


def test_bootstrap_agrees_with_the_paired_t_and_with_scipys_bootstrap(catalog, stats):  # noqa: F811
    rng = np.random.default_rng(5)
    before, after = rng.binomial(1, 0.5, (200, 4)), rng.binomial(1, 0.56, (200, 4))
    change = compared(catalog, before, after)["mean@1"]
    assert (change.bootstrap_low, change.bootstrap_high) == pytest.approx(
        (change.low, change.high), abs=0.004
    )
    assert change.bootstrap_p == pytest.approx(change.p_value, abs=0.01)
    d = after.mean(1) - before.mean(1)
    theirs = stats.bootstrap(
        (d,), np.mean, method="percentile", rng=6, n_resamples=10_000
    ).confidence_interval
    ours = bootstrap_interval(d)
    widened = np.sqrt(200 / 199) * stats.t.ppf(0.975, 199) / stats.norm.ppf(0.975)
    assert (theirs.high - theirs.low) * widened == pytest.approx(ours.high - ours.low, rel=0.03)


def test_smallest_effect_is_found_four_times_in_five(catalog, stats):  # noqa: F811
    from statsmodels.stats.power import TTestPower

    rng = np.random.default_rng(7)
    change = compared(catalog, rng.binomial(1, 0.5, (60, 4)), rng.binomial(1, 0.5, (60, 4)))["mean@1"]
    spread = (change.high - change.low) / 2 / stats.t.ppf(0.975, 59) * np.sqrt(60)
    power = TTestPower().power(change.smallest_effect / spread, nobs=60, alpha=0.05)
    assert power == pytest.approx(0.8, abs=0.005)


def test_same_runs_are_the_same(catalog):  # noqa: F811
    table = np.random.default_rng(2).binomial(1, 0.5, (40, 4))
    found = compared(catalog, table, table)
    assert {change.change for change in found.values()} == {0.0}
    assert {(change.verdict, change.p_value) for change in found.values()} == {("same", 1.0)}


def test_two_problems_that_both_fell_prove_nothing(catalog):  # noqa: F811
    change = compared(catalog, [[1], [1]], [[0], [0]])["mean@1"]
    assert (change.change, change.low, change.p_value) == (-1.0, None, 0.5)
    assert change.verdict == "same"


def test_problems_without_attempts_on_both_sides_are_left_out(catalog):  # noqa: F811
    change = compared(catalog, [[1], [1], [None]], [[1], [0], [1]])["mean@1"]
    assert (change.num_problems, change.num_worse) == (2, 1)


def test_one_problem_has_no_verdict(catalog):  # noqa: F811
    change = compared(catalog, [[1]], [[0]])["mean@1"]
    assert (change.p_value, change.verdict) == (None, "unknown")


def test_holm_agrees_with_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p_values = [0.01, 0.04, 0.03, 0.005, 0.9]
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert holm([0.02, None, 0.5]) == [0.04, None, 0.5]


def test_false_alarms_are_as_rare_as_promised(catalog):  # noqa: F811
    """2,000 comparisons of equal models: t and bootstrap call one in twenty significant."""
    rng = np.random.default_rng(3)
    difficulty = rng.beta(0.5, 0.7, (2000, 30))
    d = (rng.binomial(4, difficulty) - rng.binomial(4, difficulty)) / 4
    catalog.register("drawn", pa.table({"t": d.mean(1) / (d.std(1, ddof=1) / np.sqrt(30))}))
    [(by_t,)] = catalog.execute("select avg((student_p(t, 29) < 0.05)::int) from drawn").fetchall()
    by_bootstrap = np.mean([bootstrap_p(row) < 0.05 for row in d[:400]])
    assert 0.04 <= by_t <= 0.06
    assert 0.025 <= by_bootstrap <= 0.08


@pytest.mark.parametrize("nu", [1, 2, 3, 10, 29, 499])
@pytest.mark.parametrize("t", [0.0, 0.3, -1.5, 2.5, 6.0])
def test_students_p_is_exact(catalog, stats, t, nu):  # noqa: F811
    [p] = catalog.execute("select student_p(?, ?)", [t, nu]).fetchone()
    assert p == pytest.approx(2 * stats.t.sf(abs(t), nu), abs=1e-12)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A published catalog of six nights: five alike, and a sixth that is worse."""
    store = Store(str(tmp_path_factory.mktemp("root")))
    rng = np.random.default_rng(8)
    difficulty = rng.beta(1, 1, 150)
    with duckdb.connect(store.catalog_path) as connection:
        create_tables(connection)
        create_relations(connection, store.root)
        enter_root(connection, store.root)
        nights = {f"night{i}": rng.binomial(1, difficulty[:, None], (150, 4)) for i in range(5)}
        enter(connection, **nights, worse=rng.binomial(1, 0.75 * difficulty[:, None], (150, 4)))
    return store


def test_night_is_watched_against_the_mean_of_those_before(store):
    changes = watch(store, "worse", num_nights=3)
    assert {change.baseline for change in changes} == {("night4", "night3", "night2")}
    assert overall(changes) == "fell"
    assert {c.metric for c in changes if c.verdict == "fell"} >= {"mean@1"}
    assert all(c.p_corrected >= c.p_value for c in changes)
    assert overall(watch(store, "night4")) == "same"
    assert watch(store, "night0") == []


def test_compare_exits_with_3_on_a_fall_and_says_why_as_json(store):
    fallen = CliRunner().invoke(app, ["compare", "e", "--baseline", "4", "--root", store.root, "--json"])
    assert fallen.exit_code == 3
    told = orjson.loads(fallen.stdout)
    assert (told["verdict"], told["correction"], told["level"]) == ("fell", "holm", 0.05)
    assert told["changes"][0]["baseline"] == ["night4", "night3", "night2", "night1"]
    same = CliRunner().invoke(app, ["compare", "night0", "night1", "--root", store.root])
    assert (same.exit_code, "mean@1" in same.stdout) == (0, True)


def test_compared_runs_are_values(store):
    changes = compare_runs(["night0", "night1"], store.root)
    assert {change.run_id for change in changes} == {"night1"}
    assert {change.baseline for change in changes} == {("night0",)}
    assert "mean@1" in {change.metric for change in changes}


def test_runs_are_named_by_id_experiment_and_place(store):
    from warehouse.catalog import connect

    with connect(store) as opened:
        named = {name: resolve(opened, name).run_id for name in ("latest", "e", "e~1", "latest~5", "night2")}
        assert named == {
            "latest": "worse",
            "e": "worse",
            "e~1": "night4",
            "latest~5": "night0",
            "night2": "night2",
        }
        with pytest.raises(UserError, match=r"no run nosuch; the latest are worse, night4.*newest run: e\."):
            resolve(opened, "nosuch")
        with pytest.raises(UserError, match=r"e has 6 runs, so ~5 is the oldest"):
            resolve(opened, "e~6")


def test_first_night_has_nothing_before_it(store):
    with pytest.raises(UserError, match=r"night0 is the first run of e on b"):
        compare_runs(["night0"], store.root, baseline=7)
