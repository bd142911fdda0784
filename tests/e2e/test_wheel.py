"""The wheel in an environment of its own, used in a folder whose files are called what our packages are called."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
GRADER = """
def grade(gold, answer):
    return answer.strip() == gold
"""
EXPERIMENT = """
name: mine
benchmark: {source: file, path: problems.jsonl, question: problem, answer: answer, id: id}
explorer:
  model: {id: recorded}
  engine: {kind: replay, path: recorded.jsonl, question: problem, outputs: outputs}
  sampling: {n: 2}
synthesizer:
  model: {id: big}
  engine: {kind: openai, serve: {port: PORT, gpus: [], command: COMMAND}}
  references: {count: 2}
  sampling: {n: 1}
grader: {kind: function, function: "my_grader:grade", answer: box}
"""
PROBLEMS = [
    {"id": "p1", "problem": "What is 12 plus 30 ?", "answer": "42"},
    {"id": "p2", "problem": "What is 7 plus 6 ?", "answer": "13"},
]
OUTPUTS = [["\\boxed{42}", "\\boxed{41}"], ["\\boxed{13}", "\\boxed{13}"]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [BIN / "uv", "build", "--wheel", "--quiet", "--out-dir", folder, ROOT],
        env=os.environ | {"UV_PYTHON": sys.executable},
        check=True,
    )
    [file] = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def a2r(wheel, tmp_path_factory, prefect):
    """Run the installed command in a folder; the environment sees the packages of this one, but not this project."""
    from prefect.settings import PREFECT_API_URL

    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    install = ["pip", "install", "--quiet", "--offline", "--no-deps", "--python", folder, wheel]
    subprocess.run([BIN / "uv", *install], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    ours = {"PREFECT_API_URL": PREFECT_API_URL.value(), "PREFECT_HOME": str(folder / "prefect")}

    def run(*arguments, cwd):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "A2R_", "PYTHON"))}
        done = subprocess.run(
            [folder / "bin" / "a2r", *arguments],
            cwd=cwd,
            env=kept | ours,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def workplace(tmp_path, unused_port, monkeypatch):
    """A person's folder, with modules of the names of ours."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("STANDIN_EVENTS", str(tmp_path / "events.jsonl"))
    (tmp_path / "tasks.py").write_text("WHOSE = 'mine'\n")
    for package in ("configs", "warehouse", "flows"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("WHOSE = 'mine'\n")
    (tmp_path / "my_grader.py").write_text(GRADER)
    command = json.dumps([sys.executable, str(ROOT / "tests" / "endpoints" / "standin.py")])
    experiment = EXPERIMENT.replace("COMMAND", command).replace("PORT", str(unused_port()))
    (tmp_path / "mine.yaml").write_text(experiment)
    recorded = [{"problem": p["problem"], "outputs": o} for p, o in zip(PROBLEMS, OUTPUTS, strict=True)]
    for name, rows in (("problems", PROBLEMS), ("recorded", recorded)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_wheel_holds_what_is_not_python_and_nothing_of_the_tests(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    wanted = {
        path
        for path in tracked.splitlines()
        if path.split("/")[0] in {"configs", "warehouse", "tasks", "flows"}
        and not path.startswith("tasks/models/")
    }
    assert wanted - held == set()
    folders = {path.split("/")[0] for path in held}
    assert folders == {"configs", "warehouse", "tasks", "flows", f"a2r-{version('a2r')}.dist-info"}
    models = {path.split("/")[2] for path in held if path.startswith("tasks/models/")}
    assert models == {"a2r-sum3-explorer", "a2r-sum3-synthesizer"}
    licences = [path for path in held if path.endswith("LICENSE")]
    assert len(licences) == (ROOT / "LICENSE").is_file()


def test_installed_command_works_beside_modules_of_the_same_names(a2r, workplace):
    assert "quickstart" in a2r("presets", cwd=workplace)
    first = json.loads(a2r("run", "quickstart", "--limit", "5", "--json", cwd=workplace))
    assert (first["status"], first["metrics"]["a2r"]["n"]) == ("complete", 5)
    mine = json.loads(a2r("run", "mine.yaml", "--json", cwd=workplace))
    assert mine["metrics"]["mean@1"]["estimate"] == 0.75, "three of four, as the person's own function says"
    assert mine["stages"]["synthesize"]["generated"] == 2, "by a server whose guard ran in this folder"
