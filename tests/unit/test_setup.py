"""`make setup` finds a Python that is new enough, and says in a sentence where there is none."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"


@pytest.fixture
def make(tmp_path):
    """`make venv` in a folder of its own, with Pythons of these names."""
    shutil.copy(MAKEFILE, tmp_path)
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")  # what an older one says to the question for its version
    old.chmod(0o755)

    def run(*pythons):
        return subprocess.run(
            ["make", "venv", f"PYTHON={' '.join(map(str, pythons))}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_wrong_python_is_refused_with_a_sentence_and_leaves_nothing(make, tmp_path):
    told = make(tmp_path / "old-python", "no-such-python")
    assert told.returncode != 0
    assert "A2R needs Python 3.11 or newer" in told.stderr and "PYTHON=/path/to/python3.12" in told.stderr
    assert not (tmp_path / ".venv").exists()


def test_right_python_is_looked_for_and_replaces_an_environment_with_an_old_one(make, tmp_path):
    broken = tmp_path / ".venv" / "bin"
    broken.mkdir(parents=True)
    (broken / "python").symlink_to(tmp_path / "old-python")
    told = make(tmp_path / "old-python", sys.executable)
    assert told.returncode == 0, told.stderr
    subprocess.run(
        [broken / "python", "-c", "import pip, sys; assert sys.version_info >= (3, 11)"], check=True
    )
    stamp = (tmp_path / ".venv" / "pyvenv.cfg").stat().st_mtime_ns
    assert make("no-such-python").returncode == 0, "an environment that is there is kept"
    assert (tmp_path / ".venv" / "pyvenv.cfg").stat().st_mtime_ns == stamp
