"""What a worker may do wrong, it does alone; its clock is its own CPU time."""

from contextlib import closing
from pathlib import Path

import psutil
import pytest

from configs.graders import FunctionGrader
from configs.schema import UserError
from tasks.graders.function import load
from tasks.graders.protocol import Case
from tasks.graders.workers import Workers
from tasks.grading.grader_of import grader_of

MISBEHAVING = """
import os, time
from pathlib import Path

def grade(gold, answer):
    match answer:
        case "burn":
            while True:
                pass
        case "burn in C":
            return 7 ** (10 ** 8) == 1
        case "wait":
            time.sleep(1.0)
        case "eat":
            return bytes(2 ** 33) == b""
        case "die":
            os._exit(3)
        case "raise":
            raise ValueError(answer)
        case "nonsense":
            return "excellent"
        case "number":
            return 1
        case "undecided":
            return "timeout"
    return gold == "1"
"""


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "misbehaving.py").write_text(MISBEHAVING)
    with closing(Workers(load, ("misbehaving", "grade", str(folder)))) as pool:
        yield pool


ENDS = {
    "fine": "correct",
    "burn": "timeout",
    "burn in C": "timeout",
    "wait": "correct",
    "die": "grader_error",
    "raise": "grader_error",
    "nonsense": "grader_error",
    "number": "grader_error",
    "undecided": "timeout",
}


def test_each_ends_alone_and_the_clock_is_cpu_time(workers):
    """`wait` sleeps for longer than the limit and is right all the same: a busy machine wrongs nobody."""
    asked = list(ENDS) * 2
    assert workers.verdicts([("1", answer) for answer in asked], cpu_seconds=0.4) == [ENDS[a] for a in asked]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux bounds memory")
def test_memory_is_bounded(workers):
    assert workers.verdicts([("1", "eat"), ("1", "fine")]) == ["grader_error", "correct"]


def test_workers_start_when_needed_and_end_when_closed(tmp_path):
    (tmp_path / "mine.py").write_text("def grade(gold, answer):\n    return gold == answer\n")
    grader = grader_of(FunctionGrader(kind="function", function="mine:grade", path=str(tmp_path)), "nowhere")
    before = set(psutil.Process().children(recursive=True))
    assert grader.work_out([]) == {}
    assert set(psutil.Process().children(recursive=True)) == before
    cases = [Case("", "1", "1"), Case("", "1", "2")]
    assert grader.work_out(cases) == dict(zip(cases, ["correct", "wrong"], strict=True))
    grader.close()
    left = set(psutil.Process().children(recursive=True)) - before
    assert all("pebble" not in " ".join(process.cmdline()) for process in left)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1", "has no grade"),
        (
            "import nosuchmodule_\n\ndef grade(gold, answer):\n    return True\n",
            "importing mine failed: ModuleNotFoundError",
        ),
    ],
)
def test_function_that_cannot_be_loaded_is_told(tmp_path, source, said):
    (tmp_path / "mine.py").write_text(source)
    form = FunctionGrader(kind="function", function="mine:grade", path=str(tmp_path))
    with pytest.raises(UserError, match=said), closing(grader_of(form, "nowhere")) as grader:
        grader.work_out([Case("", "1", "1")])


def test_missing_module_is_told_before_anything_runs(tmp_path):
    form = FunctionGrader(kind="function", function="nosuch.thing:grade", path=str(tmp_path))
    with pytest.raises(UserError, match=r"grader\.function is in nosuch\.thing"):
        grader_of(form, "nowhere")


def test_changed_function_is_another_grader(tmp_path):
    form = FunctionGrader(kind="function", function="mine:grade", path=str(tmp_path))
    keys = set()
    for body in ("return True", "return False"):
        (tmp_path / "mine.py").write_text(f"def grade(gold, answer):\n    {body}\n")
        keys.add(grader_of(form, "nowhere").key)
    assert len(keys) == 2
