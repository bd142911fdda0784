"""Scores between 0 and 1 stand beside right and wrong, from a function or a judge's rubric to every statistic."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest
from made_run import Made, finish_run
from test_judge import PROBLEMS, form, stored  # noqa: F401 - a fixture
from typer.testing import CliRunner

from configs.graders import FunctionGrader
from flows.cli import app
from tasks.analysis.compare import compare_runs
from tasks.grading.grader_of import grader_of
from tasks.grading.traces import Grading, grade_traces
from tasks.publish import summarize
from warehouse.catalog import connect
from warehouse.compaction import merge_parts, merges
from warehouse.integrity import verify
from warehouse.loader import load
from warehouse.records import GRADE_LAYOUTS, Problem
from warehouse.store import Store
from warehouse.verdicts import VerdictMemory

PARTIAL = """
from typing import NamedTuple

class Result(NamedTuple):
    correct: bool | None
    score: float

def by_words(gold, answer):
    return len(set(gold.split()) & set(answer.split())) / len(gold.split())

def both(gold, answer):
    return {"correct": answer == gold, "score": 0.25}

def a_value(gold, answer):
    return Result(None, 0.75 if "city" in answer.lower() else 0.0)

def outside(gold, answer):
    return 1.5

def undecided(gold, answer):
    return {"correct": "perhaps", "score": 0.5}

def by_row(answer, problem):
    return problem["question"].startswith("Capital") and problem["metadata"] == {"land": problem["id"]}

def by_trace(text, reasoning, gold):
    return text != gold and reasoning == "I think."
"""


@pytest.fixture
def partial(tmp_path):
    (tmp_path / "partial.py").write_text(PARTIAL)

    def settings(name, **more):
        return FunctionGrader(kind="function", function=f"partial:{name}", path=str(tmp_path), **more)

    return settings


def graded(stored, settings, problems=PROBLEMS):  # noqa: F811
    """Verdict and points of each trace, by its answer."""
    stage, members = stored
    with closing(grader_of(settings, stage.root, problems)) as grader:
        grade_traces(stage, members, Grading(grader, VerdictMemory(Store(stage.root), grader.key)))
    store = Store(stage.root)
    parts = store.names(f"grades/grader={grader.key}")
    rows = [row for part in parts for row in store.read_part(part).to_pylist()]
    return {(row["extracted"], row["verdict"], row["is_correct"], row["points"]) for row in rows}


def of_first(found):
    return {row for row in found if "1" not in row[0] and "2" not in row[0]}


def test_a_functions_score_is_kept_and_the_threshold_says_what_is_right(stored, partial):  # noqa: F811
    strict = of_first(graded(stored, partial("by_words")))
    assert strict == {
        ("city 0", "correct", True, 1.0),
        ("City 0.", "wrong", False, 0.0),
        ("no idea", "wrong", False, 0.0),
    }
    loose = graded(stored, partial("a_value", threshold=0.7))
    assert of_first(loose) == {
        ("city 0", "correct", True, 0.75),
        ("City 0.", "correct", True, 0.75),
        ("no idea", "wrong", False, 0.0),
    }
    assert ("city 0", "wrong", False, 0.75) in graded(stored, partial("a_value"))
    assert {row[1:] for row in graded(stored, partial("both"))} == {
        ("correct", True, 0.25),
        ("wrong", False, 0.25),
    }


@pytest.mark.parametrize("name", ["outside", "undecided"])
def test_what_is_no_score_is_a_grader_error(stored, partial, name):  # noqa: F811
    assert {row[1:] for row in graded(stored, partial(name))} == {("grader_error", None, None)}


def test_scores_are_remembered_with_their_verdicts(stored, partial):  # noqa: F811
    first = graded(stored, partial("by_words"))
    for part in (Path(stored[0].root) / "grades").rglob("*.parquet"):
        part.unlink()
    assert graded(stored, partial("by_words")) == first
    assert list(verify(Store(stored[0].root))) == []


def test_a_function_is_handed_the_problems_row_and_the_traces_text(stored, partial):  # noqa: F811
    rows = [replace(p, metadata=orjson.dumps({"land": p.problem_id}).decode()) for p in PROBLEMS]
    assert {row[1] for row in graded(stored, partial("by_row"), rows)} == {"correct"}
    found = {row[1] for row in graded(stored, partial("by_trace"))}
    assert found == {"wrong"}, "these traces have no reasoning"


def test_a_judge_with_a_rubric_gives_points(stored, endpoint):  # noqa: F811
    said = {"city": "9", "City": "4 / 10", "no": "0"}
    shown = []

    def judged(prompt, seed):
        shown.append("One point per letter." in prompt and "(10 points are full marks)" in prompt)
        answer = prompt.split("## Answer to be graded\n\n")[1]
        return f"I see.\nScore: {said[answer.split()[0]]}"

    endpoint.answer = judged
    settings = form(endpoint, rubric="One point per letter.", threshold=0.5)
    assert of_first(graded(stored, settings)) == {
        ("city 0", "correct", True, 0.9),
        ("City 0.", "wrong", False, 0.4),
        ("no idea", "wrong", False, 0.0),
    }
    assert all(shown)
    num_asked = endpoint.num_samples
    assert graded(stored, form(endpoint, rubric="One point per letter.", threshold=0.3)) != set()
    assert endpoint.num_samples == num_asked, "another threshold asks nothing"
    graded(stored, form(endpoint, rubric="Two points per letter."))
    assert endpoint.num_samples == 2 * num_asked, "another rubric does"


@pytest.mark.parametrize("reply", ["Hard to say.", "Score: 7 of 9", "Score: 11", "Verdict: correct"])
def test_a_judges_reply_of_another_scale_is_a_grader_error(stored, endpoint, reply):  # noqa: F811
    endpoint.answer = lambda prompt, seed: reply
    assert {row[1] for row in graded(stored, form(endpoint, rubric="Any."))} == {"grader_error"}


NUM_PROBLEMS, NUM_SAMPLES = 40, 4
RNG = np.random.default_rng(3)
BEFORE, AFTER = (
    RNG.beta(4, 4, (NUM_PROBLEMS, NUM_SAMPLES)).round(3),
    RNG.beta(6, 4, (NUM_PROBLEMS, NUM_SAMPLES)).round(3),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two runs with scores; an answer below one half is wrong."""
    folder = tmp_path_factory.mktemp("scores")
    problems = [{"id": f"p{n}", "question": f"Question {n}?", "answer": "1"} for n in range(NUM_PROBLEMS)]
    (folder / "problems.jsonl").write_bytes(b"\n".join(map(orjson.dumps, problems)))
    for run_id, seed, table in (
        ("20261128T000000-before-00000001", 0, BEFORE),
        ("20261128T000001-after-00000001", 1, AFTER),
    ):

        def made(stage, problem: Problem, index, table=table):
            points = float(table[int(problem.problem_id[1:]), index])
            return Made("1", "correct" if points >= 0.5 else "wrong", "1", points=points)

        experiment = {
            "name": run_id.split("-")[1],
            "benchmark": {
                "source": "file", "path": str(folder / "problems.jsonl"),
                "question": "question", "answer": "answer", "id": "id",
            },
            "explorer": {
                "model": {"id": "m"},
                "engine": {"kind": "openai", "base_url": "http://127.0.0.1:9/v1"},
                "sampling": {"n": NUM_SAMPLES, "seed": seed},
            },
        }  # fmt: skip
        finish_run(experiment, folder / "root", run_id, made)
    return str(folder / "root")


