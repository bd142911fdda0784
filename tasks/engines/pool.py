"""One event loop a process, on a thread of its own, where every engine lives.

Shards are Prefect tasks on many threads; they hand their coroutines to this loop. So an engine is
loaded once for all its shards, and its concurrency is kept full across them.
"""

import asyncio
import gc
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tasks.engines.admission import Admission
from tasks.engines.protocol import Engine
from warehouse.servers import ServerStats

try:
    from uvloop import new_event_loop
except ImportError:  # not to be had on Windows
    from asyncio import new_event_loop

T = TypeVar("T")

_OBJECTS_BETWEEN_LOOKS = 100_000
"""Objects made, less those that are gone, between two garbage collections while engines work."""
_SECONDS_PER_TURN = 0.0002
"""For which another thread keeps the interpreter while engines work; Python's usual 5 ms would delay each request meanwhile."""


class Stopped(Exception):
    """The person at the terminal asked to stop."""


@dataclass(frozen=True, slots=True)
class PooledEngine:
    """An engine on the loop, with the admission that all its shards share."""

    engine: Engine
    admission: Admission
    started: Future[None]

    async def acquire(self, units: int, rank: int) -> None:
        """Wait until the engine wants so many more samples."""
        self.admission.resize(self.engine.concurrency)
        await self.admission.acquire(units, rank)

    def release(self, units: int) -> None:
        """So many are done; the engine may want more or fewer by now."""
        self.admission.resize(self.engine.concurrency)
        self.admission.release(units)


@dataclass
class OpenEngines:
    """One block of `open_engines`."""

    servers: list[ServerStats] = field(default_factory=list)
    """What the servers of its engines told of themselves, in the order in which these were closed; whole at its end."""


class EnginePool:
    """The loop, its thread, and the engines that have been started on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._engines: dict[str, PooledEngine] = {}
        self._running: set[Future[Any]] = set()
        self._is_stopped = False
        self.stops = 0
        """How often `stop` was called; closing does not reset it."""
        self._blocks: list[OpenEngines] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for it. Raises Stopped after `stop`."""
        with self._lock:
            if self._is_stopped:
                work.close()
                raise Stopped
            future = asyncio.run_coroutine_threadsafe(work, self._started_loop())
            self._running.add(future)
        try:
            return future.result()
        except CancelledError:
            raise Stopped from None
        finally:
            self._running.discard(future)

    @property
    def is_busy(self) -> bool:
        """Whether an engine is starting or at work."""
        return bool(self._running)

    def engine(self, key: str, build: Callable[[], Engine]) -> PooledEngine:
        """The started engine of that key; the first caller starts it, and its error is everyone's."""
        with self._lock:
            if key not in self._engines:
                engine = build()
                started = asyncio.run_coroutine_threadsafe(engine.start(), self._started_loop())
                self._engines[key] = PooledEngine(engine, Admission(engine.concurrency), started)
                self._running.add(started)
            pooled = self._engines[key]
        try:
            pooled.started.result()
        except CancelledError:
            raise Stopped from None
        finally:
            self._running.discard(pooled.started)
        return pooled

    def stop(self) -> None:
        """Cancel what runs and refuse what comes; safe to call from a signal handler's thread."""
        self._is_stopped = True
        self.stops += 1
        for future in list(self._running):
            future.cancel()

    def close_engines(self) -> None:
        """Close every engine: the accelerators are free when it returns. The next use starts one anew."""
        with self._lock:
            loop, engines, self._engines = self._loop, self._engines, {}
        for pooled in engines.values():
            if loop:
                told = asyncio.run_coroutine_threadsafe(pooled.engine.close(), loop).result()
                for block in self._blocks:
                    block.servers.extend(told)

    @contextmanager
    def open(self) -> Iterator[OpenEngines]:
        """Engines started inside this block are closed at its end; see `open_engines`."""
        block = OpenEngines()
        self._blocks.append(block)
        try:
            yield block
        finally:
            try:
                if len(self._blocks) > 1:
                    self.close_engines()
                else:
                    self.close()
            finally:
                self._blocks = [other for other in self._blocks if other is not block]

    def close(self) -> None:
        """Close every engine and end the loop; the next use starts anew.

        What still runs or loads (the run was broken off) is cancelled first: whoever waits for it would
        wait for a loop that is gone.
        """
        for future in list(self._running):
            future.cancel()
        self.close_engines()
        with self._lock:
            loop, self._loop = self._loop, None
            self._is_stopped = False
        if loop is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        if self._thread:
            self._thread.join()
        loop.close()

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="engines", daemon=True)
            self._thread.start()
        return self._loop


ENGINES = EnginePool()
"""The process's pool."""
_HAS_FROZEN = threading.Event()
"""Set once this process has kept objects out of garbage collection: to count them, Python goes through them all."""


@contextmanager
def open_engines() -> Iterator[OpenEngines]:
    """Engines started inside this block are closed at its end, whatever ends it.

    Inside another such block (a training whose jobs run while the flow `explore` samples a model that
    is done) the loop and the other work on it stay; what servers told belongs to both blocks.

    What the process holds already (a million objects of Prefect and its libraries) is kept out of
    garbage collection from here on: looking through it again and again costs as much as the requests.
    And garbage is looked for once in many requests, not many times in one: each look goes through all that are in flight.
    Other threads give way to the loop sooner than usual: it lets go of the interpreter with each request that it sends
    or journals, and waits a whole turn to have it back where Prefect is at work beside it, or a part is written.
    """
    if _HAS_FROZEN.is_set():  # at first there is only what imports left, a third of a second to look through
        gc.collect()
    gc.freeze()
    _HAS_FROZEN.set()
    usual, seconds = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(max(_OBJECTS_BETWEEN_LOOKS, usual[0]), *usual[1:])
    sys.setswitchinterval(min(_SECONDS_PER_TURN, seconds))
    try:
        with ENGINES.open() as block:
            yield block
    finally:
        sys.setswitchinterval(seconds)
        gc.set_threshold(*usual)
