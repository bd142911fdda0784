"""Which heavy modules each command imports: what it does not need costs a person time at every call."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from warehouse.loader import load
from warehouse.store import Store

STORED = Path(__file__).parents[1] / "data/stored"
HEAVY = (
    "prefect",
    "onnxruntime",
    "datasets",
    "pandas",
    "plotly",
    "aiohttp",
    "openai",
    "sympy",
    "mpmath",
    "yaml",
    "duckdb",
    "pyarrow",
    "numpy",
)
AFTER = f"""
import json, sys
from flows.cli import main
try:
    main()
finally:
    print(json.dumps([name for name in {HEAVY} if name in sys.modules]), file=sys.stderr)
"""
CATALOG = {"duckdb"}
STORE = {"duckdb", "pyarrow", "numpy", "yaml"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored") / "root"
    shutil.copytree(STORED / "root", folder)
    load(Store(str(folder)))
    return folder


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (("--help",), set()),
        (("--version",), set()),
        (("run", "--help"), set()),
        (("view", "--help"), set()),
        (("presets",), {"yaml"}),
        (("sql", "select 1"), CATALOG),
        (("runs",), CATALOG),
        (("show", "p0"), CATALOG),
        (("compare", "--baseline", "1"), CATALOG | {"numpy"}),
        (("verify",), STORE),
        (("load",), STORE),
        (("report", "--output", "{folder}/report.html"), STORE | {"plotly"}),
        (("check", "quickstart", "--limit", "1"), {"pyarrow", "numpy", "yaml", "onnxruntime"}),
    ],
)
def test_command_imports_no_heavy_module_that_it_does_not_need(root, tmp_path, arguments, allowed):
    command = [part.format(folder=tmp_path) for part in arguments]
    told = subprocess.run(
        [sys.executable, "-c", AFTER, *command],
        capture_output=True,
        text=True,
        env=os.environ | {"A2R_ROOT": str(root)},
        check=False,
        timeout=120,
    )
    assert "Traceback" not in told.stderr, told.stderr
    assert set(json.loads(told.stderr.splitlines()[-1])) <= allowed


def test_terminal_that_knows_only_ascii_shows_results(root):
    told = subprocess.run(
        [sys.executable, "-c", "from flows.cli import main; main()", "sql", "select '–', '×', 'é', 1.5"],
        capture_output=True,
        env=os.environ | {"A2R_ROOT": str(root), "PYTHONIOENCODING": "ascii"},
        check=True,
        timeout=120,
    )
    assert b" - " in told.stdout and b" x " in told.stdout and rb"\xe9" in told.stdout
