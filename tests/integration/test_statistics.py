"""The catalog's numbers against closed forms, brute force and simulation."""

import itertools
import math
import random
import statistics
from collections import Counter
from statistics import fmean

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from bench.coverage import METRICS, analytic, bootstrapped

from configs.roles import Stop
from tasks.prompts.agreement import num_wanted
from warehouse.catalog import create_relations, create_tables
from warehouse.loader import reduce_stale
from warehouse.statistics import bootstrap_interval


@pytest.fixture(scope="session")
def empty_catalog():
    with duckdb.connect() as connection:
        create_tables(connection)
        create_relations(connection, ".")
        yield connection


@pytest.fixture
def catalog(empty_catalog):
    empty_catalog.begin()
    yield empty_catalog
    empty_catalog.rollback()


def answered(catalog, verdicts, stage="explore", run_id="r", num_fixed=None, left_to_vote=(), **columns):
    """Enter samples and reduce them as a load does.

    `verdicts[problem][index]` is True, False, None (failed); `votes`, `score`, `mean_logprob`, `group_confidence`,
    `latency_seconds` and `reads` have the same shape. A vote is the verdict itself unless given.
    """
    n = max(len(row) for row in verdicts.values())
    recipe, reads = f"{run_id}-{stage}", [] if stage == "explore" else ["explore"]
    if not catalog.execute("select 1 from store.runs where run_id = ?", [run_id]).fetchone():
        catalog.execute(
            "insert into store.runs values "
            "(?, 'e', '', 'complete', 'b', 'g-1', ?, now(), now(), '{}', '{}', '{}', false, true, '[]')",
            [run_id, len(verdicts)],
        )
    catalog.execute("update store.runs set is_stale = true where run_id = ?", [run_id])
    catalog.execute(
        "insert into store.roles values "
        "(?, ?, 'm', null, 1e9, 1, 2, null, null, 0.5, ?, 'e', 'p', ?, 1, 9, null, ?, 0, ?, ?, ?, '', ?, ?, ?)",
        [
            *(run_id, stage, recipe, n, n * len(verdicts), len(reads), int(len(reads) > 0), reads, stage),
            *(num_fixed or n, list(left_to_vote)),
        ],
    )
    rows = [
        {
            "run_id": run_id,
            "stage": stage,
            "recipe": recipe,
            "problem_id": problem,
            "trace_id": f"{recipe}-{problem}-{index}",
            "sample_index": index,
            "is_correct": verdict,
            "vote_key": columns["votes"][problem][index] if "votes" in columns else str(verdict),
            **{
                name: columns[name][problem][index] if name in columns else None
                for name in ("score", "mean_logprob", "group_confidence", "latency_seconds", "reads")
            },
        }
        for problem, row in verdicts.items()
        for index, verdict in enumerate(row)
    ]
    entered = pa.Table.from_pylist(rows)  # noqa: F841 - read by DuckDB
    for statement in ENTER:
        catalog.execute(statement)
    reduce_stale(catalog)


ENTER = (
    """insert into store.members by name
    select run_id, stage, problem_id, problem_id as problem_digest, sample_index, trace_id, 'gold' as gold
    from entered""",
    """insert into store.traces by name
    select trace_id, stage, recipe, problem_id as problem_digest, sample_index, 'ok' as status,
        10 as num_billed_prompt_tokens, 20 as num_completion_tokens, now() as started_at, 1 as num_tries,
        latency_seconds::double as latency_seconds, mean_logprob::double as mean_logprob,
        group_confidence::double as group_confidence,
        score::double as score, coalesce(reads::varchar[], []) as reference_ids, 'part' as part
    from entered where is_correct is not null""",
    """insert into store.grades by name
    select trace_id, 'g-1' as grader, 'gold' as gold, if(is_correct, 'correct', 'wrong') as verdict,
        is_correct, vote_key::varchar as vote_key, recipe, problem_id as problem_digest
    from entered where is_correct is not null""",
)


def metric(catalog, name, run_id="r"):
    return catalog.execute(
        "select estimate, low, high, num_problems, num_left_out from metrics where metric = ? and run_id = ?",
        [name, run_id],
    ).fetchone()


