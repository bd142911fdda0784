"""What tests share: a scripted endpoint, a benchmark file, and experiments over both; and which files come first."""

import socket

import pytest
from endpoints.scripted import ScriptedEndpoint
from endpoints.sums import benchmark_at, experiment_over

from tasks.executor.garbage import look_seldom

look_seldom()  # what tests import and keep is large

LONGEST = (
    "test_nights.py",
    "test_by_a_person.py",
    "test_command_line.py",
    "test_terminal.py",
    "test_concurrency.py",
    "test_setup.py",
    "test_workers.py",
)
"""Files that take long, the longest first, and those of the last folder that do, so that none of them is the last to begin."""


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
    return benchmark_at(tmp_path / "sums.jsonl")


@pytest.fixture
def experiment_data(endpoint, benchmark_file):
    return experiment_over(endpoint, benchmark_file)
