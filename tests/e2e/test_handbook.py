"""What docs/operations.md tells an operator to do, done for real."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from warehouse.integrity import verify
from warehouse.loader import load
from warehouse.store import Store

DOCS = Path(__file__).parents[2] / "docs"


def test_restored_backup_in_another_place_is_whole_and_nothing_is_made_again(evaluated, endpoint, tmp_path):
    first = evaluated()
    excluded = re.findall(r"--exclude '([^']+)'", (DOCS / "operations.md").read_text())
    assert len(excluded) == 3
    restored = tmp_path / "elsewhere" / "restored"
    shutil.copytree(tmp_path / "root", restored, ignore=shutil.ignore_patterns(*excluded))
    shutil.rmtree(tmp_path / "root")
    assert not (restored / "catalog.duckdb").exists()
    assert list(verify(Store(str(restored)))) == []
    assert load(Store(str(restored))).is_rebuilt
    endpoint.reset()
    again = evaluated(root=str(restored))
    assert endpoint.requests == []
    assert again["metrics"] == first["metrics"]


def test_weekly_compaction_of_a_root_in_use_and_of_one_still_empty(evaluated, tmp_path):
    from flows.upkeep import compact

    assert compact(str(tmp_path / "empty")).before["traces"].files == 0
    evaluated(execution__shard_size=8)
    report = compact(str(tmp_path / "root"), fewest=2)
    assert report.before["traces"].files > report.after["traces"].files == 2
    assert list(verify(Store(str(tmp_path / "root")))) == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_service_is_valid(tmp_path):
    unit = (DOCS / "deploy" / "a2r.service").read_text()
    assert "/srv/a2r/.venv/bin/a2r up" in unit
    file = tmp_path / "a2r.service"
    file.write_text(unit.replace("/srv/a2r/.venv/bin/a2r", str(Path(sys.executable).with_name("a2r"))))
    done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_image_holds_every_package():
    from yaml import safe_load

    recipe = (DOCS / "deploy" / "Dockerfile").read_text()
    roots = {
        d["entrypoint"].split(".")[0]
        for d in safe_load((DOCS.parent / "prefect.yaml").read_text())["deployments"]
    }
    assert roots == {"flows"}
    for package in ("configs", "warehouse", "tasks", "flows"):
        assert f"COPY {package} {package}" in recipe