@pytest.mark.parametrize(("n", "c"), [(8, 0), (8, 1), (8, 5), (8, 8), (5, 2)])
def test_pass_at_k_is_the_share_of_subsets_with_a_right_one(catalog, n, c):
    for k in range(1, n + 1):
        subsets = list(itertools.combinations([True] * c + [False] * (n - c), k))
        expected = sum(map(any, subsets)) / len(subsets)
        assert catalog.execute("select pass_at_k(?, ?, ?)", [n, c, k]).fetchone()[0] == pytest.approx(
            expected
        )


def test_pass_at_k_needs_k_attempts_and_stays_exact_for_many(catalog):
    assert catalog.execute("select pass_at_k(3, 1, 4)").fetchone() == (None,)
    expected = 1 - math.comb(999, 500) / math.comb(1000, 500)
    assert catalog.execute("select pass_at_k(1000, 1, 500)").fetchone()[0] == pytest.approx(expected)


@pytest.mark.parametrize("nu", [1, 2, 3, 5, 29, 499])
def test_student_quantile(catalog, stats, nu):
    assert catalog.execute("select student_t(?)", [nu]).fetchone()[0] == pytest.approx(
        stats.t.ppf(0.975, nu), rel=2e-3
    )


def test_mean_is_over_problems_and_failures_are_no_answers(catalog):
    answered(catalog, {"a": [True, True, None, None], "b": [False, False, False, False], "c": [None] * 4})
    estimate, low, high, n, left_out = metric(catalog, "mean@1")
    assert (estimate, n, left_out) == (0.5, 2, 1)
    assert 0 <= low < 0.5 < high <= 1
    assert metric(catalog, "pass@4")[3:] == (1, 2), "two attempts say nothing of pass@4"


def test_vote_shares_ties_and_knows_when_nobody_voted(catalog):
    verdicts = {"tie": [True, False], "none": [False, False], "right": [True, True]}
    votes = {"tie": ["1", "2"], "none": [None, None], "right": ["1", "1"]}
    answered(catalog, verdicts, votes=votes)
    found = dict(catalog.execute("select problem_id, cons_at_k from cons_at_k where k = 2").fetchall())
    assert found == {"tie": 0.5, "none": 0.0, "right": 1.0}
    assert metric(catalog, "cons@2")[0] == pytest.approx(0.5)


def test_vote_is_the_expectation_over_fair_draws(catalog):
    rng = np.random.default_rng(0)
    keys = {f"p{i}": [str(rng.integers(3)) for _ in range(6)] for i in range(40)}
    answered(catalog, {p: [key == "0" for key in row] for p, row in keys.items()}, votes=keys)
    for problem, row in keys.items():
        modes = statistics.multimode(row)
        [(value,)] = catalog.execute(
            "select cons_at_k from cons_at_k where k = 6 and problem_id = ?", [problem]
        ).fetchall()
        assert value == pytest.approx(("0" in modes) / len(modes))


def test_one_problem_has_an_estimate_and_no_interval(catalog):
    answered(catalog, {"a": [True, False]})
    assert metric(catalog, "mean@1") == (0.5, None, None, 1, 0)


def test_sample_of_one_has_wilsons_interval_with_t(catalog, stats):
    answered(catalog, {str(i): [i < 20] for i in range(30)})
    p, n, z = 20 / 30, None, stats.t.ppf(0.975, 29)
    variance = p * (1 - p) * 30 / 29
    n = p * (1 - p) * 30 / variance
    centre, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    _, low, high, *_ = metric(catalog, "mean@1")
    assert low == pytest.approx((centre - half) / (1 + z**2 / n), rel=1e-4)
    assert high == pytest.approx((centre + half) / (1 + z**2 / n), rel=1e-4)


@pytest.mark.parametrize("num_problems", [30, 500])
@pytest.mark.parametrize("metric_name", METRICS)
def test_intervals_cover(catalog, num_problems, metric_name):
    """2,000 benchmarks whose problems differ in difficulty: 95 % intervals hold the true mean that often."""
    rng = np.random.default_rng(num_problems)
    value = METRICS[metric_name]
    truth = value(rng.binomial(8, rng.beta(0.4, 0.8, 1_000_000))).mean()
    values = value(rng.binomial(8, rng.beta(0.4, 0.8, (2000, num_problems))))
    assert 0.93 <= analytic(catalog, values, truth) <= 0.97


