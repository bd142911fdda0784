"""What is added inside the project, carried out in a throw-away copy: which files each takes, and that it works."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

NEW_ENGINE = '''
"""The kind `adder`."""

import re
from datetime import UTC, datetime

from configs.engines import AdderSettings
from tasks.engines import protocol
from tasks.engines.protocol import Completion, EngineKind


class Adder:
    """Adds the numbers of a question."""

    def __init__(self, model, settings):
        self.concurrency, self.group = settings.concurrency, 1

    async def start(self):
        pass

    async def complete(self, request, deliver):
        total = sum(map(int, re.findall("[0-9]+", request.question)))
        for index, seed in enumerate(request.seeds):
            answer = f"\\\\boxed{{{total}}}"
            deliver(index, Completion(None, answer, "stop", seed, 0, None, None, None, datetime.now(UTC), 0.1, 1))

    async def close(self):
        return ()


ADDER = EngineKind(
    settings=AdderSettings,
    build=Adder,
    check=protocol.accepts_all,
    starts_quickly=protocol.always_quick,
    identify=protocol.as_given,
    weights=lambda model, settings: model.id,
    context=protocol.unknown_context,
    context_setting=protocol.no_context_setting,
    largest_shard=lambda settings: 512,
    claims=protocol.claims_nothing,
    process=protocol.by_settings,
)
'''

NEW_GRADER = '''
"""The kind `backwards`."""

from tasks.graders.exact import Exact


class Backwards(Exact):
    """Right if it is the gold answer read backwards."""

    def __init__(self, form):
        self._form, self.key = form, "backwards-1"

    def decide(self, gold, answer):
        return super().decide(gold[::-1], answer)
'''

ENGINE_AND_GRADER = {
    "configs/engines.py": {
        "class OnnxSettings(": 'class AdderSettings(ConfigModel):\n    """Sums."""\n\n    kind: Literal["adder"]\n'
        "    concurrency: int = 4\n\n\n",
        '    "onnx": ': '    "adder": "tasks.engines.adder:ADDER",\n',
        '    Annotated[OnnxSettings, Tag("onnx")]': '    Annotated[AdderSettings, Tag("adder")] |\n',
    },
    "configs/graders.py": {
        "class ExactGrader(": 'class BackwardsGrader(BoxedAnswerGrader):\n    """Backwards."""\n\n'
        '    kind: Literal["backwards"]\n    ignore_case: bool = False\n\n\n',
        '    "exact": ': '    "backwards": "tasks.graders.backwards:Backwards",\n',
        "    MathGrader\n": "    BackwardsGrader |\n",
    },
}
TRACE_COLUMN = {
    "tasks/engines/protocol.py": {"    mean_logprob: float": "    entropy: float | None = None\n"},
    "warehouse/columns.py": {'}\n"""The kind': '    "entropy": "float64",\n'},
    "warehouse/sql/columns.yaml": {"  extracted: ": "  entropy: Entropy of the tokens.\n"},
    "warehouse/sql/exchange/traces.sql": {"    samples.mean_logprob": "    samples.entropy,\n"},
}
"""What is written before which text. A fifth file, docs/data-dictionary.md, is written by `make dictionary`."""

SCRIPT = """
import json
from configs.loading import load_experiment
from tasks.benchmarks.problems import load_problems
from tasks.grading.grader_of import grader_of
from tasks.grading.traces import Grading, grade_traces
from tasks.run import stages_of
from tasks.stage import jobs_of, missing_of
from warehouse import loader
from warehouse.catalog import connect
from warehouse.dictionary import dictionary
from warehouse.records import Member
from warehouse.store import Store
from warehouse.verdicts import VerdictMemory

experiment = load_experiment("one.yaml")
problems = load_problems(experiment.benchmark)
stage, store = stages_of(experiment, "root")[0], Store("root")
store.open_for_writing()
plans = missing_of(stage, problems)
stage.make(jobs_of(stage, plans), 0)
grader = grader_of(experiment.grader, "root", problems)
golds = {p.problem_digest: p.gold for p in problems}
wanted = [trace for plan in plans for trace in plan.wanted]
members = [Member("explore", w.problem_id, w.problem_digest, 0, w.trace_id, golds[w.problem_digest]) for w in wanted]
grade_traces(stage, members, Grading(grader, VerdictMemory(store, grader.key)))
loader.load(store)
with connect(store) as catalog:
    columns = "traces.* exclude (started_at), verdict"
    rows = catalog.execute(f"select {columns} from traces join store.grades using (trace_id)")
    rows = rows.to_arrow_table()
print(json.dumps({"rows": rows.to_pylist(), "grader": grader.key, "is_in_dictionary": "`entropy`" in dictionary()}))
"""


def added(folder, edits):
    """Carry out edits in the copy."""
    for name, changes in edits.items():
        text = (folder / name).read_text()
        for before, new in changes.items():
            assert text.count(before) == 1, (name, before)
            text = text.replace(before, new + before)
        (folder / name).write_text(text)


def run(folder):
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def copy(tmp_path):
    """The project's code, and an experiment that names the new kinds."""
    for name in ("configs", "warehouse", "tasks", "flows"):
        shutil.copytree(
            PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "models")
        )
    (tmp_path / "problems.jsonl").write_text(
        '{"id": "s", "problem": "What is 12 plus 9 ?", "answer": "12"}\n'
    )
    (tmp_path / "one.yaml").write_text(
        "name: inside\n"
        "benchmark: {source: file, path: problems.jsonl, question: problem, answer: answer, id: id}\n"
        "explorer: {model: {id: adder}, engine: {kind: adder, concurrency: 2}, sampling: {n: 1}}\n"
        "grader: {kind: backwards}\n"
    )
    return tmp_path


def test_an_engine_and_a_grader_take_two_files_each_and_a_column_of_traces_five(copy):
    (copy / "tasks/engines/adder.py").write_text(NEW_ENGINE)
    (copy / "tasks/graders/backwards.py").write_text(NEW_GRADER)
    added(copy, ENGINE_AND_GRADER)
    found = run(copy)
    assert found["grader"] == "backwards-1"
    assert [(row["answer"], row["verdict"]) for row in found["rows"]] == [(r"\boxed{21}", "correct")]

    engine = copy / "tasks/engines/adder.py"
    engine.write_text(engine.read_text().replace("0.1, 1))", "0.1, 1, entropy=0.5))"))
    added(copy, TRACE_COLUMN)
    again = run(copy)
    assert [row["entropy"] for row in again["rows"]] == [None], "a stored trace keeps its layout"
    assert again["is_in_dictionary"]
    shutil.rmtree(copy / "root")
    assert [row["entropy"] for row in run(copy)["rows"]] == [0.5]
