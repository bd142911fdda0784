"""Several addresses that serve one model: who is asked next, who is away, who is back.

A request goes to the replica with the fewest samples in flight. One that refuses a connection, or
leaves `MISSED` probes in a row unanswered, is away: its requests in flight are broken off and asked
for elsewhere, and it is asked again once it answers a probe and serves the model.
"""

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence

from configs.engines import OpenAISettings
from tasks.engines.openai.faults import TransientError
from tasks.engines.openai.http import Replica
from tasks.engines.openai.metrics import Watch
from tasks.engines.openai.rendering import template_digest
from tasks.engines.protocol import EngineError
from tasks.progress import PROGRESS
from warehouse.servers import ServerStats

PROBE_EVERY_SECONDS = 2.0
PROBE_SECONDS = 10.0
MISSED = 3
METRICS_EVERY_SECONDS = 2.0


class Replicas:
    """The addresses of one engine, their health and their metrics."""

    def __init__(self, replicas: Sequence[Replica], model: str) -> None:
        self._all, self._model = tuple(replicas), model
        self._only = self._all[0] if len(self._all) == 1 else None
        self._missed: Counter[str] = Counter()
        self._watchers: list[asyncio.Task[None]] = []
        self.told_at = -math.inf
        """When it was last said that all are away (monotonic seconds)."""
        self._watches = [Watch(replica, model) for replica in self._all]

    def __iter__(self) -> Iterator[Replica]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def name(self) -> str:
        """Their addresses, for people."""
        return ", ".join(replica.hidden(replica.url) for replica in self._all)

    @property
    def last_alive(self) -> float:
        """When any of them last answered anything (monotonic seconds)."""
        return max(replica.last_alive for replica in self._all)

    def pick(self, avoid: Replica | None = None) -> Replica:
        """The least loaded one that is up; `avoid` (where a try has just failed) only if there is no other."""
        if self._only:
            return self._only
        ups = [r for r in self._all if r.is_up] or self._all
        return min([r for r in ups if r is not avoid] or ups, key=lambda r: (r.pace.is_paused, r.in_flight))

    def has_another(self, than: Replica) -> bool:
        """Whether somebody else can be asked at once."""
        return any(r.is_up for r in self._all if r is not than)

    async def open(self, key: str) -> None:
        """Reach them all; some may be away. Raises EngineError for a wrong model or key, TransientError if all are away."""
        for replica in self._all:
            replica.open(key)
        found = await asyncio.gather(*(self._checked(r) for r in self._all))
        away = [(r, error) for r, error in zip(self._all, found, strict=True) if error]
        if len(away) == len(self._all):
            raise away[0][1]
        for replica, error in away:
            await self.leave(replica, replica.unreachable(error))

    async def watch(self, settings: OpenAISettings) -> None:
        """Begin to look after their health, metrics and templates; what they counted before is read first."""
        looks = (self._look_at_template(watch, settings) for watch in self._watches)
        await asyncio.gather(*(watch.read() for watch in self._watches), *looks)
        telling = [watch for watch in self._watches if watch.stats.num_reads]
        self._watchers = [asyncio.create_task(watch.go_on(METRICS_EVERY_SECONDS)) for watch in telling]
        self._watchers.append(asyncio.create_task(self._grow_in_time()))
        if not self._only:
            self._watchers += [asyncio.create_task(self._look_after(replica)) for replica in self._all]

    async def close(self) -> list[ServerStats]:
        """Stop looking, read the metrics a last time, close the connections; returns what the servers told.

        A second call has nothing more to tell.
        """
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        self._watchers = []
        watches, self._watches = self._watches, []
        await asyncio.gather(*(watch.read() for watch in watches if watch.stats.num_reads))
        for replica in self._all:
            await replica.close()
        return [watch.stats for watch in watches]

    @property
    def window(self) -> int:
        """Sequences that all of them together are kept busy with."""
        if self._only:
            return self._only.pace.concurrency.window
        return sum(replica.pace.concurrency.window for replica in self._all)

    @property
    def largest_window(self) -> int:
        """Sequences that the busiest of them is kept busy with."""
        return max(replica.pace.concurrency.window for replica in self._all)

    async def leave(self, replica: Replica, why: str) -> None:
        """Ask it nothing more until it is back; what it was asked is asked for elsewhere."""
        if self._only or not replica.is_up:
            return
        replica.is_up = False
        PROGRESS.say(f"Replica {replica.url} is left out: {why}")
        await replica.drain()

    async def _checked(self, replica: Replica) -> TransientError | None:
        try:
            await replica.check_model(self._model)
        except TransientError as error:
            return error
        return None

    async def _look_at_template(self, watch: Watch, settings: OpenAISettings) -> None:
        watch.stats.template_digest = await template_digest(watch.replica, self._model, settings)

    async def _grow_in_time(self) -> None:
        while True:
            await asyncio.sleep(PROBE_EVERY_SECONDS)
            now = asyncio.get_running_loop().time()
            for replica in self._all:
                replica.pace.concurrency.quiet(now, replica.pace.in_flight)

    async def _look_after(self, replica: Replica) -> None:
        while True:
            await asyncio.sleep(PROBE_EVERY_SECONDS)
            if replica.is_up:
                is_alive = await replica.is_alive(PROBE_SECONDS)
                self._missed[replica.url] = 0 if is_alive else self._missed[replica.url] + 1
                if self._missed[replica.url] >= MISSED:
                    await self.leave(replica, f"it left {MISSED} probes unanswered.")
                continue
            with contextlib.suppress(TransientError, EngineError, TimeoutError):
                async with asyncio.timeout(PROBE_SECONDS):
                    await replica.check_model(self._model)
                self._missed[replica.url] = 0
                replica.is_up = True
                PROGRESS.say(f"Replica {replica.url} is back.")
