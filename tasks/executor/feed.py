"""What a shard makes, as it becomes known: each problem's requests once what they read is settled.

A problem is settled for a stage that reads others as soon as the answers that decide its references are there, in
parts or in this process's journals: an answer stays what it is, so nothing that comes later changes them. Where
a failure stands before the last reference, it is settled when the shards that make its traces have ended with all
their retries. So the references are those of a run that makes one stage after the other.

A problem whose sampling stops once its answers agree is looked at again when what was requested of it is there.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, Protocol, Self

from tasks.engines.pool import ENGINES
from tasks.generation.generate import Job
from tasks.progress import PROGRESS
from tasks.stage import Plan, Shard, Stage, jobs_of, lacking_of, plans_of
from warehouse.records import Problem


class Ended(Protocol):
    """A future; of Prefect's or of the standard library's."""

    def add_done_callback(self, fn: Callable[[Any], None], /) -> None:
        """Call it at the end, or at once if that is past."""
        ...


class Upstream(NamedTuple):
    """A shard of this run that makes what another one reads, or what that one's references were made of."""

    shard: Shard
    ended: Ended
    """Done when the shard has ended for good, whatever came of it."""


class Feed:
    """The requests of one shard, as they can be made."""

    def __init__(self, shard: Shard, sources: Sequence[Upstream]) -> None:
        self._stage = shard.stage
        self._waiting = {p.problem_digest: p for p in shard.problems}
        self._running = {
            source.shard.label: (source.shard.stage.name, {p.problem_digest for p in source.shard.problems})
            for source in sources
        }
        self._sources = sources
        self._changed = set(self._waiting)
        self._requested: dict[str, set[str]] = {}
        """Traces by problem, of those that may want more."""
        self._on_way: dict[str, int] = {}
        self._news: asyncio.Event | None = None

    def __enter__(self) -> Self:
        for stage in _all_read(self._stage):
            stage.index.watch(self._arrived)
        self._stage.known.refresh()
        return self

    def __exit__(self, *_: object) -> None:
        for stage in _all_read(self._stage):
            stage.known.unwatch(self._arrived)

    def begun(self) -> AsyncIterator[Job] | None:
        """The requests, once there is one; None where there is none to make. Raises Stopped."""
        jobs = self._jobs()

        async def first() -> Job | None:
            return await anext(jobs, None)

        job = ENGINES.run(first())
        return None if job is None else _chained(job, jobs)

    async def _jobs(self) -> AsyncIterator[Job]:
        """Requests for the problems that are settled, then of those that have become so."""
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        self._news = news
        for source in self._sources:

            def ended(_: object, label: str = source.shard.label) -> None:
                with suppress(RuntimeError):  # the loop is gone: the run was broken off
                    loop.call_soon_threadsafe(self._end, label)

            source.ended.add_done_callback(ended)
        while self._waiting:
            changed, self._changed = self._changed, set()
            problems = [self._waiting[digest] for digest in self._waiting if digest in changed]
            if problems:
                jobs, job = await asyncio.to_thread(self._made, problems, dict(self._running))
                while job is not None:
                    yield job
                    job = next(jobs, None)
            elif self._waiting:
                await news.wait()
                news.clear()

    def _made(
        self, problems: Sequence[Problem], running: dict[str, tuple[str, set[str]]]
    ) -> tuple[Iterator[Job], Job | None]:
        """The requests of those of the problems that are settled, the first with its references read."""
        unfinished: dict[str, set[str]] = {}
        for name, digests in running.values():
            unfinished[name] = unfinished.get(name, set()) | digests
        plans = plans_of(self._stage, problems, unfinished)
        settled = {plan.problem.problem_digest for plan in plans}
        lost = {p.problem_digest for p in problems}.difference(settled, *unfinished.values())
        lacking = lacking_of(self._stage.known, plans)
        if self._stage.stop:
            lacking = [plan for plan in lacking if self._is_new(plan)]
            settled -= {plan.problem.problem_digest for plan in lacking}
        for digest in settled | lost:
            del self._waiting[digest]
        if num_left_to_vote := sum(not plan.wanted for plan in plans):
            PROGRESS.expect(self._stage.name, -num_left_to_vote * self._stage.num_samples)
        jobs = self._tracked(jobs_of(self._stage, lacking))
        return jobs, next(jobs, None)

    def _is_new(self, plan: Plan) -> bool:
        """Whether none of these traces was requested before: else one has failed, or another run is making it."""
        ids = {trace.trace_id for trace in plan.wanted}
        before = self._requested.setdefault(plan.problem.problem_digest, set())
        if before & ids:
            return False
        if before:
            PROGRESS.expect(self._stage.name, len(ids))
        before |= ids
        return True

    def _tracked(self, jobs: Iterator[Job]) -> Iterator[Job]:
        """The jobs, with word of their end where it decides whether more are wanted."""
        for job in jobs:
            if self._stage.stop is None:
                yield job
            else:
                digest = job.wanted[0].problem_digest
                self._on_way[digest] = len(job.wanted)
                yield job._replace(done=partial(self._done, digest))

    def _done(self, digest: str, count: int) -> None:
        """So many of a problem's requests are over, on the loop's thread."""
        self._on_way[digest] -= count
        if not self._on_way[digest] and digest in self._waiting:
            self._tell({digest})

    def _arrived(self, digest: str) -> None:
        """An answer to a problem is there, on the loop's thread."""
        if digest in self._waiting:
            self._tell({digest})

    def _end(self, label: str) -> None:
        _, digests = self._running.pop(label)
        self._tell(digests.intersection(self._waiting))

    def _tell(self, digests: set[str]) -> None:
        self._changed |= digests
        if self._news:
            self._news.set()


async def _chained(job: Job, jobs: AsyncIterator[Job]) -> AsyncIterator[Job]:
    yield job
    async for other in jobs:
        yield other


def _all_read(stage: Stage) -> list[Stage]:
    """The stages that a stage reads, and those that they read, each once."""
    found = {later.name: later for read in stage.reads for later in (read, *_all_read(read))}
    return list(found.values())
