"""docs/extending.md, each recipe carried out in a throw-away folder with the code as the page prints it."""

import importlib
import json
import re
import sys
from pathlib import Path

import pytest

from configs.loading import load_experiment
from warehouse.catalog import connect
from warehouse.store import Store

TEXT = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```\w+\n# ([\w.]+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Every file of the page, and problems to run them on."""
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    sums = [(f"s{i}", f"What is {i} plus {3 * i} ?", 4 * i) for i in range(4)]
    rows = [{"id": i, "problem": q, "answer": str(a)} for i, q, a in sums]
    others = [{"text": q, "solution": f"We add.\n#### {a + 1}"} for _, q, a in sums]
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "others.jsonl").write_text("".join(json.dumps(row) + "\n" for row in others))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in FILES:
        sys.modules.pop(name.removesuffix(".py"), None)


def run(file):
    from flows.evaluate import evaluate

    return evaluate(load_experiment(file), "root")


def test_an_engine(prefect, folder):
    summary = run("engine.yaml")
    assert summary["status"] == "complete"
    assert (summary["stages"]["explore"]["generated"], summary["metrics"]["mean@1"]["estimate"]) == (8, 1.0)


def test_a_grader(prefect, folder):
    run("engine.yaml")
    summary = run("grader.yaml")
    assert (summary["stages"]["explore"]["reused"], summary["metrics"]["mean@1"]["estimate"]) == (8, 1.0)
    with connect(Store("root")) as catalog:
        graders = catalog.execute("select distinct grader from runs order by 1").fetchall()
    assert len(graders) == 2


def test_a_benchmark(prefect, folder):
    summary = run("benchmark.yaml")
    assert summary["metrics"]["mean@1"] == {
        "estimate": 0.0,
        "low": 0.0,
        "high": summary["metrics"]["mean@1"]["high"],
        "n": 4,
        "wanted": 4,
        "undecided": 0,
    }


def test_a_stage(prefect, folder, endpoint, experiment_data, monkeypatch):
    from configs.experiment import Experiment

    monkeypatch.syspath_prepend(str(folder))
    rounds = importlib.import_module("my_rounds")
    experiment = Experiment.model_validate(experiment_data)
    summary = rounds.two_rounds(experiment, str(folder / "root"))
    assert summary["status"] == "complete"
    assert {name: counts["generated"] for name, counts in summary["stages"].items()} == {
        "explore": 40,
        "synthesize": 20,
        "refine": 20,
    }
    with connect(Store(str(folder / "root"))) as catalog:
        stages = catalog.execute("select stage, num_attempts from leaderboard order by stage").fetchall()
        read = catalog.execute(
            "select count(*) from traces as refined, unnest(refined.reference_ids) as shown(trace_id) "
            "inner join traces as read using (trace_id) where refined.stage = 'refine' and read.stage = 'synthesize'"
        ).fetchone()
    assert [stage for stage, _ in stages] == ["explore", "refine", "synthesize"]
    assert read == (40,), "each of 20 traces was shown both syntheses of its problem"
    endpoint.reset()
    again = rounds.two_rounds(experiment, str(folder / "root"))
    assert (again["metrics"], endpoint.requests) == (summary["metrics"], [])
