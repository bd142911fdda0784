"""One Prefect server for everything that is not about servers; tests that are start their own."""

import copy
import os
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from endpoints.prefect_server import shared_prefect_server

os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")

END_OF_CERTIFICATE = "-----END CERTIFICATE-----"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The server that all test processes share: its address and an empty database. Each test runs on a root of its own."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with shared_prefect_server(folder / "prefect-server") as served:
        yield served


@pytest.fixture(scope="session")
def prefect(server, tmp_path_factory):
    """Flows that are run in this process report to the shared server; the folder of their results."""
    import certifi
    from prefect.context import _temporary_global_settings_context, get_settings_context
    from prefect.events.clients import NullEventsClient
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import (
        PREFECT_API_SSL_CERT_FILE,
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_LOCAL_STORAGE_PATH,
        temporary_settings,
    )

    results = tmp_path_factory.mktemp("prefect-results")
    # loopback needs no certificate, and each flow run reads the file of all, a twentieth of a small one's CPU
    one_certificate = tmp_path_factory.mktemp("certificate") / "one.pem"
    one_certificate.write_text("".join(Path(certifi.where()).read_text().partition(END_OF_CERTIFICATE)[:2]))
    # events are a third of a small flow's CPU, heartbeats are waited for at its end; nothing here reads them
    EventsWorker.set_client_override(NullEventsClient)
    settings = {
        PREFECT_API_URL: server.api_url,
        PREFECT_API_SSL_CERT_FILE: str(one_certificate),
        PREFECT_LOCAL_STORAGE_PATH: results,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    }
    with (
        temporary_settings(settings),
        _temporary_global_settings_context(get_settings_context()),  # for threads that were begun earlier
    ):
        yield results
        APILogWorker.drain_all()  # while the server is still there


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """An empty folder to work in, which is also Prefect's home; no server, no settings of the person who runs the tests."""
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "A2R_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def serverless(alone, server):
    """The same with an empty database in the home: each command starts a server, which need not make the tables."""
    template = alone / "prefect" / "a2r" / f"empty-{version('prefect')}.db"
    template.parent.mkdir(parents=True)
    shutil.copy(server.empty_database, template)
    return alone


@pytest.fixture
def home(alone, server, monkeypatch):
    """The same for commands that are not about servers: they report to the shared one."""
    monkeypatch.setenv("PREFECT_API_URL", server.api_url)
    return alone


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
