"""Real benchmarks and real recorded outputs; skipped where the data folder is missing (A2R_DATA names it)."""

import os
import random
import shutil
import sys
from contextlib import closing
from pathlib import Path

import orjson
import pytest
import test_green_means_whole as whole

from configs.experiment import Experiment, FileBenchmark, HubBenchmark
from configs.graders import MathGrader
from configs.roles import Stop
from configs.schema import UserError
from tasks.analysis.check import check_experiment
from tasks.benchmarks.problems import load_problems
from tasks.graders.extraction import extract_answer
from tasks.graders.math import Math
from tasks.graders.protocol import Case
from tasks.prompts.agreement import num_wanted
from tasks.run import resolve
from warehouse.catalog import connect
from warehouse.integrity import verify
from warehouse.loader import load
from warehouse.store import Store

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


@needs_data
def test_ending_samples_early_replayed_from_recorded_outputs_is_what_a_run_of_it_does(tmp_path):
    """On 30 problems; the file's own answers say the same, and the second run makes nothing."""
    lines = (DATA / "qwen_math_cot_100x8.jsonl").read_bytes().splitlines()[:30]
    file = tmp_path / "cut.jsonl"
    file.write_bytes(b"\n".join(lines))
    data = {
        "name": "cut",
        "benchmark": {"source": "file", "path": str(file), "question": "question", "answer": "gt"},
        "explorer": {
            "model": {"id": "qwen"},
            "engine": {"kind": "replay", "path": str(file), "question": "question", "outputs": "code"},
            "sampling": {"n": 8},
        },
    }
    store = Store(str(tmp_path / "root"))
    assert whole.stepped(Experiment.model_validate(data), store, random.Random(0)) is None
    stop = {"agreement": 0.8, "after": 4, "step": 2}
    stopped = {**data, "name": "stopped", "explorer": {**data["explorer"], "stop": stop}}
    assert whole.stepped(Experiment.model_validate(stopped), store, random.Random(0)) is None
    load(store)
    columns = "num_problems, num_stopped, num_samples, accuracy, full_accuracy, difference, low, high"
    with connect(store) as catalog:
        [(run_id,)] = catalog.execute("select run_id from runs where experiment = 'cut'").fetchall()
        [saved] = catalog.execute(f"select {columns} from stopping").fetchall()
        replay = f"select {columns} from replay_stopping(?, [0.6, 0.8, 1.0], 4, 2)"
        least, replayed, most = catalog.execute(replay, [run_id]).fetchall()
        counts = "select count(*), count(distinct trace_id) from traces"
        assert catalog.execute(counts).fetchone() == (240, 240)
    assert saved == replayed
    assert least[2] <= replayed[2] <= most[2] < 240
    answers = [list(map(str, orjson.loads(line)["pred"])) for line in lines]
    assert replayed[2] == sum(num_wanted(row, Stop(**stop), 8) for row in answers)


@pytest.fixture
def hub_set(tmp_path, monkeypatch):
    """A data set as `datasets` reads it, without network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    rows = [
        {"unique_id": "a", "problem": "1+1", "answer": "2", "level": 0.1, "tags": ["x", "y\u2028"]},
        {"unique_id": "b", "problem": "2+2", "answer": "4", "level": None, "tags": []},
    ]
    (tmp_path / "set" / "test.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    columns = {"question": "problem", "answer": "answer", "id": "unique_id"}
    return HubBenchmark(source="hf", path=str(tmp_path / "set"), split="test", revision="main", **columns)


def test_hub_data_sets_are_read_through_datasets(hub_set):
    form = hub_set
    assert [(p.problem_id, p.question, p.gold) for p in load_problems(form)] == [
        ("a", "1+1", "2"),
        ("b", "2+2", "4"),
    ]
    with pytest.raises(UserError, match=r"split nosuch.*Check benchmark\.path"):
        load_problems(form.model_copy(update={"split": "nosuch"}))


def test_pinned_rows_are_kept_in_the_root_and_the_hub_is_not_asked_again(hub_set, tmp_path, monkeypatch):
    form, store = hub_set.model_copy(update={"revision": "0123456789" * 4}), Store(str(tmp_path / "root"))
    first = load_problems(form, store=store, keeps=True)
    monkeypatch.setitem(sys.modules, "datasets", None)  # not even imported
    assert load_problems(form, store=store) == first
    assert load_problems(form, limit=1, store=store, keeps=True) == first[:1]
    assert list(verify(store)) == []
    [file] = (tmp_path / "root" / "benchmarks").iterdir()
    file.write_bytes(file.read_bytes().replace(b"1+1", b"1+2"))
    assert [(damage.kind, damage.path) for damage in verify(store)] == [
        ("checksum", f"benchmarks/{file.name}")
    ]
    with pytest.raises(ImportError):  # damaged rows are no rows
        load_problems(form, store=store)


def test_branch_is_asked_for_and_kept_rows_stand_in_where_the_hub_is_away(hub_set, tmp_path):
    store = Store(str(tmp_path / "root"))
    first = load_problems(hub_set, store=store, keeps=True)
    file = tmp_path / "set" / "test.jsonl"
    file.write_bytes(file.read_bytes().replace(b"1+1", b"1+0"))
    second = load_problems(hub_set, store=store, keeps=True)
    assert [p.question for p in second] == ["1+0", "2+2"] != [p.question for p in first]
    shutil.rmtree(tmp_path / "set")
    assert load_problems(hub_set, store=store) == second
    with pytest.raises(UserError, match="cannot be loaded from the hub"):
        load_problems(hub_set.model_copy(update={"revision": "other"}), store=store)


def test_run_reads_its_problems_without_network(hub_set, tmp_path, monkeypatch):
    form = hub_set.model_copy(update={"revision": "ab" * 20})
    role = {"model": {"id": "a2r-sum3-explorer"}, "engine": {"kind": "onnx"}, "prompt": "explore-small"}
    data = {"name": "x", "benchmark": form.model_dump(), "explorer": role}
    experiment, store = Experiment.model_validate(data), Store(str(tmp_path / "root"))
    with closing((first := resolve(experiment, store)).grader):
        monkeypatch.setitem(sys.modules, "datasets", None)
    with closing((again := resolve(experiment, store)).grader):
        assert again.listed == first.listed
    assert check_experiment(experiment, store.root).num_problems == 2
