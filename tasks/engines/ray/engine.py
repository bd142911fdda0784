"""The engine whose replicas are actors of a Ray cluster, as the run sees it: requests out, the first answer to each in.

What is in flight is known here, so a driver that dies, alone or with its cluster, costs nothing but time: the next one is
sent what has not been answered.
"""

import asyncio
import contextlib
import itertools
import os
import pickle
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from configs.engines import EngineSettings
from configs.models import Model
from tasks.engines.processes import LEASH, Leash
from tasks.engines.protocol import Completion, Deliver, EngineError, Failure, Request
from tasks.engines.ray import wire
from tasks.engines.ray.demand import demand_of
from tasks.progress import PROGRESS
from warehouse.failures import FailureCode
from warehouse.servers import ServerStats

CLOSE_SECONDS = 30.0
"""How long engines may take to close by themselves; those of a run that was broken off are ended at once."""
AGAIN_SECONDS = 2.0
"""Between two tries to reach a cluster that is gone."""
MOST_DRIVERS = 3
"""Drivers in a row that may die without one answer between them."""
_LOG_LINES = 8


@dataclass(slots=True, eq=False)
class _Call:
    """One `complete` under way."""

    number: int
    payload: bytes
    units: int
    deliver: Deliver
    over: "asyncio.Future[None]"
    done: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Heard:
    """What came of one driver."""

    why: str = ""
    """It ended, or cannot reach the cluster."""
    num_answers: int = 0
    was_up: bool = False
    """Whether it had a replica."""


