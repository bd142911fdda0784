"""An engine on Ray, driven without a flow: requests of a test, and every sample that is delivered."""

import asyncio
import hashlib
import json
import time
from collections import Counter
from pathlib import Path

from pydantic import TypeAdapter

from configs.engines import EngineSettings
from configs.models import Model
from configs.sampling import Sampling
from tasks.engines.protocol import Completion, Message, Request
from tasks.engines.ray.engine import RayEngine

KIND = "slow_engine:SLOW"
FOLDER = str(Path(__file__).parent)


def settings_of(notes, address, replicas=2, *, ray=None, **engine):
    """The slow engine's settings on a cluster."""
    notes.mkdir(exist_ok=True, parents=True)
    placed = {"on": "ray", "replicas": replicas, "ray": {"address": address, "cpus": 0, **(ray or {})}}
    told = {"kind": KIND, "import_from": FOLDER, "notes": str(notes), **placed, **engine}
    return TypeAdapter(EngineSettings).validate_python(told)


class Driven:
    """Requests that are under way, and what has come of each."""

    def __init__(self, settings, model="slow", sampling=None):
        self.engine = RayEngine(Model(id=model), settings)
        self._sampling = sampling or Sampling(n=1)
        self.delivered = Counter()
        self.outcomes = {}
        self.began = self.ended = 0.0

    async def until(self, holds, seconds=120.0):
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - what is waited for is another process
                await asyncio.sleep(0.02)

    async def up(self, replicas, seconds=180.0):
        await self.until(lambda: self.engine.num_up == replicas, seconds)

    async def ask(self, count, first=0):
        """`count` samples, as many in flight as the engine wants, each its own request."""
        running = set()
        self.began = time.monotonic()
        for number in range(first, first + count):
            while len(running) >= self.engine.concurrency:
                _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            running.add(asyncio.create_task(self._one(number)))
        await asyncio.gather(*running)
        self.ended = time.monotonic()

    async def _one(self, number):
        request = Request((Message("user", "?"),), self._sampling, (number,), f"q{number}", (0,))

        def deliver(place, outcome):
            self.delivered[number] += 1
            self.outcomes[number] = outcome

        await self.engine.complete(request, deliver)

    @property
    def is_whole(self):
        """Each was delivered once, as an answer."""
        return set(self.delivered.values()) <= {1} and all(
            isinstance(outcome, Completion) and outcome.seed == number
            for number, outcome in self.outcomes.items()
        )


def traces(root):
    """Every stored trace of a root, without what differs between two makings: times, and who wrote it."""
    import pyarrow.parquet as pq

    kept = (
        "trace_id",
        "problem_digest",
        "sample_index",
        "seed",
        "status",
        "reasoning",
        "answer",
        "finish_reason",
    )
    rows = [
        row
        for part in Path(root).glob("traces/*/*/part-*.parquet")
        for row in pq.read_table(part).to_pylist()
    ]
    return sorted(tuple(row[name] for name in kept) for row in rows)


def digest(rows):
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
