"""The catalog's numbers against closed forms, brute force and simulation."""

import itertools
import math
import statistics

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import t

from warehouse.catalog import create_relations, create_tables
from warehouse.loading import reduce_stale


@pytest.fixture(scope="session")
def empty_catalog():
    with duckdb.connect() as connection:
        create_tables(connection, ".")
        create_relations(connection, ".")
        yield connection


@pytest.fixture
def catalog(empty_catalog):
    empty_catalog.begin()
    yield empty_catalog
    empty_catalog.rollback()


def answered(catalog, verdicts, stage="explore", run_id="r", **columns):
    """Enter samples and reduce them as a load does.

    `verdicts[problem][index]` is True, False, None (failed); `votes`, `score`, `mean_logprob` and
    `latency_seconds` have the same shape. A vote is the verdict itself unless given.
    """
    n = max(len(row) for row in verdicts.values())
    recipe = f"{run_id}-{stage}"
    if not catalog.execute("select 1 from store.runs where run_id = ?", [run_id]).fetchone():
        catalog.execute(
            "insert into store.runs values "
            "(?, 'e', '', 'complete', 'b', 'g-1', ?, now(), now(), '{}', '{}', false, true)",
            [run_id, len(verdicts)],
        )
    catalog.execute("update store.runs set is_stale = true where run_id = ?", [run_id])
    catalog.execute(
        "insert into store.roles values (?, ?, 'm', null, 1e9, 1, 2, ?, 'e', 'p', ?, 1, 9, null, ?, 0)",
        [run_id, stage, recipe, n, n * len(verdicts)],
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
                for name in ("score", "mean_logprob", "latency_seconds")
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
        score::double as score, [] as reference_ids, 'part' as part
    from entered where is_correct is not null""",
    """insert into store.grades by name
    select trace_id, 'g-1' as grader, 'gold' as gold, if(is_correct, 'correct', 'wrong') as verdict,
        is_correct, vote_key::varchar as vote_key, recipe
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
def test_student_quantile(catalog, nu):
    assert catalog.execute("select student_t(?)", [nu]).fetchone()[0] == pytest.approx(
        t.ppf(0.975, nu), rel=2e-3
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


def test_sample_of_one_has_wilsons_interval_with_t(catalog):
    answered(catalog, {str(i): [i < 20] for i in range(30)})
    p, n, z = 20 / 30, None, t.ppf(0.975, 29)
    variance = p * (1 - p) * 30 / 29
    n = p * (1 - p) * 30 / variance
    centre, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    _, low, high, *_ = metric(catalog, "mean@1")
    assert low == pytest.approx((centre - half) / (1 + z**2 / n), rel=1e-4)
    assert high == pytest.approx((centre + half) / (1 + z**2 / n), rel=1e-4)


@pytest.mark.parametrize(("num_problems", "at_least"), [(30, 0.935), (500, 0.935)])
def test_intervals_cover(catalog, num_problems, at_least):
    """2,000 benchmarks whose problems differ in difficulty: 95 % intervals hold the true mean that often."""
    rng = np.random.default_rng(num_problems)
    difficulty = rng.beta(0.4, 0.8, (2000, num_problems))
    rights = rng.binomial(8, difficulty) / 8
    catalog.register("drawn", pa.table({"p": rights.mean(1), "variance": rights.var(1, ddof=1)}))
    [(covered,)] = catalog.execute(
        f"select avg((1/3 between clustered_low(p, variance, {num_problems}, {8 * num_problems}) "
        f"and clustered_high(p, variance, {num_problems}, {8 * num_problems}))::int) from drawn"
    ).fetchall()
    assert at_least <= covered <= 0.97


def test_outcomes_partition_the_problems(catalog):
    explored = {"kept": [1, 1, 0], "harmed": [1, 1, 0], "rescued": [0, 0, 1], "missed": [0, 0, 0]}
    synthesized = {"kept": [1], "harmed": [0], "rescued": [1], "missed": [0]}
    for stage, table in (("explore", explored), ("synthesize", synthesized)):
        answered(catalog, {p: [bool(x) for x in row] for p, row in table.items()}, stage)
    found = catalog.execute("select problem_id, outcome, is_any_right from synthesis_outcomes").fetchall()
    assert {p: outcome for p, outcome, _ in found} == {p: p for p in explored}
    assert {p: any_right for p, _, any_right in found}["missed"] is False


def test_costs_count_billed_tokens(catalog):
    answered(catalog, {"a": [True, True], "b": [True, False]})
    row = catalog.execute("select num_tokens, dollars, petaflops, dollars_per_correct from costs").fetchone()
    dollars = (4 * 10 * 1 + 4 * 20 * 2) / 1e6
    assert row == pytest.approx((120, dollars, 2 * 1e9 * 120 / 1e15, dollars / 3))
