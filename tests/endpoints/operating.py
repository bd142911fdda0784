"""`a2r up` as an operator has it: started in a folder of its own, asked through Prefect's API, killed or stopped."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import psutil

LAST_WORD = "prefect.flow_runs.worker - Check whether the flow run exceeded its memory allocation"
SETTINGS = {
    "PYTHONUNBUFFERED": "1",
    "COLUMNS": "200",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_WORKER_PREFETCH_SECONDS": "1",  # else nights that wait their turn are submitted again with each query
}
A2R = str(Path(sys.executable).with_name("a2r"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _kill(processes):
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=30)


class Operator:
    """One `a2r up` after the other on the same folder, root and port."""

    def __init__(self, folder, night, **environment):
        self.folder, self.port, self.said = folder, free_port(), []
        self.home = folder / "prefect"
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "night.yaml").write_text(json.dumps(night))
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "A2R_"))}
        self.environment = kept | SETTINGS | {"PREFECT_HOME": str(self.home)} | environment
        self.process = None
        # one client: each new one reads all root certificates, thirty times the work of a request; no connection
        # outlives its request, since servers are killed here
        self._client = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))
        self._num_last_words = 0

    def up(self):
        """Start, and wait until it is up; return what it said."""
        self.process = subprocess.Popen(
            [A2R, "up", "--nightly", "night.yaml", "--port", str(self.port), "--root", "root"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = []
        for line in self.process.stdout:
            self.said.append(line)
            if "Running until Ctrl-C" in line:
                return "".join(self.said)
        raise AssertionError("".join(self.said) + self.log("server"))

    def processes(self):
        """Everything that `a2r up` has started, itself first."""
        me = psutil.Process(self.process.pid)
        return [me, *me.children(recursive=True)]

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()

    def stop(self):
        """Ctrl-C; nothing may be left, by process id and by port; what is left is killed."""
        everything = self.processes()
        try:
            self.process.send_signal(signal.SIGINT)
            rest = self.process.communicate(timeout=120)[0]
            assert self.process.returncode == 0, rest
            _, alive = psutil.wait_procs(everything, timeout=30)
            assert not alive, f"left behind: {alive}"
        finally:
            _kill(everything)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", self.port)) != 0

    def power_cut(self):
        """Every process of it gone at once."""
        _kill(self.processes())
        self.process.communicate(timeout=30)

    def child(self, name):
        """The process of `prefect NAME start`, if there is one."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if f"-m prefect {name} start" in " ".join(process.cmdline()):
                    return process
        return None

    def is_up(self):
        """Whether the server answers."""
        with contextlib.suppress(httpx.HTTPError):
            return self._client.get(f"{self.url}/api/health", timeout=2).is_success
        return False

    def ask(self, method, path, body=None):
        """The server's reply; asked again after a 503, its word for "locked, try again", as Prefect's client does.

        What may be said twice is said again, three times at most, also after three minutes' silence and after a 500, which is
        what it answers where its connections to the database were all taken for half a minute: the machine may be busy.
        """
        may_be_repeated = (
            method in {"GET", "PATCH"} or path.endswith("/filter") or "idempotency_key" in (body or {})
        )
        num_repeats = 3 if may_be_repeated else 0
        for _ in range(150):
            try:
                reply = self._client.request(method, f"{self.url}/api{path}", json=body, timeout=180)
            except httpx.TimeoutException:
                if not num_repeats:
                    raise
                num_repeats -= 1
                continue
            if reply.status_code == httpx.codes.INTERNAL_SERVER_ERROR and num_repeats:
                num_repeats -= 1
            elif reply.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                assert reply.status_code != httpx.codes.INTERNAL_SERVER_ERROR, self.log("server")
                reply.raise_for_status()
                return reply.json() if reply.content else None
            time.sleep(0.2)
        raise AssertionError(f"{path} is always answered by 503\n{self.log('server')}")

    def post(self, path, **body):
        return self.ask("POST", path, body)

    def patch(self, path, **body):
        self.ask("PATCH", path, body)

    def get(self, path):
        return self.ask("GET", path)

    def deployment(self, name):
        from flows.deployments import NAMES

        return self.get(f"/deployments/name/{name}/{NAMES[name]}")

    def start(self, name, parameters=None, at=None):
        """A run of the deployment, as Quick run and Custom run make it, scheduled for then."""
        found = self.deployment(name)
        at = (at or datetime.now(UTC)).isoformat()
        run = self.post(
            f"/deployments/{found['id']}/create_flow_run",
            parameters=found["parameters"] | (parameters or {}),
            idempotency_key=uuid4().hex,
            state={"type": "SCHEDULED", "state_details": {"scheduled_time": at}},
        )
        return run["id"]

    def retry(self, run_id):
        """What the button Retry does."""
        state = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}
        reply = self.post(f"/flow_runs/{run_id}/set_state", state=state)
        assert reply["status"] == "ACCEPT", reply

    def run(self, run_id):
        return self.get(f"/flow_runs/{run_id}")

    def runs(self, **where):
        return self.post("/flow_runs/filter", **where)

    def wait(self, run_id, *types, seconds=400):
        """The run once it is in one of these states."""
        for _ in range(seconds * 2):
            run = self.run(run_id)
            if run["state_type"] in types:
                return run
            time.sleep(0.5)  # each question is a hundredth of a second of the server's
        raise AssertionError(f"{run['state']} instead of {types}\n{self.log('worker')}")

    def until(self, condition, seconds=240, every=0.05):
        """Wait for something to be true; return it. Asked every so many seconds, seldom enough not to slow what is waited for."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(every)
        raise AssertionError(f"never happened\n{self.log('worker')}\n{''.join(self.said)}")

    def kill(self, run_id):
        """SIGKILL of the process of a run."""
        self._num_last_words = self.log("worker").count(LAST_WORD)
        psutil.Process(int(self.run(run_id)["infrastructure_pid"])).kill()

    def wait_for_the_last_word(self):
        """Wait until the worker is done with the run killed last: it reports a crash twice, seconds apart.

        A Retry between the two would be undone by the second.
        """
        self.until(lambda: self.log("worker").count(LAST_WORD) > self._num_last_words)

    def log(self, name):
        with contextlib.suppress(FileNotFoundError):
            return (self.home / "a2r" / f"{name}.log").read_text()
        return ""

    def database_dump(self):
        """Prefect's whole database as SQL."""
        with contextlib.closing(sqlite3.connect(f"file:{self.home / 'prefect.db'}?mode=ro", uri=True)) as db:
            return "\n".join(db.iterdump())
