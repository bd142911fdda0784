"""A cascade: each verdict remembers who gave it, the judge gets only what is not proven, and nothing is asked twice."""

from collections import Counter
from contextlib import closing

import pytest
from made_run import store_answers
from pydantic import TypeAdapter
from test_judge import judged

from configs.graders import GraderSettings
from configs.schema import UserError
from tasks.grade import grade_members
from tasks.grading.cascade import is_lacking
from tasks.grading.grader_of import grader_of
from tasks.grading.judge import judge_stage
from tasks.grading.traces import Grading
from warehouse.grades import read_grades
from warehouse.integrity import verify
from warehouse.records import Problem
from warehouse.store import Store
from warehouse.verdicts import VerdictMemory

PROBLEMS = [
    Problem.of(benchmark="b", problem_id=f"p{n}", question=f"Number {n}?", gold="42", metadata={})
    for n in range(4)
]
ANSWERS = [r"\boxed{42}", r"\boxed{41}", r"\boxed{city}", "A city, without a box", None]
"""Proven right, proven wrong, a word, no answer for `math`, cut off."""


def judge_of(endpoint):
    engine = {"kind": "openai", "base_url": endpoint.base_url, "retries": 0, "patience_seconds": 1.0}
    return {"kind": "judge", "model": {"id": "big"}, "engine": engine, "answer": "whole"}


def settings(endpoint, **further):
    return TypeAdapter(GraderSettings).validate_python(
        {"kind": "cascade", "of": ["math", judge_of(endpoint)], **further}
    )


@pytest.fixture
def stored(tmp_path, endpoint):
    """Five samples of four problems in a store, and their members."""
    form = TypeAdapter(GraderSettings).validate_python(judge_of(endpoint))
    stage = judge_stage(form, str(tmp_path / "root"))  # any stage will do
    endpoint.answer = judged
    return store_answers(stage, PROBLEMS, lambda _: ANSWERS)


def graded(stored, form):
    """Grade as a run does: the judge's traces that count as the run's, its complaints, and the verdicts by sample."""
    stage, members = stored
    with closing(grader_of(form, stage.root, PROBLEMS)) as grader:
        behind = grade_members(stage, members, grader)
        assert not is_lacking(stage, members, grader) or grader.complaints
    columns = ["trace_id", "verdict", "decided_by", "extracted"]
    rows = {row[0]: row[1:] for row in read_grades(Store(stage.root), grader.key, stage.recipe, columns)}
    said = {(m.problem_id, m.sample_index): rows.get(m.trace_id) for m in members}
    return behind, grader.complaints, said


def test_first_grader_decides_what_it_proves_and_the_judge_the_rest(stored, endpoint):
    behind, complaints, said = graded(stored, settings(endpoint))
    math = grader_of(TypeAdapter(GraderSettings).validate_python({"kind": "math"}), stored[0].root).key
    judge = grader_of(TypeAdapter(GraderSettings).validate_python(judge_of(endpoint)), stored[0].root).key
    for problem in PROBLEMS:
        assert [said[problem.problem_id, index] for index in range(5)] == [
            ("correct", math, "42"),
            ("wrong", math, "41"),
            ("correct", judge, "city"),
            ("correct", judge, "A city, without a box"),
            ("truncated", math, None),
        ]
    assert complaints == []
    assert endpoint.num_samples == len(behind) == 8, "two answers a problem reach the judge"
    assert graded(stored, settings(endpoint)) == (behind, complaints, said)
    assert endpoint.num_samples == 8, "nothing is asked twice"
    assert list(verify(Store(stored[0].root))) == []


def test_graders_alone_and_in_a_cascade_share_their_verdicts(stored, endpoint):
    """What math and the judge decided in the cascade is theirs: math alone works nothing out, the judge asks the rest."""
    stage, members = stored
    graded(stored, settings(endpoint))
    form = TypeAdapter(GraderSettings).validate_python(judge_of(endpoint))
    with closing(grader_of(form, stage.root, PROBLEMS)) as judge:
        grade_members(stage, members, Grading(judge, VerdictMemory(Store(stage.root), judge.key)))
    assert endpoint.num_samples == 16, "the two that math had proven"


