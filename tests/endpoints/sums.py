"""Ten sums, and the experiment over them that most tests run."""

import json


def benchmark_at(path):
    """Ten sums, as a JSONL benchmark; its path."""
    rows = [
        {"id": f"s{i}", "problem": f"What is {i} plus {7 * i + 1} ?", "answer": str(8 * i + 1)}
        for i in range(10)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def experiment_over(endpoint, path):
    """An experiment as a file would say it: two models behind the endpoint, one request a sample."""
    engine = {
        "kind": "openai",
        "base_url": endpoint.base_url,
        "concurrency": 16,
        "samples_per_request": 1,
        "retries": 3,
        "patience_seconds": 2.0,
        "timeout_seconds": 20.0,
    }
    return {
        "name": "sums",
        "benchmark": {"source": "file", "path": str(path), "question": "problem", "id": "id"},
        "explorer": {"model": {"id": "small"}, "engine": engine, "sampling": {"n": 4, "max_tokens": 64}},
        "synthesizer": {
            "model": {"id": "big"},
            "engine": engine,
            "references": {"count": 4},
            "sampling": {"n": 2, "max_tokens": 64},
        },
        "execution": {"retries": 0},
    }