class Driver:
    """The process that has Ray in it, on a leash: it and a cluster of its own end with the run, however that ends."""

    def __init__(self) -> None:
        # short, for the sockets of a cluster of our own are in it, and their names have 107 characters at most
        self.folder = Path(tempfile.mkdtemp(prefix="a2r-ray-", dir="/tmp" if Path("/tmp").is_dir() else None))  # noqa: S108
        self.log = self.folder / "driver.log"
        self._leash = Leash(self.folder)
        ours, theirs = socket.socketpair()
        inherited = {name: value for name, value in os.environ.items() if name != LEASH}
        with theirs, self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", "tasks.engines.ray.driver", str(theirs.fileno())],
                env=inherited | self._leash.variable,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self.socket = ours

    def last_words(self) -> str:
        """The end of what it wrote, where that is anything."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(errors="replace").strip().splitlines()
            return "\n".join(lines[-_LOG_LINES:])
        return ""

    def end(self) -> None:
        """End it and what is on its leash; safe to call twice.

        All at one stroke: Ray's agents outlive a raylet that ends before them, and have no mark by which they are found.
        """
        self._leash.end()
        self._process.wait()
        self.socket.close()


def fleet_of(model: Model | None, engine: EngineSettings, folder: Path) -> wire.Fleet:
    """What a driver is told first; without a model it only looks."""
    cluster, demand = engine.cluster, demand_of(engine)
    return wire.Fleet(
        address=cluster.address,
        spec=wire.Spec(model, engine, version("a2r")) if model else None,
        replicas=None if engine.replicas == "auto" else engine.replicas,
        gpus=demand.gpus,
        cpus=demand.cpus,
        silence_seconds=cluster.silence_seconds,
        patience_seconds=cluster.patience_seconds,
        folder=str(folder),
    )


class RayEngine:
    """`Engine` over the replicas of another engine."""

    def __init__(self, model: Model, engine: EngineSettings) -> None:
        self.concurrency, self.group = 1, 1  # until replicas have said theirs
        self.num_up = 0
        """Replicas that take requests."""
        self._model, self._settings = model, engine
        self._calls: dict[int, _Call] = {}
        self._numbers = itertools.count()
        self._driver: Driver | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._serving: asyncio.Task[None] | None = None
        self._up: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[list[ServerStats]] | None = None
        self._failed: EngineError | None = None
        self._was_broken_off = False
        self._heard = _Heard()

    async def start(self) -> None:
        """Reach the cluster and wait for the first replica; the others join as they are loaded."""
        self._up = asyncio.get_running_loop().create_future()
        self._serving = asyncio.create_task(self._serve())
        await asyncio.shield(self._up)

    async def complete(self, request: Request, deliver: Deliver) -> None:
        """Hand the request over, and deliver each sample when it comes."""
        if self._failed:
            raise self._failed
        payload = pickle.dumps(request, pickle.HIGHEST_PROTOCOL)
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        call = _Call(next(self._numbers), payload, len(request.seeds), deliver, over)
        self._calls[call.number] = call
        self._send(call)
        try:
            await over
        except asyncio.CancelledError:
            self._was_broken_off = True
            self._tell("cancel", call.number)
            raise
        finally:
            self._calls.pop(call.number, None)

    async def close(self) -> tuple[ServerStats, ...]:
        """Close the replicas' engines and end the driver; a cluster that we started ends too."""
        told = list[ServerStats]()
        serving, self._serving = self._serving, None
        if serving and not serving.done() and not self._was_broken_off:
            self._closed = asyncio.get_running_loop().create_future()
            self._tell("close")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    told = await self._closed
        if serving:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        await self._end_driver()
        return tuple(told)

    # --- the driver ---

    async def _serve(self) -> None:
        """Listen to a driver, and to the next one where it dies."""
        loop = asyncio.get_running_loop()
        patience = self._settings.cluster.patience_seconds
        num_died, gone_at = 0, loop.time()
        while True:
            heard = await self._served_by_one()
            if self._failed or self._closed:
                break
            gone_at = loop.time() if heard.was_up else gone_at
            num_died = 0 if heard.num_answers else num_died + heard.was_up
            has_begun = bool(self._up and self._up.done())
            if not has_begun or num_died >= MOST_DRIVERS or loop.time() - gone_at > patience:
                self._fail(heard.why)
                break
            if heard.was_up:
                PROGRESS.say(
                    f"{heard.why} Trying to reach it again; {len(self._calls)} requests are sent again."
                )
            await asyncio.sleep(AGAIN_SECONDS)
        if self._closed and not self._closed.done():
            self._closed.set_result([])

    async def _served_by_one(self) -> "_Heard":
        """Listen to a new driver until it ends."""
        await self._end_driver()
        self._driver = driver = await asyncio.to_thread(Driver)
        reader, self._writer = await asyncio.open_connection(sock=driver.socket)
        self._tell(fleet_of(self._model, self._settings, driver.folder))
        self._heard = heard = _Heard()
        does = {
            "up": self._grow,
            "outcome": self._deliver,
            "done": self._end,
            "lost": self._lose,
            "refused": self._refuse,
            "defect": self._defect,
            "say": PROGRESS.say,
            "failed": self._fail,
            "unreachable": self._miss,
            "closed": self._close,
        }
        while message := await wire.received(reader):
            what, *rest = message
            does[what](*rest)
        self.num_up = 0
        if not heard.why:
            said = driver.last_words()
            where = self._settings.cluster.address
            heard.why = f"The Ray cluster at {where} is gone." + (
                f" Ray's last words:\n{said}\n" if said else ""
            )
        return heard

    def _grow(self, concurrency: int, group: int, num_up: int) -> None:
        """So many replicas are up now; the first of a driver's is sent all that is open."""
        self.concurrency, self.group, self.num_up = concurrency, group, num_up
        if not self._heard.was_up:
            self._heard.was_up = True
            for call in list(self._calls.values()):
                self._send(call)
        if self._up and not self._up.done():
            self._up.set_result(None)

    def _miss(self, text: str) -> None:
        self._heard.why = unreachable(self._settings.cluster.address, text)

    def _close(self, told: list[ServerStats]) -> None:
        if self._closed and not self._closed.done():
            self._closed.set_result(told)

    async def _end_driver(self) -> None:
        driver, self._driver = self._driver, None
        writer, self._writer = self._writer, None
        if driver:
            await asyncio.to_thread(driver.end)
        if writer:
            writer.close()

    def _tell(self, *message: Any) -> None:  # noqa: ANN401 - as the driver reads them
        if self._writer and not self._writer.is_closing():
            self._writer.write(wire.packed(message))

    # --- requests ---

    def _send(self, call: _Call) -> None:
        """To a driver that has a replica; another one is sent all that is open as soon as it has."""
        if self._heard.was_up:
            self._tell("request", call.number, call.payload, call.units, frozenset(call.done))

    def _deliver(self, number: int, place: int, outcome: bytes) -> None:
        self._heard.num_answers += 1
        call = self._calls.get(number)
        if call and place not in call.done and not call.over.done():
            call.done.add(place)
            made: Completion | Failure = pickle.loads(outcome)  # noqa: S301 - from our own replica
            call.deliver(place, made)

    def _end(self, number: int, error: Exception | None = None) -> None:
        call = self._calls.get(number)
        if call is None or call.over.done():
            return
        if error:
            call.over.set_exception(error)
        elif len(call.done) == call.units:
            call.over.set_result(None)
        else:
            self._send(call)

    def _refuse(self, number: int, text: str) -> None:
        self._end(number, EngineError(text))

    def _lose(self, number: int, losses: int) -> None:
        """A request that too many replicas were lost over."""
        message = f"{losses} replicas on Ray were lost while they worked on it"
        call = self._calls.get(number)
        if call and not call.over.done():
            for place in set(range(call.units)) - call.done:
                call.done.add(place)
                call.deliver(place, Failure(FailureCode.SERVER_ERROR, message, datetime.now(UTC), losses))
            call.over.set_result(None)

    def _defect(self, number: int | None, text: str) -> None:
        error = RuntimeError(f"A replica on Ray failed:\n{text}")
        if number is not None:
            self._end(number, error)
        elif self._up and not self._up.done():
            self._up.set_exception(error)

    def _fail(self, why: str) -> None:
        """Nothing more will come: whoever waits is told."""
        stored = (
            "" if self._up and not self._up.done() else " What arrived is stored; run the same command again."
        )
        self._failed = EngineError(f"{why}{stored}")
        if self._up and not self._up.done():
            self._up.set_exception(self._failed)
        for call in list(self._calls.values()):
            if not call.over.done():
                call.over.set_exception(self._failed)


def unreachable(address: str, text: str) -> str:
    """A sentence about a cluster that cannot be reached."""
    if address == "local":
        return f"Ray could not start a cluster on this machine: {text}"
    how = (
        "this machine is not a node of a running cluster: start Ray on it, or name the cluster's head"
        if address == "auto"
        else "is Ray running there, and can this machine reach it? A machine that is not a node of it needs ray://host:10001"
    )
    return f"engine.ray.address is {address}, but Ray cannot be reached there ({text}); {how}."
