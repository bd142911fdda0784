"""What a night is tried on: an experiment behind a scripted endpoint, and what it left on disk."""

import contextlib
import json
from pathlib import Path

import pyarrow.parquet as pq

from warehouse.integrity import verify
from warehouse.store import Store

KEY = "sk-nowhere-to-be-seen-0123456789"
HOOK = "/hook/also-nowhere-9876543210"
MODELS = {"explore": "small", "synthesize": "big"}


def experiment_file(folder, endpoint, num_problems=10, **engine):
    """An experiment of sums, 4 + 2 samples a problem, one request each."""
    rows = [
        {"id": f"s{i}", "problem": f"What is {i} plus {7 * i + 1} ?", "answer": str(8 * i + 1)}
        for i in range(num_problems)
    ]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    behind = {
        "kind": "openai",
        "base_url": endpoint.base_url,
        "concurrency": 8,
        "samples_per_request": 1,
        "retries": 0,
        "patience_seconds": 1,
    } | engine
    data = {
        "name": "sums",
        "benchmark": {"source": "file", "path": "sums.jsonl", "question": "problem", "id": "id"},
        "explorer": {"model": {"id": "small"}, "engine": behind, "sampling": {"n": 4}},
        "synthesizer": {
            "model": {"id": "big"},
            "engine": behind,
            "references": {"count": 4},
            "sampling": {"n": 2},
        },
        "execution": {"retries": 0},
    }
    path = folder / "sums.yaml"
    path.write_text(json.dumps(data))
    return path


def asked_for(endpoint):
    """The samples that were asked for, by model and seed."""
    return {(body["model"], body["seed"]) for body in endpoint.requests}


def stored_samples(root):
    """Model and seed of all traces on disk, in parts and in journals."""
    samples = set()
    for path in Path(root).glob("traces/*/*/part-*.parquet"):
        rows = pq.read_table(path, columns=["seed", "status"], partitioning=None).to_pylist()
        model = MODELS[path.parts[-3].removeprefix("stage=")]
        samples.update((model, row["seed"]) for row in rows if row["status"] != "error")
    for path in Path(root).glob("journal/*.jsonl"):
        first, *lines = path.read_bytes().splitlines() or [b"{}"]
        model = MODELS["synthesize" if b"synthesize" in first else "explore"]
        for line in lines:
            with contextlib.suppress(json.JSONDecodeError):  # the line that was being written
                row = json.loads(line)
                if row["status"] != "error":
                    samples.add((model, row["seed"]))
    return samples


def assert_whole(root, endpoint, before):
    """All traces there, none that was stored before was asked for again, nothing damaged."""
    assert len(stored_samples(root)) == 60
    assert not before & asked_for(endpoint)
    assert list(verify(Store(str(root)))) == []


def told_of(receiver, run_id):
    """What the webhook was told of that run."""
    return [body for path, body in receiver.told if path == HOOK and body["flow_run"] == run_id]
