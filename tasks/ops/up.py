"""`a2r up`: a Prefect server, the deployments and a worker, started together and stopped together.

Everything listens on loopback. A server that already answers is used and left alone; what was
started here is started again if it dies, and stopped by its process group.
"""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tasks.executor.environment import prefect_home

from configs.schema import UserError
from tasks.engines.processes import Child, start
from tasks.executor.server import announced, health_of
from tasks.ops.database import SETTING, refuse_unusable, without_database, without_password
from tasks.ops.night_watch import NightWatch

LOOPBACK = "127.0.0.1"
HEALTH_SECONDS = 300
"""How long a living server may take until it answers: its first start makes a database, slowly where the machine is busy."""
STOP_SECONDS = 30
MOST_REVIVALS = 5
"""A server or worker that has died this often within an hour is not started again."""


@dataclass
class Service:
    """A part of Prefect that is kept running."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    log: Path
    children: list[Child] = field(default_factory=list)
    """Its processes, the present one last; also those that died: a worker's runs outlive it."""
    deaths: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start it; what it says is appended to its log."""
        command = [sys.executable, "-P", "-m", "prefect", *self.arguments]
        self.children.append(start(command, self.log, environment=self.environment, append=True))

    def check(self) -> None:
        """Raise UserError with the end of its log if it has ended."""
        if self.children and (code := self.children[-1].code) is not None:
            end = without_password("\n".join(self.log.read_text(errors="replace").splitlines()[-15:]))
            raise UserError(f"The {self.name} ended with status {code}; the end of {self.log}:\n{end}")

    def revived(self) -> bool:
        """Whether it had died and was started again. Raises UserError if it dies too often."""
        if not self.children or self.children[-1].code is None:
            return False
        now = time.monotonic()
        self.deaths = [*(then for then in self.deaths if now - then < 3600), now]  # noqa: PLR2004 - an hour
        if len(self.deaths) > MOST_REVIVALS:
            self.check()
        self.start()
        return True

    def stop(self) -> None:
        """Ask it to end, then make it end, with everything it started."""
        for child in reversed(self.children):
            child.end(STOP_SECONDS)


def serve(
    root: str,
    port: int,
    register: Callable[[], Sequence[Any]],
    pool: str,
    say: Callable[[str], None],
    *,
    timezone: str,
) -> None:
    """Start what is not there, register the deployments, and stay until Ctrl-C.

    `register` returns Prefect's deployments; it is called once the server answers, since Prefect
    reads the server's address when it is imported. `say` is called with what a person should read, also when a night
    has ended; times are in the nights' `timezone`.
    """
    url = f"http://{LOOPBACK}:{port}"
    logs = prefect_home() / "a2r"
    logs.mkdir(parents=True, exist_ok=True)
    environment = _environment(url, port, root)
    os.environ["PREFECT_API_URL"] = environment["PREFECT_API_URL"]
    with _stopped_by_signals() as is_stopping, contextlib.ExitStack() as children:
        server = Service("server", ["server", "start"], environment, logs / "server.log")
        if _is_healthy(url):
            say(f"Prefect's server already answers at {url}; using it.")
        else:
            _refuse_taken(port)
            if not os.environ.get(SETTING):
                refuse_unusable(prefect_home() / "prefect.db")
            children.callback(server.stop)
            server.start()
            _wait_for_health(server, url, is_stopping)
        names = _register(register, pool, say)
        worker = _worker(pool, environment, logs)
        children.callback(worker.stop)
        worker.start()
        say(f"Prefect UI   {url}\ndeployments  {', '.join(names)}\nresults      {root}\nlogs         {logs}")
        say("Running until Ctrl-C.")
        children.enter_context(announced(root, url))
        watch = NightWatch(url, timezone)
        while not is_stopping():
            for sentence in watch.news():
                say(sentence)
            for child in (server, worker):
                if child.revived():
                    say(f"The {child.name} died and was started again; see {child.log}.")
            time.sleep(0.5)
        say(
            "Stopping the worker and the server; stored traces stay, and interrupted runs resume at the next `a2r up`."
        )


def _environment(url: str, port: int, root: str) -> dict[str, str]:
    return os.environ | {
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_SERVER_API_HOST": LOOPBACK,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_LOGGING_LEVEL": "INFO",
        "A2R_ROOT": root,
    }


def _worker(pool: str, environment: dict[str, str], logs: Path) -> Service:
    from tasks.ops.interrupted import worker_name  # noqa: PLC0415

    arguments = ["worker", "start", "--pool", pool, "--type", "process", "--name", worker_name()]
    return Service("worker", arguments, without_database(environment), logs / "worker.log")


def _register(register: Callable[[], Sequence[Any]], pool: str, say: Callable[[str], None]) -> list[str]:
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - reads the server's address
    from prefect.client.schemas.actions import WorkPoolCreate  # noqa: PLC0415

    from tasks.ops.automations import keep_automations  # noqa: PLC0415
    from tasks.ops.interrupted import resume_interrupted  # noqa: PLC0415

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"), overwrite=True)
        keep_automations(client)
        for sentence in resume_interrupted(client, pool):
            say(sentence)
        names = []
        for deployment in register():
            deployment.apply()
            names.append(f"{deployment.flow_name}/{deployment.name}")
        _pause_others(client, pool, names)
    return names


def _pause_others(client: Any, pool: str, names: Sequence[str]) -> None:  # noqa: ANN401 - Prefect's client, not imported yet
    """A deployment of ours under a name of an earlier version starts no more runs; those it has can still be retried."""
    from prefect.client.schemas.filters import (  # noqa: PLC0415
        DeploymentFilter,
        DeploymentFilterTags,
        WorkPoolFilter,
        WorkPoolFilterName,
    )

    found = client.read_deployments(
        deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=["a2r"])),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
    )
    ours = {name.partition("/")[2] for name in names}
    for deployment in found:
        if deployment.name not in ours and not deployment.paused:
            client.pause_deployment(deployment.id)


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex((LOOPBACK, port)) == 0:
            raise UserError(
                f"Port {port} is taken by something other than Prefect; choose another with --port."
            )


def _is_healthy(url: str) -> bool:
    return health_of(f"{url}/api") == HTTPStatus.OK


def _wait_for_health(server: Service, url: str, is_stopping: Callable[[], bool]) -> None:
    until = time.monotonic() + HEALTH_SECONDS
    while not _is_healthy(url):
        server.check()
        if is_stopping():
            raise UserError("Stopped before the server was up.")
        if time.monotonic() > until:
            raise UserError(
                f"Prefect's server does not answer at {url} after {HEALTH_SECONDS} s; see {server.log}."
            )
        time.sleep(0.25)


@contextmanager
def _stopped_by_signals() -> Iterator[Callable[[], bool]]:
    received: list[int] = []
    before = {
        s: signal.signal(s, lambda number, _: received.append(number))
        for s in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
