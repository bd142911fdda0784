"""A real Prefect server on loopback for all flows that are run in this process."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")


@pytest.fixture(scope="session")
def prefect(tmp_path_factory):
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    results = tmp_path_factory.mktemp("prefect-results")
    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_LOCAL_STORAGE_PATH: results}),
    ):
        yield results


@pytest.fixture(scope="session")
def prefect_database(tmp_path_factory):
    """An empty database of Prefect, its tables made: to be copied, since making them takes seconds."""
    home = tmp_path_factory.mktemp("prefect-home")
    command = [Path(sys.executable).with_name("prefect"), "server", "database", "upgrade", "--yes"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    subprocess.run(command, env=kept | {"PREFECT_HOME": str(home)}, capture_output=True, check=True)
    return home / "prefect.db"


@pytest.fixture
def evaluated(prefect, experiment_data, tmp_path):
    """Run the experiment, with dotted overrides, and return its summary; results go to one root."""
    from configs.experiment import Experiment
    from flows.evaluate import evaluate

    def run(root=None, **overrides):
        data = copy.deepcopy(experiment_data)
        for key, value in overrides.items():
            *parents, last = key.split("__")
            place = data
            for parent in parents:
                place = place[parent]
            place[last] = value
        return evaluate(Experiment.model_validate(data), root or str(tmp_path / "root"))

    return run
