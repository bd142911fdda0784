"""What docs/python.md shows, run as it stands there: one namespace, one folder, from top to bottom."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from tasks.analysis.queries import problem_traces

TEXT = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def statements(block):
    """Its lines of code, a statement over several lines counted as one."""
    return sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(block)))


@pytest.fixture
def notebook(prefect, tmp_path, monkeypatch):
    """The page's blocks of code, run; what they define."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "problems.jsonl").write_text(blocks("json")[0])
    defined = {}
    for block in blocks("python"):
        if named := re.match(r"# (\w+\.py)\n", block):
            (tmp_path / named[1]).write_text(block)
        else:
            exec(compile(block, "docs/python.md", "exec"), defined)
    return defined


def test_page_runs_with_its_own_engine_and_grader(notebook, tmp_path):
    frame, changes = notebook["frame"], {change.metric: change for change in notebook["changes"]}
    assert len(frame) == 2 * 3 * 4
    wrong = frame[frame.verdict == "wrong"]
    assert len(wrong) and wrong.run_id.nunique() == 1, "made by the engine that errs"
    assert set(wrong.problem_id) <= {"p1", "p2"}, "201 is within one per cent of 200, as the grader has it"
    assert changes["mean@1"].after == 1.0 and changes["mean@1"].before < 1.0
    shown = problem_traces("p3", str(tmp_path / "results"))
    assert (shown.gold, {trace.answer for trace in shown.traces}) == ("200", {"\\boxed{200}"})
    again = notebook["evaluate"](notebook["experiment"](0.5), "results")
    assert again["stages"]["explore"]["reused"] == 12


def test_experiment_fits_into_fifteen_statements():
    assert statements(next(b for b in blocks("python") if "def experiment" in b)) <= 15


def test_every_name_of_the_table_exists():
    named = re.findall(r"`((?:configs|flows|tasks|warehouse)\.[\w.]+)(?=[`(:])", TEXT)
    assert len(named) > 10
    for name in named:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            module, _, attribute = name.rpartition(".")
            assert hasattr(importlib.import_module(module), attribute), name
    upkeep = importlib.import_module("tasks.ops.upkeep")
    for name in re.findall(r"`(\w+_root)`", TEXT):
        assert callable(getattr(upkeep, name))
