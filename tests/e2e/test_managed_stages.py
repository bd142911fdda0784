"""Both roles on servers that the run starts, together or in turns; what servers told, on record."""

import json
import sys
from pathlib import Path

import pytest
from endpoints.living import runs

from warehouse.catalog import connect
from warehouse.store import Store

STANDIN = str(Path(__file__).parents[1] / "endpoints" / "standin.py")


@pytest.fixture
def serving(tmp_path, monkeypatch, unused_port):
    """Overrides that put both roles behind servers of the run's own, and what became of these."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("STANDIN_EVENTS", str(tmp_path / "events.jsonl"))

    def overrides(**gpus):
        def engine(role):
            serve = {"port": unused_port(), "command": [sys.executable, STANDIN], "gpus": gpus[role]}
            return {"kind": "openai", "serve": serve, "samples_per_request": 1, "concurrency": 16}

        return {f"{role}__engine": engine(role) for role in gpus}

    def events():
        return [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]

    return overrides, events


def test_roles_on_one_gpu_take_turns(evaluated, serving):
    overrides, events = serving
    assert evaluated(**overrides(explorer=[0], synthesizer=[0, 1]))["status"] == "complete"
    assert [(e["kind"], e.get("name")) for e in events()] == [
        ("started", "small"),
        ("stopped", None),
        ("started", "big"),
        ("stopped", None),
    ]
    assert [e["answered"] for e in events() if e["kind"] == "stopped"] == [40, 20]
    assert not any(runs(e["pid"]) for e in events())


def test_roles_on_two_gpus_work_together_and_what_is_stored_starts_no_server(evaluated, serving):
    overrides, events = serving
    placed = overrides(explorer=[0], synthesizer=[1])
    assert evaluated(**placed)["status"] == "complete"
    assert [e["kind"] for e in events()] == ["started", "started", "stopped", "stopped"]
    evaluated(**placed)
    assert len(events()) == 4


def test_what_servers_told_is_in_the_run_s_record(evaluated, endpoint, tmp_path):
    endpoint.metrics = lambda: (
        f'vllm:generation_tokens_total{{model_name="small"}} {25 * endpoint.num_samples}\n'
    )
    evaluated(synthesizer=None)
    with connect(Store(str(tmp_path / "root"))) as catalog:
        query = "select servers->>'$[0].url', (servers->>'$[0].completion_tokens')::double from runs"
        assert catalog.execute(query).fetchall() == [(endpoint.base_url, 1000.0)]


def test_a_judge_s_server_is_in_the_run_s_record_too(evaluated, endpoint, tmp_path):
    engine = {"kind": "openai", "base_url": endpoint.base_url, "samples_per_request": 1}
    grader = {"kind": "judge", "model": {"id": "big"}, "engine": engine}
    evaluated(synthesizer=None, max_undecided=1.0, grader=grader)
    [manifest] = [json.loads(path.read_bytes()) for path in (tmp_path / "root" / "runs").glob("*.json")]
    assert [server["model"] for server in manifest["servers"]] == ["small", "big"]