@pytest.mark.parametrize("num_problems", [30, 500])
def test_bootstrap_intervals_cover_and_agree_with_the_analytic_ones(catalog, num_problems):
    rng = np.random.default_rng(num_problems)
    values = rng.binomial(8, rng.beta(0.4, 0.8, (300, num_problems))) / 8
    assert 0.91 <= bootstrapped(values, 1 / 3) <= 0.98
    interval = bootstrap_interval(values[0])
    answered(catalog, {str(i): [j < 8 * value for j in range(8)] for i, value in enumerate(values[0])})
    _, low, high, *_ = metric(catalog, "mean@1")
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.25 * (high - low) / 2)


def grouped(rng, shape):
    """Verdicts of samples in groups of problems, whose chances are 0.5 ± 0.2 by problem and ± 0.2 by group."""
    problems, groups, samples = shape
    chances = 0.5 + rng.choice([-0.2, 0.2], (problems, 1, 1)) + rng.choice([-0.2, 0.2], (problems, groups, 1))
    return rng.random((problems, groups, samples)) < chances


def test_variance_between_groups_of_references_is_recovered(catalog):
    verdicts = grouped(np.random.default_rng(14), (1500, 3, 2)).reshape(1500, 6)
    reads = {str(i): [[f"{i}-{j // 2}"] for j in range(6)] for i in range(1500)}
    answered(catalog, {"0": [True]})
    answered(
        catalog, {str(i): row.tolist() for i, row in enumerate(verdicts)}, stage="synthesize", reads=reads
    )
    row = catalog.execute(
        "select num_groups, sample_variance, group_variance, problem_variance from reference_groups"
    ).fetchone()
    assert row == (4500, *(pytest.approx(value, abs=0.012) for value in (0.17, 0.04, 0.04)))


def test_variance_between_groups_is_unknown_where_all_read_the_same_or_each_another(catalog):
    answered(catalog, {"0": [True]})
    for run_id, reads in (("same", [["a"], ["a"]]), ("each", [["a"], ["b"]])):
        answered(catalog, {"0": [True]}, run_id=run_id)
        answered(catalog, {"0": [True, False]}, stage="synthesize", run_id=run_id, reads={"0": reads})
    rows = (
        "select run_id, sample_variance, group_variance from reference_groups where run_id <> 'r' order by 1"
    )
    assert catalog.execute(rows).fetchall() == [("each", None, None), ("same", 0.5, None)]


