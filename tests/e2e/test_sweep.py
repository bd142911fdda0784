"""A sweep shares what its cells have in common, goes on after a failing cell, and ends in one table."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from configs.sweep import Sweep
from tasks.executor.errors import FlowIncomplete
from warehouse.catalog import connect
from warehouse.store import Store

A2R = str(Path(sys.executable).with_name("a2r"))


@pytest.fixture
def grid(experiment_data, tmp_path):
    base = tmp_path / "base.yaml"
    base.write_text(yaml.safe_dump(experiment_data))
    axes = {"synthesizer.references.count": [2, 4], "synthesizer.sampling.temperature": [0.5, 1.0]}
    return Sweep.model_validate({"name": "grid", "base": str(base), "axes": axes})


@pytest.fixture
def swept(prefect, grid, tmp_path):
    from flows.sweep import sweep

    return lambda: sweep(grid, str(tmp_path / "root"))


def test_cells_share_the_explorer_a_failing_one_holds_up_none_and_a_table_has_all(swept, endpoint, tmp_path):
    from prefect.client.orchestration import get_client

    down = (400, "no such temperature", {})
    endpoint.fault = lambda _, body: down if body["model"] == "big" and body["temperature"] == 0.5 else None
    with pytest.raises(FlowIncomplete, match="2 of 4 cells are complete") as failure:
        swept()
    report = failure.value.summary
    assert [cell["status"] for cell in report["cells"]] == ["incomplete", "complete"] * 2
    assert endpoint.by_model["small"] == 40, "explored once for all cells"
    assert report["cells"][0]["metrics"]["mean@1"]["n"] == 10
    endpoint.fault = None
    endpoint.reset()
    report = swept()
    assert endpoint.by_model == {"big": 40}, "only what failed is asked again"
    assert report["status"] == "complete"
    assert report["cells"][0]["cell"] == "count=2 temperature=0.5"
    with connect(Store(str(tmp_path / "root"))) as catalog:
        board = catalog.execute(
            "select experiment, accuracy from leaderboard where experiment like 'grid.%' "
            "and stage = 'synthesize' and status = 'complete' order by started_at"
        ).fetchall()
    latest = dict(board)
    assert latest == {
        c["experiment"]: pytest.approx(c["metrics"]["a2r"]["estimate"]) for c in report["cells"]
    }
    with get_client(sync_client=True) as client:
        found = client.request("GET", "/artifacts/{key}/latest", path_params={"key": "a2r-sweep"}).json()
    rows = json.loads(found["data"])
    assert [row["cell"] for row in rows][-1] == "count=4 temperature=1.0"
    assert set(rows[0]) >= {
        "status",
        "mean@1",
        "a2r",
        "problems",
        "errors",
        "truncated",
        "petaflops",
        "dollars",
    }
    assert rows[0]["a2r"].count(",") == 1, "an estimate with its interval"


def test_dry_run_counts_shared_traces_once_and_makes_nothing(grid, endpoint, tmp_path):
    file = tmp_path / "grid.yaml"
    file.write_text(yaml.safe_dump(grid.model_dump(mode="json")))
    done = subprocess.run(
        [A2R, "sweep", str(file), "--dry-run", "--json", "--root", str(tmp_path / "root")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert (len(plan["cells"]), plan["missing"]) == (4, 40 + 4 * 20)
    assert endpoint.requests == []
