"""A server that a run starts, or finds, and drives: its life from the run's side.

    <state>/a2r/servers/<host>/<port>/    users, starting (locks) · server.json · server.log · guard.log

The folder belongs to the machine and the port, not to a root: two roots cannot have one port either.
A guard (`tasks.engines.server.guard`) owns the process. Runs that want the same server on the same port share it;
the last one to leave has it stopped.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import platform
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil

from configs.engines import Serve
from configs.models import Model
from tasks.engines.processes import (
    KILL_SECONDS,
    POLL_SECONDS,
    TERM_SECONDS,
    Child,
    ProcessId,
    end_group,
    group_of,
    start,
)
from tasks.engines.protocol import EngineError
from tasks.engines.server.command import LOOPBACK, command_of, environment_of, secrets_of
from tasks.engines.server.guard import LOG, RECORD, USERS, ServerRecord
from tasks.engines.server.log import advice, tail
from tasks.progress import PROGRESS
from warehouse.files import lock, unlock

TOLD_SECONDS = 15.0
PROBE_SECONDS = 5.0
_GONE_SECONDS = TERM_SECONDS + KILL_SECONDS + 10.0


class ManagedServer:
    """One server on one port, as one engine of one run sees it. Lives on the engines' loop."""

    def __init__(self, model: Model, serve: Serve) -> None:
        self._model, self._serve = model, serve
        self._name = f"{Path(serve.command[0]).name} {' '.join(serve.command[1:])} {model.id}".replace(
            "  ", " "
        )
        self.folder = state_folder(serve.port)
        self._key = ""
        self._users: int | None = None
        self._guard: Child | None = None
        self._is_foreign = False
        self._turn = asyncio.Lock()
        self.num_restarts = 0
        self.start_seconds: float | None = None
        """From asking for it until it answered, the latest time; None: it ran already."""

    @property
    def log(self) -> Path:
        """What the server writes."""
        return self.folder / LOG

    async def start(self, key: str) -> None:
        """Have it run and healthy. Raises EngineError with what to do, and the end of its log."""
        self._key = key
        command_of(self._model, self._serve)
        async with self._turn:
            await self._ensure()

    async def revive(self) -> bool:
        """Called where a connection broke: if the server has died, start it again and return True.

        Whoever comes meanwhile waits here. Raises EngineError where it has died too often.
        """
        async with self._turn:
            if self._users is None or self._is_foreign or self._runs():
                return False
            if self.num_restarts >= self._serve.restarts:
                raise EngineError(await self._post_mortem(f"died, after {self.num_restarts} restarts"))
            self.num_restarts += 1
            PROGRESS.say(
                f"{self._name} has died; starting it again. {' '.join(tail(self.log, self._secrets(), 1))}"
            )
            self._let_go()
            await self._ensure()
            return True

    async def end(self) -> None:
        """End the server, which serves nobody any more; the next connection that breaks starts it again."""
        async with self._turn:
            if self._users is not None and not self._is_foreign:
                await asyncio.to_thread(self._stop)

    async def close(self) -> None:
        """Leave it; the last run to do so stops it, unless it lingers."""
        async with self._turn:
            if self._users is None:
                return
            is_last = not self._is_foreign and not self._serve.linger_seconds and self._hold(shared=False)
            try:
                if is_last:
                    await asyncio.to_thread(self._stop)
            finally:
                self._let_go()

    # --- starting ---

    async def _ensure(self) -> None:
        began = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._users = os.open(self.folder / USERS, os.O_RDWR | os.O_CREAT, 0o600)
        self._is_foreign = False
        async with self._alone():
            await self._until(lambda: self._hold(shared=True), "a server on this port is still being stopped")
            is_found = await self._found()
            if not is_found:
                await self._launch()
        if not self._is_foreign:
            await self._until_healthy(began)
        self.start_seconds = None if is_found else time.monotonic() - began

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Only one run at a time looks for the server or starts it; loading is waited for outside."""
        file = os.open(self.folder / "starting", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            await self._until(lambda: lock(file, wait=False), "another run is starting a server on this port")
            yield
        finally:
            os.close(file)

    async def _found(self) -> bool:
        """Whether the server we want runs; what is left of another one is ended first."""
        if record := self._record():
            guard, server = record["guard"], record["server"]
            if guard.is_alive() and server.is_alive() and record["digest"] == self._digest():
                PROGRESS.say(f"{self._name} runs already on port {self._serve.port}; using it.")
                return True
            if guard.is_alive() and server.is_alive() and not self._hold(shared=False):
                raise EngineError(
                    f"Port {self._serve.port} is in use by another run, which serves `{' '.join(record['command'])}`; "
                    "wait for it, or choose another engine.serve.port."
                )
            if group_of(server):
                PROGRESS.say(
                    f"Stopping the server that was left on port {self._serve.port} (process {server.pid})."
                )
            await asyncio.to_thread(self._stop)
            await self._until(lambda: self._hold(shared=True), "the lock is held")
        if not _is_listening(self._serve.port):
            return False
        if self._model.id not in await self._foreign_models():
            raise EngineError(
                f"Port {self._serve.port} is taken by a program that does not serve {self._model.id}; stop it, or choose "
                "another engine.serve.port."
            )
        PROGRESS.say(
            f"A server that was started by hand serves {self._model.id} on port {self._serve.port}; using it."
        )
        self._is_foreign = True
        return True

    async def _launch(self) -> None:
        command = command_of(self._model, self._serve)
        gpus = self._serve.gpus
        where = "" if gpus is None else f" on GPU {', '.join(map(str, gpus))}" if gpus else " on the CPU"
        PROGRESS.say(f"Starting {self._name}{where}, port {self._serve.port}; its log: {self.log}")
        guard = [sys.executable, "-P", "-m", "tasks.engines.server.guard"]
        self._guard = start(
            [*guard, str(self.folder), self._digest(), str(self._serve.linger_seconds), *command],
            self.folder / "guard.log",
            environment=environment_of(self._serve, self._key),
        )
        while self._record() is None:
            if self._guard.code is not None:
                told = "\n".join(tail(self.folder / "guard.log", self._secrets()))
                raise EngineError(f"{self._name} could not be started:\n{told}")
            await asyncio.sleep(POLL_SECONDS)

    async def _until_healthy(self, began: float) -> None:
        told = began
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PROBE_SECONDS)) as session:
            while not await _is_healthy(session, self._serve.port):
                if not self._runs():
                    raise EngineError(await self._post_mortem("ended before it answered"))
                seconds = time.monotonic() - began
                if seconds > self._serve.start_seconds:
                    raise EngineError(
                        await self._post_mortem(
                            f"does not answer after serve.start_seconds ({self._serve.start_seconds:g})"
                        )
                    )
                if time.monotonic() - told > TOLD_SECONDS:
                    told = time.monotonic()
                    last = " ".join(tail(self.log, self._secrets(), 1))
                    PROGRESS.say(f"{self._name} is loading ({seconds:.0f} s): {last}")
                await asyncio.sleep(5 * POLL_SECONDS)
        PROGRESS.say(f"{self._name} answers after {time.monotonic() - began:.0f} s.")

    async def _foreign_models(self) -> list[str]:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        timeout = aiohttp.ClientTimeout(total=PROBE_SECONDS)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.get(f"http://{LOOPBACK}:{self._serve.port}/v1/models") as response,
            ):
                return [str(model["id"]) for model in (await response.json())["data"]]
        return []

    # --- state ---

    def _digest(self) -> str:
        """What makes two servers the same one: command, GPUs, own environment."""
        told = [
            command_of(self._model, self._serve),
            self._serve.gpus,
            sorted(self._serve.environment.items()),
        ]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

    def _record(self) -> ServerRecord | None:
        try:
            held = json.loads((self.folder / RECORD).read_bytes())
        except FileNotFoundError:
            return None
        return held | {name: ProcessId(*held[name]) for name in ("guard", "server")}

    def _runs(self) -> bool:
        record = self._record()
        return record is not None and "ended" not in record and record["server"].is_alive()

    def _stop(self) -> None:
        """End the guard and with it the server, or the server alone where the guard is gone; blocks."""
        if record := self._record():
            guard = record["guard"]
            if guard.is_alive():
                with contextlib.suppress(psutil.Error):
                    psutil.Process(guard.pid).terminate()
            until = time.monotonic() + _GONE_SECONDS
            while guard.is_alive() and time.monotonic() < until:
                time.sleep(POLL_SECONDS)
            end_group(record["server"])
            (self.folder / RECORD).unlink(missing_ok=True)
        if self._guard:
            self._guard.end(_GONE_SECONDS)

    def _let_go(self) -> None:
        if self._users is not None:
            unlock(self._users)
            os.close(self._users)
            self._users = None

    def _hold(self, *, shared: bool) -> bool:
        """Lock the list of users without waiting; a lock that was held may be lost where it fails."""
        return self._users is not None and lock(self._users, shared=shared, wait=False)

    async def _until(self, is_done: Callable[[], bool], why: str) -> None:
        until = time.monotonic() + 2 * _GONE_SECONDS
        while not is_done():
            if time.monotonic() > until:
                raise EngineError(
                    f"Port {self._serve.port}: {why}; try again, or choose another engine.serve.port."
                )
            await asyncio.sleep(POLL_SECONDS)

    def _secrets(self) -> list[str]:
        return secrets_of(environment_of(self._serve, self._key))

    async def _post_mortem(self, what: str) -> str:
        """Why it is no more, with its status once the guard has seen it, what to do, and the log's end."""
        until = time.monotonic() + _GONE_SECONDS
        while (record := self._record() or {}) and "ended" not in record and time.monotonic() < until:
            if record["server"].is_alive() or not record["guard"].is_alive():
                break
            await asyncio.sleep(POLL_SECONDS)
        code = record.get("ended")
        status = (
            "" if code is None else f" ({signal.Signals(-code).name})" if code < 0 else f" (status {code})"
        )
        told = advice(self.log)
        if code == -signal.SIGKILL and not told:
            told = "It was killed from outside: by hand, or by the kernel for want of memory."
        lines = "\n".join(tail(self.log, self._secrets()))
        return f"{self._name} {what}{status}. {told} The end of {self.log}:\n{lines}".replace("  ", " ")


def state_folder(port: int) -> Path:
    """Where a port's server is on record, on this machine and for this user."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "a2r" / "servers" / platform.node() / str(port)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


async def _is_healthy(session: aiohttp.ClientSession, port: int) -> bool:
    """Whether it answers: /health where there is one, else the list of models."""
    try:
        async with session.get(f"http://{LOOPBACK}:{port}/health") as response:
            if response.status not in {404, 405}:
                return response.status == 200  # noqa: PLR2004
        async with session.get(f"http://{LOOPBACK}:{port}/v1/models") as response:
            return response.status < 500  # noqa: PLR2004
    except (aiohttp.ClientError, TimeoutError, ConnectionError):
        return False