def test_share_of_what_was_decided_is_checked_the_same_in_every_run(stored, endpoint):
    _, _, said = graded(stored, settings(endpoint))
    behind, _, checked = graded(stored, settings(endpoint, check_share=0.5))
    assert checked == said, "checking changes no verdict and no key"
    asked = endpoint.num_samples
    assert 8 < asked < 16
    assert len(behind) == asked, "and what it cost is the run's"
    graded(stored, settings(endpoint, check_share=0.5))
    assert endpoint.num_samples == asked
    graded(stored, settings(endpoint, check_share=1.0))
    assert endpoint.num_samples == 16


def test_judge_that_fails_leaves_only_its_own_without_a_verdict(stored, endpoint):
    endpoint.shut()
    _, complaints, said = graded(stored, settings(endpoint))
    endpoint.open()
    assert complaints
    assert Counter(row and row[0] for row in said.values()) == {
        "correct": 4,
        "wrong": 4,
        "truncated": 4,
        None: 8,
    }
    _, complaints, said = graded(stored, settings(endpoint))
    assert complaints == []
    assert Counter(row[0] for row in said.values()) == {"correct": 12, "wrong": 4, "truncated": 4}


def test_key_holds_the_graders_and_nothing_else(endpoint, tmp_path):
    keys = [
        grader_of(settings(endpoint, **further), str(tmp_path)).key
        for further in ({}, {"check_share": 0.5, "seed": 3}, {"of": ["exact", judge_of(endpoint)]})
    ]
    assert keys[0] == keys[1] != keys[2]
    assert keys[0].startswith("cascade-1.")


def test_cascade_of_one_grader_or_of_cascades_is_refused(endpoint, tmp_path):
    from configs.loading import load_experiment

    for of in ("[math]", "[math, cascade]", "[math, mth]"):
        with pytest.raises(UserError, match=r"grader\.of"):
            load_experiment("quickstart", [f"grader={{kind: cascade, of: {of}}}"])


SHARES = """
def share(gold, answer):
    return {"city": 0.5, "A city, without a box": 1.0}.get(answer, 0.0)

def boxed(gold, answer):
    return 0.25 if answer == "city" else 1.0
"""


def points_of(stored, form):
    """Verdict, decider's name and points of each problem's samples; the same for all problems."""
    stage, members = stored
    with closing(grader_of(form, stage.root, PROBLEMS)) as grader:
        grade_members(stage, members, grader)
    columns = ["trace_id", "verdict", "decided_by", "points"]
    rows = {row[0]: row[1:] for row in read_grades(Store(stage.root), grader.key, stage.recipe, columns)}
    said = {
        tuple(
            (verdict, decider.partition("-")[0], points)
            for m in members
            if m.problem_id == problem.problem_id
            for verdict, decider, points in [rows[m.trace_id]]
        )
        for problem in PROBLEMS
    }
    [same] = said
    return same


PROVEN = (("correct", "math", None), ("wrong", "math", None))
CUT_OFF = ("truncated", "math", None)


def test_a_function_scores_what_math_cannot_prove(stored, endpoint, tmp_path):
    (tmp_path / "shares.py").write_text(SHARES)
    function = {"kind": "function", "function": "shares:boxed", "path": str(tmp_path), "answer": "box"}
    whole = function | {"function": "shares:share", "answer": "whole", "threshold": 0.5}
    form = TypeAdapter(GraderSettings).validate_python({"kind": "cascade", "of": ["math", function, whole]})
    assert points_of(stored, form) == (
        *PROVEN,
        ("wrong", "function", 0.25),
        ("correct", "function", 1.0),
        CUT_OFF,
    ), "the first function finds no box in the fourth, and the second scores it"
    assert endpoint.num_samples == 0


def test_a_rubric_scores_what_math_cannot_prove(stored, endpoint):
    endpoint.answer = lambda prompt, seed: "Score: 10" if "without a box" in prompt else "Score: 4"
    judge = judge_of(endpoint) | {"rubric": "Ten points for the city.", "threshold": 0.5}
    form = TypeAdapter(GraderSettings).validate_python({"kind": "cascade", "of": ["math", judge]})
    expected = (*PROVEN, ("wrong", "judge", 0.4), ("correct", "judge", 1.0), CUT_OFF)
    assert points_of(stored, form) == expected
    assert endpoint.num_samples == 8
    assert points_of(stored, form) == expected
    assert endpoint.num_samples == 8, "nothing is asked twice"
