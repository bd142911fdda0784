"""The Prefect server that a command's flows report to: one that is there already, or a temporary one of our own.

Nothing here imports Prefect, so that a server can start while problems are read, plans are made and Prefect is imported.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from tasks.executor.environment import prefect_home

from configs.schema import UserError
from warehouse.files import write_file
from warehouse.store import Store

LOOPBACK = "127.0.0.1"
PROBE_SECONDS = 2.0
PATIENCE_SECONDS = 120.0
FOREIGN_SECONDS = 15.0
TELL_SECONDS = 5.0
MOST_RESTARTS = 3
API_URL = "PREFECT_API_URL"
_DATABASES = ("PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL")

Say = Callable[[str], None]


class TemporaryServer:
    """A server of one command, on a free port of loopback; it ends with this process, however that ends.

    It keeps no history: its database is a copy of an empty one and goes with it, unless the environment names a database.
    One that dies in the middle (out of memory, say) is started again on its database: the port stays ours, so whoever
    asks meanwhile waits and is answered.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="a2r-server-"))
        self._log = self._folder / "server.log"
        self._listening = socket.create_server((LOOPBACK, 0))
        self._port: int = self._listening.getsockname()[1]
        self._lock, self._is_ended = threading.Lock(), False
        self._process = self._started()

    @property
    def api_url(self) -> str:
        """Prefect's name for it."""
        return f"http://{LOOPBACK}:{self._port}/api"

    def _started(self) -> subprocess.Popen[bytes]:
        database = self._folder / "prefect.db"
        template = prefect_home() / "a2r" / f"empty-{version('prefect')}.db"
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own module
                [
                    *(sys.executable, "-P", "-m", "tasks.executor.server_process"),
                    *map(str, (self._listening.fileno(), database, "" if keeps_history() else template)),
                ],
                env=_environment(database),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[self._listening.fileno()],
                start_new_session=True,
            )

    def wait(self, say: Say) -> None:
        """Return once it answers; from then on it is kept alive. Raises UserError with the end of its log."""
        began = told = time.monotonic()
        while not is_alive(self.api_url):
            seconds = time.monotonic() - began
            if (code := self._process.poll()) is not None or seconds > PATIENCE_SECONDS:
                what = (
                    f"does not answer after {seconds:.0f} s" if code is None else f"ended with status {code}"
                )
                end = "\n".join(self._log.read_text(errors="replace").splitlines()[-8:])
                raise UserError(
                    f"Prefect's temporary server {what}; run the same command again. The end of its log:\n{end}"
                )
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                say(
                    f"waiting for Prefect's temporary server since {seconds:.0f} s, up to {PATIENCE_SECONDS:.0f} s"
                )
            time.sleep(0.05)
        threading.Thread(target=self._keep_alive, args=(say,), name="prefect-server", daemon=True).start()

    def _keep_alive(self, say: Say) -> None:
        """Start it again where it ends before `end`, a few times."""
        for _ in range(MOST_RESTARTS):
            code = self._process.wait()
            with self._lock:
                if self._is_ended:
                    return
                self._closed()
                self._process = self._started()
            say(f"Prefect's temporary server ended with status {code}; it is started again.")
        self._process.wait()
        self._listening.close()  # whoever asks is told so, and does not wait for ever

    def _closed(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()

    def end(self) -> None:
        """End it at once; its database is not kept."""
        with self._lock:
            self._is_ended = True
        self._process.kill()
        self._process.wait()
        self._closed()
        self._listening.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _environment(database: Path) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name != API_URL}
    if not keeps_history():
        environment |= {
            "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{database}",
            "PREFECT_API_DATABASE_MIGRATE_ON_START": "false",
            "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        }
    return environment | {"PREFECT_UI_ENABLED": "false", "PREFECT_LOGGING_LEVEL": "ERROR"}


def keeps_history() -> bool:
    """Whether the environment names a database, so that what a temporary server is told is not lost with it."""
    return any(map(os.environ.get, _DATABASES))


# --- a server that is there already -----------------------------------------------------------------


class Announcement(NamedTuple):
    """What `a2r up` leaves in a root while it serves it."""

    url: str
    host: str


def record_path(store: Store) -> Path:
    """Where the record of a root's server lies: always a local file."""
    return store.lock_path("up").with_suffix(".json")


@contextmanager
def announced(root: str, url: str) -> Iterator[None]:
    """Let runs on the root find the server at `url` while the block lasts."""
    path = record_path(Store(root))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, json.dumps(Announcement(url, socket.gethostname())._asdict()).encode())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def announced_url(root: str) -> str | None:
    """Address of the API of the living server that serves the root from this machine, if there is one."""
    try:
        record = Announcement(**json.loads(record_path(Store(root)).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    api_url = f"{record.url}/api"
    return api_url if record.host == socket.gethostname() and is_alive(api_url) else None


def is_alive(api_url: str) -> bool:
    """Whether something answers there as Prefect does."""
    status = health_of(api_url)
    return status is not None and status < 500  # noqa: PLR2004 - a refusal comes from a living server, too


def health_of(api_url: str) -> int | None:
    """The HTTP status of its word on its health; None where nothing answers."""
    parts = urlsplit(api_url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=PROBE_SECONDS)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", f"{parts.path}/health")
        return connection.getresponse().status
    return None


# --- which of them ----------------------------------------------------------------------------------


class Reporting:
    """Where the flows of a command report to: PREFECT_API_URL, else the root's `a2r up`, else a temporary server.

    A block: what it started is gone at its end. `begin` may come early; Prefect must be imported after it.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._server: TemporaryServer | None = None
        self._has_begun = False
        self._settings = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._settings.close()
        if self._server:
            self._server.end()

    def begin(self) -> None:
        """Find a server, or start one without waiting for it; safe to call twice."""
        if self._has_begun:
            return
        self._has_begun = True
        if (
            os.environ.get(API_URL) or "PREFECT_HOME" not in os.environ
        ):  # the latter: Prefect's profile names one
            return
        if found := announced_url(self._root):
            os.environ[API_URL] = found
        else:
            self._server = TemporaryServer()
            os.environ[API_URL] = self._server.api_url
            os.environ["PREFECT_UI_ENABLED"] = "false"  # it has none: no address of a run is told
            if not keeps_history():
                os.environ["PREFECT_LOGGING_TO_API_ENABLED"] = "false"

    def wait(self, say: Say) -> None:
        """Return once the server answers. Raises UserError."""
        if self._server:
            _import_ahead()
            self._server.wait(say)
            if not keeps_history():
                self._settings.enter_context(_nobody_listens())
        elif url := os.environ.get(API_URL):
            wait_for(url, say)


def wait_for(url: str, say: Say) -> None:
    """Wait for a server that somebody else runs. Raises UserError where it does not answer."""
    began = told = time.monotonic()
    while not is_alive(url):
        seconds = time.monotonic() - began
        if seconds > FOREIGN_SECONDS:
            raise UserError(
                f"Prefect's server at {url} does not answer; start it, or unset {API_URL} for a temporary server."
            )
        if time.monotonic() - told > PROBE_SECONDS:
            told = time.monotonic()
            say(f"waiting for {url} since {seconds:.0f} s, up to {FOREIGN_SECONDS:.0f} s")
        time.sleep(0.5)


def _import_ahead() -> None:
    """Import what Prefect imports as a flow begins, since there is time."""
    for name in ("fastapi.encoders", "prefect.flow_engine", "prefect.task_engine"):
        import_module(name)


def _nobody_listens() -> AbstractContextManager[object]:
    """Without events and, in a block, heartbeats: a server without a history needs none, and each is waited for at the end."""
    from prefect.events.clients import NullEventsClient  # noqa: PLC0415 - the rest of the module imports no Prefect
    from prefect.events.worker import EventsWorker  # noqa: PLC0415
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings  # noqa: PLC0415

    EventsWorker.set_client_override(NullEventsClient)
    return temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