@pytest.mark.parametrize("groups", [1, 4])
def test_intervals_count_the_variance_between_groups(catalog, groups):
    """2,000 runs of 60 problems with four syntheses each, all of one group or each of its own."""
    rng = np.random.default_rng(groups)
    values = grouped(rng, (2000 * 60, groups, 4 // groups)).mean((1, 2)).reshape(2000, 60)
    assert 0.93 <= analytic(catalog, values, 0.5) <= 0.97


@pytest.mark.parametrize(("right", "n"), [(0, 30), (7, 30), (499, 500)])
def test_wilson_agrees_with_statsmodels(catalog, stats, right, n):
    from statsmodels.stats.proportion import proportion_confint

    [ends] = catalog.execute(
        "select [wilson_low(p, $n, $z), wilson_high(p, $n, $z)] from (select $right / $n as p)",
        {"right": right, "n": n, "z": stats.norm.ppf(0.975)},
    ).fetchone()
    assert ends == pytest.approx(proportion_confint(right, n, method="wilson"), abs=1e-12)


def test_outcomes_partition_the_problems(catalog):
    explored = {"kept": [1, 1, 0], "harmed": [1, 1, 0], "rescued": [0, 0, 1], "missed": [0, 0, 0]}
    synthesized = {"kept": [1], "harmed": [0], "rescued": [1], "missed": [0]}
    for stage, table in (("explore", explored), ("synthesize", synthesized)):
        answered(catalog, {p: [bool(x) for x in row] for p, row in table.items()}, stage)
    found = catalog.execute("select problem_id, outcome, is_any_right from synthesis_outcomes").fetchall()
    assert {p: outcome for p, outcome, _ in found} == {p: p for p in explored}
    assert {p: any_right for p, _, any_right in found}["missed"] is False


def test_curves_are_the_closed_forms_at_every_k(catalog):
    rng = np.random.default_rng(9)
    table = rng.binomial(1, rng.beta(1, 1, (25, 1)), (25, 6)).astype(bool)
    answered(catalog, {f"p{i}": [bool(x) for x in row] for i, row in enumerate(table)})
    found = {(kind, k): rest for kind, k, *rest in catalog.execute(
        "select kind, k, estimate, low, high, num_problems from curves"
    ).fetchall()}  # fmt: skip
    for k in range(1, 7):
        expected = np.mean([1 - math.comb(6 - c, k) / math.comb(6, k) for c in table.sum(1)])
        assert found["pass", k][0] == pytest.approx(expected)
    for k in (1, 2, 4, 6):
        assert found["mean", k][0] == pytest.approx(table[:, :k].mean())
        votes = table[:, :k].mean(1)
        assert found["cons", k][0] == pytest.approx(((votes > 0.5) + 0.5 * (votes == 0.5)).mean())
    for kind, name in (("pass", "pass@6"), ("cons", "cons@6"), ("mean", "mean@1")):
        assert found[kind, 6][:3] == pytest.approx(metric(catalog, name)[:3])


def test_any_k_can_be_asked(catalog):
    answered(catalog, {"a": [True, False, False, True, True]}, votes={"a": [1, 2, 2, 1, 1]})
    asked = catalog.execute(
        "select k, cons_at_k, mean_at_k from votes_of(['r'], [3, 5]) order by k"
    ).fetchall()
    assert asked == [(3, 0.0, pytest.approx(1 / 3)), (5, 1.0, 0.6)]
    assert catalog.execute("select k, pass_at_k from pass_at_k where k in (2, 3) order by k").fetchall() == [
        (2, pytest.approx(0.9)),
        (3, 1.0),
    ]


def test_two_forms_of_the_right_answer_are_two_candidates_and_both_right(catalog):
    votes = {"tie": ["1/2", "0.5", "3", None], "split": ["1/2", "0.5", "3", "3"]}
    verdicts = {"tie": [True, True, False, False], "split": [True, True, False, False]}
    answered(catalog, verdicts, votes=votes)
    found = dict(catalog.execute("select problem_id, majority_accuracy from problem_results").fetchall())
    assert found == {"tie": pytest.approx(2 / 3), "split": 0.0}
    assert catalog.execute("select num_split_right, num_outvoted from diversity").fetchone() == (2, 1)


def test_best_and_weighted_votes_follow_their_weights(catalog):
    verdicts = {"a": [True, False, False], "b": [True, False, False], "c": [True, True, False]}
    votes = {"a": [1, 2, 2], "b": [1, 2, 2], "c": [1, 1, None]}
    score = {"a": [0.9, 0.3, 0.2], "b": [0.5, 0.5, 0.0], "c": [0.1, 0.1, 0.9]}
    logprob = {"a": [-0.1, -2.0, -2.0], "b": [-1.0, -1.0, -1.0], "c": [-3.0, -3.0, -0.1]}
    confidence = {"a": [9.0, 4.0, 4.0], "b": [6.0, 3.0, 3.0], "c": [1.0, 1.0, 9.0]}
    answered(catalog, verdicts, votes=votes, score=score, mean_logprob=logprob, group_confidence=confidence)
    found = {
        problem: rest
        for problem, *rest in catalog.execute(
            "select problem_id, best_accuracy, score_majority_accuracy, logprob_majority_accuracy, "
            "confidence_majority_accuracy from problem_results"
        ).fetchall()
    }
    assert found == {"a": [1.0, 1.0, 1.0, 1.0], "b": [0.5, 0.5, 0.0, 0.5], "c": [0.0, 1.0, 1.0, 1.0]}
    assert metric(catalog, "best@3")[0] == pytest.approx(0.5)
    assert metric(catalog, "score-cons@3")[0] == pytest.approx(2.5 / 3)
    assert metric(catalog, "logprob-cons@3")[0] == pytest.approx(2 / 3)
    assert metric(catalog, "confidence-cons@3")[0] == pytest.approx(2.5 / 3)
    assert metric(catalog, "logprob-best@3")[0] == pytest.approx((1 + 1 / 3 + 0) / 3)


def test_missing_and_negative_weights_are_no_weights(catalog):
    table = {"a": [True, False], "b": [False, True]}
    answered(catalog, table, score={"a": [1.0, -1.0], "b": [2.0, None]})
    assert metric(catalog, "best@2")[0::3] == (1.0, 1), "b lacks a score and is left out"
    names = {row[0] for row in catalog.execute("select metric from metrics").fetchall()}
    assert names == {"mean@1", "cons@2", "best@2", "pass@2"}


def test_diversity_is_the_entropy_of_the_votes(catalog, stats):
    votes = {"a": ["x", "x", "y", "z"], "b": ["x"] * 4, "c": [None] * 4}
    answered(catalog, {"a": [True, True, False, False], "b": [True] * 4, "c": [False] * 4}, votes=votes)
    row = catalog.execute(
        "select num_problems, num_left_out, mean_answers, mean_entropy, mean_vote_share, num_unanimous from diversity"
    ).fetchone()
    assert row == (2, 1, 2.0, pytest.approx(stats.entropy([2, 1, 1], base=2) / 2), 0.75, 1)


def test_calibration_counts_every_problem_once(catalog):
    rng = np.random.default_rng(10)
    votes = {f"p{i}": [str(rng.integers(1, 4)) for _ in range(10)] for i in range(60)}
    answered(catalog, {p: [key == "1" for key in row] for p, row in votes.items()}, votes=votes)
    shares = {p: max(map(row.count, row)) / 10 for p, row in votes.items()}
    right = {p: ("1" in (m := statistics.multimode(row))) / len(m) for p, row in votes.items()}
    found = catalog.execute(
        "select share_up_to, mean_vote_share, accuracy, num_problems, low, high from calibration"
    )
    rows = found.fetchall()
    assert sum(row[3] for row in rows) == 60
    for upto, share, accuracy, num, low, high in rows:
        mine = [p for p in votes if shares[p] == pytest.approx(upto)]
        assert (num, share) == (len(mine), pytest.approx(upto))
        assert accuracy == pytest.approx(np.mean([right[p] for p in mine]))
        assert low is None or low <= accuracy <= high


def test_latency_percentiles_are_numpys(catalog):
    seconds = np.random.default_rng(11).exponential(5, (20, 5))
    table = {f"p{i}": [float(x) for x in row] for i, row in enumerate(seconds)}
    answered(catalog, {p: [True] * 5 for p in table}, latency_seconds=table)
    row = catalog.execute("select * exclude (run_id, stage, model, engine) from latencies").fetchone()
    assert row == (100, *(pytest.approx(np.percentile(seconds, q)) for q in (50, 90, 95, 99, 100)))


def test_gap_closed_has_fiellers_interval(catalog, stats):
    rng = np.random.default_rng(12)
    explored = rng.binomial(1, rng.beta(0.6, 0.6, (200, 1)), (200, 5))
    cons, any_right = (explored.mean(1) > 0.5).astype(float), explored.max(1).astype(float)
    synthesized = np.maximum(cons, any_right * rng.binomial(1, 0.6, 200))
    for stage, table in (("explore", explored), ("synthesize", synthesized[:, None])):
        answered(catalog, {f"p{i}": [bool(x) for x in row] for i, row in enumerate(table)}, stage)
    row = catalog.execute(
        "select num_problems, num_rescued, num_harmed, cons_at_n, a2r, pass_at_n, gap_closed_percent, low, high from gains"
    ).fetchone()
    gain, gap = synthesized - cons, any_right - cons
    assert row[:3] == (200, int((gain > 0).sum()), 0)
    assert row[3:7] == pytest.approx(
        (cons.mean(), synthesized.mean(), any_right.mean(), 100 * gain.mean() / gap.mean())
    )
    for end in row[7:]:  # Fieller: the ratios that a paired t test does not reject
        rejected = gain - end / 100 * gap
        assert abs(rejected.mean() / (rejected.std(ddof=1) / np.sqrt(200))) == pytest.approx(
            stats.t.ppf(0.975, 199), rel=1e-3
        )


def test_gap_that_is_none_has_no_percentage(catalog):
    for stage in ("explore", "synthesize"):
        answered(catalog, {"a": [True, True, True], "b": [False] * 3, "c": [True] * 3}, stage)
    row = catalog.execute("select num_kept, num_missed, gap_closed_percent, low from gains").fetchone()
    assert row == (2, 1, None, None)


def test_frontier_holds_what_nothing_beats(catalog):
    rng = np.random.default_rng(13)
    for run in range(4):
        answered(
            catalog,
            {f"p{i}": [bool(x) for x in rng.binomial(1, 0.5, 2 + run)] for i in range(9)},
            run_id=f"r{run}",
        )
    ways = catalog.execute("select accuracy, petaflops, is_on_frontier from pareto").fetchall()
    for accuracy, cost, is_on_frontier in ways:
        beaten = any(a >= accuracy and c <= cost and (a, c) != (accuracy, cost) for a, c, _ in ways)
        assert is_on_frontier is not beaten
    catalog.execute("update store.roles set params = null")
    assert catalog.execute("select distinct is_on_frontier from pareto").fetchall() == [(None,)]


def test_uncounted_tokens_are_null_and_told(catalog):
    answered(catalog, {"a": [True, False]})
    catalog.execute("update store.traces set num_billed_prompt_tokens = null, num_completion_tokens = null")
    catalog.execute("update store.runs set is_stale = true")
    reduce_stale(catalog)
    row = catalog.execute(
        "select num_tokens, dollars, tokens_per_correct, num_uncounted from costs"
    ).fetchone()
    assert row == (None, None, None, 2)


def test_costs_count_billed_tokens(catalog):
    answered(catalog, {"a": [True, True], "b": [True, False]})
    row = catalog.execute("select num_tokens, dollars, petaflops, dollars_per_correct from costs").fetchone()
    dollars = (4 * 10 * 1 + 4 * 20 * 2) / 1e6
    assert row == pytest.approx((120, dollars, 2 * 1e9 * 120 / 1e15, dollars / 3))


def test_estimates_of_runs_that_end_sampling_early_are_unbiased_where_they_are_given(catalog):
    """Drawn problems; mean@k and pass@k against their closed forms, the vote against independent draws of the same rule."""
    dice, stop, n = random.Random(5), Stop(agreement=0.75, after=4, step=1), 9
    chances = [dice.betavariate(1, 1) for _ in range(3000)]

    def drawn(chance):
        return [True if dice.random() < chance else dice.choice(["x", "y", "z"]) for _ in range(n)]

    def taken(samples):
        return samples[: num_wanted(list(map(str, samples)), stop, n)]

    samples = {f"p{i}": taken(drawn(chance)) for i, chance in enumerate(chances)}
    votes = {problem: list(map(str, row)) for problem, row in samples.items()}
    verdicts = {problem: [vote is True for vote in row] for problem, row in samples.items()}
    answered(catalog, verdicts, votes=votes, num_fixed=4)
    found = dict(catalog.execute("select metric, estimate from metrics").fetchall())
    assert found.keys() == {"mean@1", "stopped-cons@9", "pass@4"}
    assert found["mean@1"] == pytest.approx(fmean(chances), abs=0.012), "4 standard errors"
    assert found["pass@4"] == pytest.approx(fmean(1 - (1 - p) ** 4 for p in chances), abs=0.03)
    again = fmean(vote_share(taken(drawn(chance))) for chance in chances for _ in range(4))
    assert found["stopped-cons@9"] == pytest.approx(again, abs=0.03)
    all_taken = fmean(right for row in verdicts.values() for right in row)
    assert abs(all_taken - fmean(chances)) > 0.02, "the mean of all that was taken is another number"
    curves = "select kind, k from curves where estimate is not null order by all"
    assert catalog.execute(curves).fetchall() == [
        (kind, k)
        for kind in ("cons", "mean", "pass")
        for k in ((1, 2, 4) if kind != "pass" else (1, 2, 3, 4))
    ]


def vote_share(samples):
    """Chance that the vote is right, ties drawn."""
    counts = Counter(samples)
    top = [answer for answer, count in counts.items() if count == max(counts.values())]
    return (True in top) / len(top)


def test_problem_left_to_the_vote_has_the_vote_as_its_answer(catalog):
    answered(catalog, {"p1": [True, True], "p2": [False, False], "p3": [True, False]})
    answered(catalog, {"p3": [True, True]}, stage="synthesize", left_to_vote=["p1", "p2"])
    values = "select problem_id, value from problem_metrics where metric = 'a2r' order by all"
    assert catalog.execute(values).fetchall() == [("p1", 1.0), ("p2", 0.0), ("p3", 1.0)]
    outcomes = "select problem_id, outcome from synthesis_outcomes order by all"
    assert catalog.execute(outcomes).fetchall() == [("p1", "kept"), ("p2", "missed"), ("p3", "rescued")]
