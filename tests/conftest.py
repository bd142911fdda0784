"""What tests share: a scripted endpoint, a benchmark file, and experiments over both; and which files come first."""

import json
import socket

import pytest
from endpoints.scripted import ScriptedEndpoint

from tasks.executor.garbage import look_seldom

look_seldom()  # what tests import and keep is large

LONGEST = (
    "test_nights.py",
    "test_by_a_person.py",
    "test_command_line.py",
    "test_never_twice.py",
    "test_terminal.py",
)
"""Files that take half a minute and more, the longest first, so that none of them is the last to begin."""


def pytest_collection_modifyitems(items):
    """The longest files first, the others in their order."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def stats():
    """SciPy's, for the tests that ask: every process reads every file of tests, and its import takes a second."""
    from scipy import stats

    return stats


@pytest.fixture
def unused_port():
    """A function that gives a port nobody listens on."""

    def port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return port


@pytest.fixture
def endpoint():
    with ScriptedEndpoint() as served:
        yield served


@pytest.fixture
def benchmark_file(tmp_path):
    """Ten sums, as a JSONL benchmark."""
    path = tmp_path / "sums.jsonl"
    rows = [
        {"id": f"s{i}", "problem": f"What is {i} plus {7 * i + 1} ?", "answer": str(8 * i + 1)}
        for i in range(10)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def experiment_data(endpoint, benchmark_file):
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
        "benchmark": {"source": "file", "path": str(benchmark_file), "question": "problem", "id": "id"},
        "explorer": {"model": {"id": "small"}, "engine": engine, "sampling": {"n": 4, "max_tokens": 64}},
        "synthesizer": {
            "model": {"id": "big"},
            "engine": engine,
            "references": {"count": 4},
            "sampling": {"n": 2, "max_tokens": 64},
        },
        "execution": {"retries": 0},
    }
