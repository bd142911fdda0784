"""A judge's traces are stored and cached like all others; its failures are never verdicts."""

from contextlib import closing
from pathlib import Path

import pytest
from made_run import store_answers

from configs.graders import ExactGrader, FunctionGrader, JudgeGrader
from tasks.grading.grader_of import grader_of
from tasks.grading.judge import judge_stage
from tasks.grading.traces import Grading, grade_traces, ungraded
from warehouse.integrity import verify
from warehouse.records import Problem
from warehouse.store import Store
from warehouse.verdicts import VerdictMemory

PROBLEMS = [
    Problem.of(
        benchmark="b", problem_id=f"p{n}", question=f"Capital of land {n}?", gold=f"city {n}", metadata={}
    )
    for n in range(3)
]
ANSWERS = ["city {n}", "City {n}.", "no idea", "city {n}"]
"""Four samples a problem, three of them distinct."""


def form(endpoint, **settings):
    engine = {"kind": "openai", "base_url": endpoint.base_url, "retries": 0, "patience_seconds": 1.0}
    return JudgeGrader.model_validate(
        {"kind": "judge", "model": {"id": "big"}, "engine": engine, "answer": "whole", **settings}
    )


def judged(prompt, seed):
    answer = prompt.split("## Answer to be graded\n\n")[1].split("\n\n## End")[0]
    return f"It says {answer}.\nVerdict: {'correct' if 'city' in answer.lower() else 'incorrect'}"


@pytest.fixture
def stored(tmp_path, endpoint):
    """Explorer traces of three problems in a store, and their members."""
    stage = judge_stage(form(endpoint), str(tmp_path / "root"))
    return store_answers(
        stage, PROBLEMS, lambda problem: [answer.format(n=problem.problem_id[1:]) for answer in ANSWERS]
    )


def graded(stored, settings):
    stage, members = stored
    with closing(grader_of(settings, stage.root, PROBLEMS)) as grader:
        done = grade_traces(stage, members, Grading(grader, VerdictMemory(Store(stage.root), grader.key)))
    store = Store(stage.root)
    parts = store.names(f"grades/grader={grader.key}")
    rows = [row for part in parts for row in store.read_part(part).to_pylist()]
    return (
        done,
        grader.complaints,
        [row["verdict"] for row in sorted(rows, key=lambda row: row["trace_id"])],
    )


def test_each_distinct_answer_is_judged_once_and_never_again(stored, endpoint):
    endpoint.answer = judged
    num_new, complaints, verdicts = graded(stored, form(endpoint))
    assert (num_new, complaints) == (12, [])
    assert sorted(verdicts) == ["correct"] * 9 + ["wrong"] * 3
    assert endpoint.num_samples == 9, "three distinct answers a problem"
    assert list(verify(Store(stored[0].root))) == []
    for folder in ("grades", "verdicts.sqlite"):
        place = Path(stored[0].root) / folder
        for file in [place] if place.is_file() else list(place.rglob("*.parquet")):
            file.unlink()
    assert graded(stored, form(endpoint)) == (12, [], verdicts)
    assert endpoint.num_samples == 9, "read from the judge's stored traces"


def test_failed_judge_gives_no_verdict_and_is_asked_again(stored, endpoint):
    endpoint.answer = judged
    endpoint.fault = lambda number, body: (500, "down", {}) if number <= 4 else None
    num_new, complaints, verdicts = graded(stored, form(endpoint))
    assert num_new == len(verdicts) < 12
    assert set(verdicts) <= {"correct", "wrong"}
    assert "4 of 9 answers could not be judged" in complaints[0]
    endpoint.fault = None
    endpoint.reset()
    _, complaints, verdicts = graded(stored, form(endpoint))
    assert (len(verdicts), complaints, endpoint.num_samples) == (12, [], 4)


def test_refused_judge_gives_no_verdict_and_is_asked_again_by_the_next_run(stored, endpoint):
    stage, members = stored
    endpoint.answer = judged
    endpoint.fault = lambda _, body: (
        (400, "filtered", {}) if "no idea" in body["messages"][-1]["content"] else None
    )
    with closing(grader_of(form(endpoint), stage.root, PROBLEMS)) as grader:
        grading = Grading(grader, VerdictMemory(Store(stage.root), grader.key))
        assert [grade_traces(stage, members, grading) for _ in range(2)] == [9, 0]
        assert (grader.complaints, grader.refusal) == ([], "HTTP 400: filtered")
    assert len(endpoint.requests) == 9, "no run asks twice"
    endpoint.fault = None
    endpoint.reset()
    _, complaints, verdicts = graded(stored, form(endpoint))
    assert sorted(verdicts) == ["correct"] * 9 + ["wrong"] * 3
    assert (complaints, endpoint.num_samples) == ([], 3)


