"""A second `a2r up` on one root, port or history says so; kernel locks end with their process."""

import subprocess
import sys

import pytest

from configs.schema import UserError
from tasks.ops.alone import alone
from tasks.ops.database import SETTING
from warehouse.integrity import verify
from warehouse.store import Store

HOLD = """
import sys
from tasks.ops.alone import alone
from warehouse.store import Store
with alone(Store(sys.argv[1]), int(sys.argv[2])):
    print("up", flush=True)
    sys.stdin.read()
"""


def test_second_on_one_root_port_or_history_is_told_and_a_killed_one_is_in_nobodys_way(
    tmp_path, unused_port, monkeypatch
):
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    port, other = unused_port(), unused_port()
    mine, another = Store(str(tmp_path / "mine")), Store(str(tmp_path / "another"))
    command = [sys.executable, "-c", HOLD, mine.root, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "up\n"
        with (
            pytest.raises(
                UserError, match=r"already serves from the history .*/home/prefect.db .* PREFECT_HOME"
            ),
            alone(another, other),
        ):
            pass
        monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home of its own"))
        with (
            pytest.raises(UserError, match=r"already serves the root .* choose another with --root"),
            alone(mine, other),
        ):
            pass
        with (
            pytest.raises(UserError, match=rf"already serves port {port} .* choose another with --port"),
            alone(another, port),
        ):
            pass
        assert not (tmp_path / "another").exists(), "the refused one has changed nothing"
        with alone(another, other):
            pass
        monkeypatch.setenv(SETTING, "postgresql://somebody:secret@nowhere/prefect")
        with (
            alone(another, other),
            pytest.raises(UserError, match=r"history ") as told,
            alone(mine, unused_port()),
        ):
            pass
        assert "secret" not in str(told.value)
        first.kill()
        first.wait()
        with alone(mine, port):
            assert list(verify(mine)) == []
