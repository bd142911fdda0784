"""The actor: one engine, loaded once and kept, on whatever node it was placed.

The engine works on an event loop of its own thread, so that one that loads or computes holds up nothing. What it has to
say waits until the driver collects it, which it does all the time; a driver that has not for `ORPHAN_SECONDS` is
gone, or takes this replica for lost, and the process ends.
"""

import asyncio
import os
import pickle
import queue
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

from configs.engines import EngineSettings, OpenAISettings
from configs.models import Model
from configs.schema import UserError
from tasks.engines.admission import Admission
from tasks.engines.protocol import Completion, Engine, EngineKind, Failure, Request
from tasks.engines.ray.wire import Spec
from tasks.engines.resolving import resolved_here
from tasks.engines.weights import is_digest
from warehouse.servers import ServerStats

HEARTBEAT_SECONDS = 2.0
ORPHAN_SECONDS = 60.0
AHEAD, FEW = 1, 16
"""Samples that a replica is sent beyond those it works on, so that the next is there when one is done; where it works on
many at once, the engine's own concurrency has such a margin."""
_POLL_SECONDS = 1.0

Sent = tuple[int, bytes, frozenset[int]]
"""A request's number, the request, and the places that are answered already."""
Event = tuple[Any, ...]
"""("up", concurrency, group, ahead) · ("outcome", request, place, pickled outcome) · ("done", request) · ("refused", request or
None for the start, sentence) · ("defect", request or None, traceback)."""


class Replica:
    """What the driver calls; each method on a thread of the actor's.

    It has no coroutine, by which Ray would take it for an actor with one thread for everything.
    """

    def __init__(self, spec: Spec, number: int) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._collected = time.monotonic()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="engine", daemon=True).start()
        threading.Thread(target=self._end_if_orphaned, name="orphan", daemon=True).start()
        self._host = _Host(self._events.put)
        asyncio.run_coroutine_threadsafe(self._host.start(spec, number), self._loop)

    def collect(self, requests: list[Sent]) -> list[Event]:
        """Begin to answer these; returns what has happened since the last call, as soon as there is something.

        Nothing after a heartbeat.
        """
        self._collected = time.monotonic()
        self.submit(requests)
        events = list[Event]()
        try:
            events.append(self._events.get(timeout=HEARTBEAT_SECONDS))
            while True:
                events.append(self._events.get_nowait())
        except queue.Empty:
            return events

    def submit(self, requests: list[Sent]) -> None:
        """Begin to answer these."""
        for request in requests:
            asyncio.run_coroutine_threadsafe(self._host.answer(*request), self._loop)

    def cancel(self, number: int) -> None:
        """Break a request off."""
        self._loop.call_soon_threadsafe(self._host.cancel, number)

    def close(self) -> list[ServerStats]:
        """Close the engine; returns what its servers said."""
        return asyncio.run_coroutine_threadsafe(self._host.close(), self._loop).result()

    def _end_if_orphaned(self) -> None:
        while time.monotonic() - self._collected < ORPHAN_SECONDS:
            time.sleep(_POLL_SECONDS)
        os._exit(1)


class _Host:
    """The engine, on its event loop."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._engine: Engine | None = None
        self._admission = Admission(1)

    async def start(self, spec: Spec, number: int) -> None:
        """Build the engine and load it."""
        try:
            here = version("a2r")
            if here != spec.version:
                raise UserError(f"the node has A2R {here}, the run {spec.version}; install the same on both.")  # noqa: TRY301
            kind, settings = resolved_here(numbered(spec.engine, number))
            await asyncio.to_thread(check_weights, kind, spec.model, settings)
            self._engine = engine = kind.build(spec.model, settings)
            await engine.start()
            ahead = AHEAD if engine.concurrency <= FEW else 0
            self._tell(("up", engine.concurrency, engine.group, ahead))
        except UserError as error:
            self._tell(("refused", None, str(error)))
        except Exception:  # noqa: BLE001 - the actor's boundary: the run raises it
            self._tell(("defect", None, traceback.format_exc()))

    async def answer(self, number: int, payload: bytes, done: frozenset[int]) -> None:
        """Answer what of a request is not answered yet."""
        task = asyncio.current_task()
        if task is None or self._engine is None:
            return
        self._tasks[number] = task
        try:
            request: Request = pickle.loads(payload)  # noqa: S301 - from the run
            places = [place for place in range(len(request.seeds)) if place not in done]
            self._admission.resize(self._engine.concurrency)
            await self._admission.acquire(len(places), number)
            try:
                await self._engine.complete(_only(request, places), partial(self._deliver, number, places))
            finally:
                self._admission.release(len(places))
            self._tell(("done", number))
        except UserError as error:
            self._tell(("refused", number, str(error)))
        except Exception:  # noqa: BLE001 - the actor's boundary: the run raises it
            self._tell(("defect", number, traceback.format_exc()))
        finally:
            self._tasks.pop(number, None)

    def cancel(self, number: int) -> None:
        """Break a request off."""
        if task := self._tasks.get(number):
            task.cancel()

    async def close(self) -> list[ServerStats]:
        """Close the engine."""
        return list(await self._engine.close()) if self._engine else []

    def _deliver(self, number: int, places: list[int], place: int, outcome: Completion | Failure) -> None:
        self._tell(("outcome", number, places[place], pickle.dumps(outcome, pickle.HIGHEST_PROTOCOL)))


def check_weights(kind: EngineKind[Any], model: Model, settings: Any) -> None:  # noqa: ANN401 - the kind's own
    """Raise UserError where the run knows the weights by their bytes, and those that lie here are others.

    Traces of both would be stored under one recipe. A revision that somebody gave is believed.
    """
    if not is_digest(model.revision):
        return
    here = kind.identify(model.model_copy(update={"revision": None}), settings)
    if here is not None and here != model.revision:
        raise UserError(
            f"the node's files of {model.id} have the digest {here}, the run's {model.revision}; give both the same files."
        )


def numbered(engine: EngineSettings, number: int) -> EngineSettings:
    """The settings of one of several replicas: a server of its own port, on the GPUs that Ray gave it."""
    if not isinstance(engine, OpenAISettings) or engine.serve is None:
        return engine
    gpus = engine.serve.gpus and None
    serve = engine.serve.model_copy(update={"port": engine.serve.port + number, "gpus": gpus})
    return engine.model_copy(update={"serve": serve})


def _only(request: Request, places: list[int]) -> Request:
    """The request for these of its samples alone."""
    if len(places) == len(request.seeds):
        return request

    def picked(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(values[place] for place in places) if values else values

    return request._replace(
        seeds=picked(request.seeds),
        sample_indexes=picked(request.sample_indexes),
        trace_ids=picked(request.trace_ids),
    )