def test_judge_that_cannot_be_reached_leaves_everything_ungraded(stored, endpoint):
    endpoint.shut()
    num_new, complaints, verdicts = graded(stored, form(endpoint))
    endpoint.open()
    assert (num_new, verdicts) == (0, [])
    assert complaints


def test_judge_that_does_not_decide_is_a_grader_error(stored, endpoint):
    endpoint.answer = lambda prompt, seed: "Hard to say."
    assert set(graded(stored, form(endpoint))[2]) == {"grader_error"}


def test_other_judges_are_other_graders(endpoint, tmp_path):
    keys = {
        grader_of(form(endpoint, **settings), str(tmp_path)).key
        for settings in (
            {},
            {"answer": "box"},
            {"model": {"id": "small"}},
            {"sampling": {"temperature": 0.5}},
        )
    }
    assert len(keys) == 4
    moved = form(endpoint).model_copy(
        update={"engine": form(endpoint).engine.model_copy(update={"concurrency": 3})}
    )
    assert grader_of(moved, str(tmp_path)).key in keys


def test_what_was_worked_out_is_remembered_across_runs(stored, tmp_path):
    """A user's function leaves a line for each call: the second run, without grades, calls it no more."""
    calls = tmp_path / "calls"
    (tmp_path / "mine.py").write_text(
        f"def grade(gold, answer):\n    open({str(calls)!r}, 'a').write(answer + '\\n')\n    return gold == answer\n"
    )
    settings = FunctionGrader(kind="function", function="mine:grade", path=str(tmp_path), answer="whole")
    first = graded(stored, settings)
    assert len(calls.read_text().splitlines()) == 9
    for part in (Path(stored[0].root) / "grades").rglob("*.parquet"):
        part.unlink()
    assert graded(stored, settings) == first
    assert len(calls.read_text().splitlines()) == 9


def test_memory_that_is_damaged_is_only_forgotten(tmp_path):
    memory = VerdictMemory(Store(str(tmp_path)), "math-2")
    memory.remember({("d", "1", "2"): False, ("d", "1", "1"): True})
    assert memory.recall([("d", "1", "2"), ("d", "1", "1"), ("d", "1", "3")]) == {
        ("d", "1", "2"): False,
        ("d", "1", "1"): True,
    }
    assert VerdictMemory(Store(str(tmp_path)), "math-3").recall([("d", "1", "2")]) == {}
    (tmp_path / "verdicts.sqlite").write_bytes(b"no database" * 100)
    assert memory.recall([("d", "1", "2")]) == {}
    memory.remember({("d", "1", "2"): False})


def test_many_parts_of_traces_are_graded_into_few(tmp_path, endpoint, monkeypatch):
    """Whoever reads verdicts opens every part of them. What was graded before a failure is kept."""
    stage = judge_stage(form(endpoint), str(tmp_path / "root"))
    members = [m for problem in PROBLEMS for m in store_answers(stage, [problem], lambda _: ["a", "b"])[1]]
    stage.index.refresh()
    store = Store(stage.root)

    def num_parts(settings):
        grader = grader_of(settings, stage.root, PROBLEMS)
        try:
            grade_traces(stage, members, Grading(grader, VerdictMemory(store, grader.key)))
        finally:
            grader.close()
        return len(store.names(f"grades/grader={grader.key}"))

    assert num_parts(ExactGrader(kind="exact")) == 1
    monkeypatch.setattr("tasks.grading.traces.MOST_UNWRITTEN", 3)
    assert num_parts(ExactGrader(kind="exact", ignore_case=True)) == 2

    settings, grades, calls = ExactGrader(kind="exact", fallback="phrase"), Grading.grades, []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError("gone")
        return grades(*arguments)

    monkeypatch.setattr(Grading, "grades", failing)
    with pytest.raises(OSError, match="gone"):
        num_parts(settings)
    assert len(ungraded(stage, members, grader_of(settings, stage.root, PROBLEMS).key)) == 4
