"""What the tests of a file share: an endpoint with a key, a webhook, and one `a2r up` on a night of one experiment.

Each test has a root of its own, except those which need the one that `a2r up` serves.
"""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from endpoints.nights import HOOK, KEY, experiment_file
from endpoints.operating import Operator
from endpoints.scripted import ScriptedEndpoint


class Receiver(ThreadingHTTPServer):
    """Where the webhook calls."""

    def __init__(self):
        self.told = told = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told.append((self.path, json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture(scope="module")
def served():
    with ScriptedEndpoint(key=KEY) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def receiver():
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def seat(folder, endpoint, receiver, database):
    """An operator on a night of one experiment; Prefect finds that database, or makes its own."""
    path = experiment_file(folder, endpoint, api_key_env="A2R_TEST_KEY")
    night = {"experiments": [{"experiment": path.name}]}
    hook = f"http://127.0.0.1:{receiver.server_port}{HOOK}"
    operator = Operator(
        folder,
        night,
        A2R_TEST_KEY=KEY,
        A2R_WEBHOOK_URL=hook,
        PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS="3",
    )
    if database:
        operator.home.mkdir()
        shutil.copy(database, operator.home / "prefect.db")
    return operator


@pytest.fixture(scope="module")
def database():
    """None: the first `a2r up` makes one."""


@pytest.fixture(scope="module")
def seated(served, receiver, database, tmp_path_factory):
    with seat(tmp_path_factory.mktemp("operator"), served, receiver, database) as operator:
        yield operator


@pytest.fixture
def endpoint(served):
    yield served
    served.fault, served.answer, served.latency = None, None, 0.0
    served.reset()


@pytest.fixture
def operator(seated, endpoint, tmp_path):
    seated.mine = {"root": str(tmp_path / "root")}
    return seated
