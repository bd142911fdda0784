"""What relations say of a run with two explorers and two rounds, against the same worked out in Python."""

import json
from statistics import fmean

import pytest
from made_run import Made, finish_run
from test_report import experiment

from tasks.analysis.report.data import findings
from tasks.analysis.report.figures import charts
from warehouse.catalog import connect

QUESTIONS = [f"What is {i} + {42 - i}?" for i in range(12)]
SIZES = {"small": 3, "big": 2, "first": 2, "last": 1}
RIGHT = {
    "small": lambda p, i: (p + i) % 3 == 0,
    "big": lambda p, i: p % 4 == 1,
    "first": lambda p, i: (p + i) % 2 == 0,
    "last": lambda p, i: p % 3 != 2,
}
"""Whether sample i of problem p is right, by stage."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rounds")
    settings = experiment(folder, QUESTIONS, count=2)
    explorer, reader = settings.pop("explorer"), settings.pop("synthesizer")

    def sized(role, name, **more):
        return role | {"name": name, "sampling": {"n": SIZES[name], "seed": len(name)}} | more

    settings["explorers"] = [sized(explorer, "small"), sized(explorer, "big")]
    settings["rounds"] = [
        sized(reader, "first", references={"count": 4}),
        sized(reader, "last", references={"count": 2}),
    ]

    def made(stage, problem, index):
        is_right = RIGHT[stage](int(problem.problem_id[1:]), index)
        text = "x" * 4 * (10 + index)
        return Made(text, "correct" if is_right else "wrong", "42" if is_right else f"not {stage} {index}")

    return finish_run(settings, folder / "root", "run-1", made)


@pytest.fixture(scope="module")
def catalog(store):
    with connect(store) as found:
        yield found


def asked(catalog, query):
    return catalog.execute(query).fetchall()


def test_stages_are_rows_with_their_round(catalog):
    rows = asked(
        catalog, "select stage, round, accuracy, num_wanted from leaderboard order by round, stage desc"
    )
    assert rows == [
        (
            stage,
            number,
            pytest.approx(fmean(RIGHT[stage](p, i) for p in range(12) for i in range(SIZES[stage]))),
            12 * SIZES[stage],
        )
        for stage, number in (("small", 0), ("big", 0), ("first", 1), ("last", 2))
    ]


def test_curves_of_each_explorer_and_of_all_are_lines_of_their_own(store):
    [curves] = [chart for chart in charts(findings(store, ["run-1"])) if chart.key == "curves"]
    drawn = {line["name"]: line["x"] for line in json.loads(curves.figure)["data"]}
    sizes = {"explorers": 5, "small": 3, "big": 2}
    assert {name: (xs[0], xs[-1]) for name, xs in drawn.items()} == {
        f"{stage} {estimator}": (1, k) for stage, k in sizes.items() for estimator in ("pass@k", "cons@k")
    }
    assert all(xs == sorted(set(xs)) for xs in drawn.values())


def test_metrics_of_all_explorers_and_of_the_last_round_have_the_plain_names(catalog):
    names = [name for (name,) in asked(catalog, "select metric from metrics")]
    assert names == [
        *("mean@1", "cons@5", "pass@5"),
        *("small/mean@1", "small/cons@3", "small/pass@3", "big/mean@1", "big/cons@2", "big/pass@2"),
        *("first/a2r", "first/a2r-cons@2", "a2r"),
    ]


def test_explorers_vote_together_and_take_turns(catalog):
    """Right answers agree and every wrong one differs: two right ones win, one alone shares a tie."""
    order = [("small", 0), ("big", 0), ("small", 1), ("big", 1), ("small", 2)]
    for k in (1, 2, 4, 5):
        found = dict(
            asked(
                catalog, f"select problem_id, cons_at_k from cons_at_k where stage = 'explorers' and k = {k}"
            )
        )
        for p in range(12):
            right = sum(RIGHT[stage](p, i) for stage, i in order[:k])
            assert found[f"s{p}"] == pytest.approx(1.0 if right > 1 else right / k), (p, k)


def test_outcome_compares_a_round_with_the_vote_of_all(catalog):
    rows = asked(
        catalog, "select stage, problem_id, is_any_right, is_synthesizer_right, is_last from round_outcomes"
    )
    assert len(rows) == 24
    for stage, problem, is_any, is_right, is_last in rows:
        p = int(problem[1:])
        assert is_any == any(RIGHT[name](p, i) for name in ("small", "big") for i in range(SIZES[name]))
        assert is_last == (stage == "last")
        if is_last:
            assert is_right == RIGHT["last"](p, 0)
    outcomes = "select count(*), count(distinct problem_id) from synthesis_outcomes"
    assert asked(catalog, outcomes) == [(12, 12)]


def test_method_costs_all_that_its_answers_rest_on(catalog):
    spent = dict(asked(catalog, "select stage, petaflops from costs"))
    costs = dict(asked(catalog, "select metric, petaflops from pareto"))
    explored = spent["small"] + spent["big"]
    assert costs == pytest.approx(
        {
            "mean@1": explored / 5,
            "cons@5": explored,
            "small/mean@1": spent["small"] / 3,
            "small/cons@3": spent["small"],
            "big/mean@1": spent["big"] / 2,
            "big/cons@2": spent["big"],
            "first/a2r": explored + spent["first"] / 2,
            "first/a2r-cons@2": explored + spent["first"],
            "a2r": explored + spent["first"] + spent["last"],
        }
    )


def test_run_names_all_explorers_and_the_last_round(catalog):
    row = asked(catalog, "select num_explored, num_synthesized, num_references, num_rounds from runs")
    assert row == [(5, 1, 2, 2)]


def test_reference_is_known_by_where_it_came_from(catalog):
    rows = asked(
        catalog, "select stage, reference_stage, count(*) from shown_references group by all order by all"
    )
    assert rows == [("first", "big", 48), ("first", "small", 48), ("last", "first", 24)], (
        "two of each, in turn"
    )
    rows = asked(
        catalog,
        "select problem_id, reference_stage, reference_index, is_reference_correct from shown_references",
    )
    assert all(is_right == RIGHT[stage](int(problem[1:]), index) for problem, stage, index, is_right in rows)


def test_explorer_contributes_what_no_other_showed(catalog):
    shown = {
        name: {p for p in range(12) if any(RIGHT[name](p, i) for i in range(2))} for name in ("small", "big")
    }
    outcomes = asked(catalog, "select problem_id, outcome from synthesis_outcomes")
    rescued = {int(problem[1:]) for problem, outcome in outcomes if outcome == "rescued"}
    rows = asked(
        catalog,
        "select stage, num_shown, num_problems_right, num_problems_right_alone, num_rescues, num_rescues_alone "
        "from contributions",
    )
    assert rows == [
        (
            name,
            48,
            len(shown[name]),
            len(shown[name] - shown[other]),
            len(shown[name] & rescued),
            len((shown[name] - shown[other]) & rescued),
        )
        for name, other in (("small", "big"), ("big", "small"))
    ]
    assert rescued & (shown["small"] - shown["big"]), "the case is there"