def test_mean_points_have_the_clustered_interval_and_pass_at_k_stays(root, stats):
    found = {}
    with connect(Store(root)) as catalog:
        for name, estimate, low, high in catalog.execute(
            "select metric, estimate, low, high from metrics where run_id like '%before%'"
        ).fetchall():
            found[name] = (estimate, low, high)
        [points] = catalog.execute("select points from leaderboard where run_id like '%before%'").fetchone()
        mean = catalog.execute("select avg(points) from samples where run_id like '%before%'").fetchone()
    by_problem = BEFORE.mean(1)
    spread = stats.sem(by_problem) * stats.t.ppf(0.975, NUM_PROBLEMS - 1)
    assert found["points@1"][0] == points == pytest.approx(by_problem.mean()) == pytest.approx(mean[0])
    assert found["points@1"][1:] == pytest.approx(
        (by_problem.mean() - spread, by_problem.mean() + spread), abs=2e-3
    )
    assert found["mean@1"][0] == pytest.approx((BEFORE >= 0.5).mean())
    assert found["pass@4"][0] == pytest.approx((BEFORE >= 0.5).any(1).mean())


def test_points_are_compared_pair_by_pair(root, stats):
    change = {c.metric: c for c in compare_runs(["before", "after"], root)}["points@1"]
    expected = stats.ttest_rel(AFTER.mean(1), BEFORE.mean(1))
    assert change.change == pytest.approx((AFTER.mean(1) - BEFORE.mean(1)).mean())
    assert change.p_value == pytest.approx(expected.pvalue, rel=1e-6)


def test_points_are_in_the_summary_and_in_show(root):
    summary = summarize(Store(root), "20261128T000000-before-00000001")
    assert summary["metrics"]["points@1"]["n"] == NUM_PROBLEMS
    shown = CliRunner().invoke(
        app, ["show", "p0", "--root", root, "--run", "20261128T000000-before-00000001"]
    )
    assert f"{BEFORE[0, 0]:.2f} points" in shown.output, shown.output


def test_parts_without_points_read_as_right_or_wrong(stored, partial):  # noqa: F811
    """Grades of the first layout, alone and beside the present one, in the catalog and through compaction."""
    graded(stored, partial("by_words"))
    store = Store(stored[0].root)
    [part] = [file.path for file in store.files("grades")]
    table = store.read_part(part)
    recipe = stored[0].recipe.key
    old = pa.table({name: table[name] for name in GRADE_LAYOUTS[-1].names}, GRADE_LAYOUTS[-1])
    for place in range(4):
        store.write_part("grades/grader=old-1", old.slice(3 * place, 3), f"part-{recipe}-")
    assert list(verify(store)) == []
    load(store)
    with connect(store) as catalog:
        found = catalog.execute(
            "select grader, count(*), count(points) from grades group by all order by 2"
        ).fetchall()
    assert [row[1:] for row in found if row[0] == "old-1"] == [(12, 0)]
    assert [row[1:] for row in found if row[0] != "old-1"] == [(12, 12)]
    [merge] = merges(store)
    assert merge_parts(store, merge).num_rows == 12
    load(store)
    with connect(store) as catalog:
        assert catalog.execute(
            "select count(*), count(points) from grades where grader = 'old-1'"
        ).fetchone() == (12, 0)
