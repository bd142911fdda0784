"""Real benchmarks and real recorded outputs; skipped where the data folder is missing (A2R_DATA names it)."""

import os
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from configs.experiment import FileBenchmark, HubBenchmark
from configs.graders import MathGrader
from configs.schema import UserError
from tasks.benchmarks.problems import load_problems
from tasks.graders.extraction import extract_answer
from tasks.graders.math import Math
from tasks.graders.protocol import Case

DATA = Path(os.environ.get("A2R_DATA", Path(__file__).parents[3] / "shared" / "data"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no benchmark data in {DATA}; set A2R_DATA")

FILES = {
    "aime24": (30, {"question": "problem", "id": "id"}),
    "amc23": (40, {"question": "question"}),
    "math500": (500, {"question": "problem"}),
    "gsm8k_test": (1319, {"answer_after": "####"}),
}


@pytest.fixture(scope="module")
def said():
    """The verdict of the math grader."""
    with closing(Math(MathGrader(kind="math"))) as grader:

        def verdict(gold, answer):
            case = Case("", gold, answer)
            return grader.decide(gold, answer) or grader.work_out([case])[case]

        yield verdict


@needs_data
@pytest.mark.parametrize("name", FILES)
def test_gold_answers_are_right_by_themselves(said, name):
    count, columns = FILES[name]
    problems = load_problems(FileBenchmark(source="file", path=str(DATA / f"{name}.jsonl"), **columns))
    assert len(problems) == count
    boxed = {problem.problem_id: extract_answer(f"so \\boxed{{{problem.gold}}}.") for problem in problems}
    assert {p.problem_id: said(p.gold, boxed[p.problem_id] or "") for p in problems} == dict.fromkeys(
        boxed, "correct"
    )


@needs_data
def test_verdicts_on_recorded_outputs_differ_from_the_files_in_one_question(said):
    """Its harness calls 10000 wrong against the gold 10{,}000 (idx 72); all 792 other verdicts agree."""
    differing = set()
    for line in (DATA / "qwen_math_cot_100x8.jsonl").read_bytes().splitlines():
        row = orjson.loads(line)
        for output, score in zip(row["code"], row["score"], strict=True):
            if (said(row["gt"], extract_answer(output) or "") == "correct") != score:
                differing.add(row["idx"])
    assert differing == {72}


def test_hub_data_sets_are_read_through_datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    rows = [
        {"unique_id": "a", "problem": "1+1", "answer": "2"},
        {"unique_id": "b", "problem": "2+2", "answer": "4"},
    ]
    (tmp_path / "set" / "test.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    columns = {"question": "problem", "answer": "answer", "id": "unique_id"}
    form = HubBenchmark(source="hf", path=str(tmp_path / "set"), split="test", revision="main", **columns)
    assert [(p.problem_id, p.question, p.gold) for p in load_problems(form)] == [
        ("a", "1+1", "2"),
        ("b", "2+2", "4"),
    ]
    with pytest.raises(UserError, match=r"split nosuch.*Check benchmark\.path"):
        load_problems(form.model_copy(update={"split": "nosuch"}))
