"""The heart of every stage: requests out, journalled completions in, parts at the end."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple

from configs.schema import UserError
from tasks.engines.endings import ending_of
from tasks.engines.pool import ENGINES, PooledEngine
from tasks.engines.protocol import Completion, Engine, EngineError, Failure, Request
from tasks.engines.spending import meter_of
from tasks.progress import PROGRESS, WORKING_ON
from warehouse.index import RecipeIndex
from warehouse.journal import recover
from warehouse.leases import Leases
from warehouse.records import Wanted
from warehouse.rolling import RollingJournal
from warehouse.writers import Writer

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between looks at what another run is making."""
_SAID: set[tuple[str, Writer]] = set()
"""Of which stage and run it was said that it is waited for."""
_SAID_ALONE: set[str] = set()
"""Of which roots it was said that other machines are not seen there."""


Reading = Callable[[Completion], Mapping[str, object]]


def _nobody(_count: int) -> None:
    """Nobody waits for it."""


class Job(NamedTuple):
    """One request and the traces its samples become, place by place."""

    request: Request
    wanted: tuple[Wanted, ...]
    read: Reading | None = None
    """What of their traces differs from what the replies say, by column; None where each is itself the answer."""
    done: Callable[[int], None] = _nobody
    """Called on the loop with how many of them nothing more will come of in this pass, whatever came."""


@dataclass(slots=True)
class GenerationResult:
    """What became of a shard's jobs."""

    parts: list[str] = field(default_factory=list)
    num_stored: int = 0
    num_transient: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    example: str = ""
    """The first failure's message."""
    is_over_budget: bool = False
    """Whether jobs were left because the run's budget is spent."""

    @property
    def num_failed(self) -> int:
        """Traces that failed."""
        return self.failures.total()

    def add(self, later: "GenerationResult") -> None:
        """What became of further jobs of the same shard."""
        self.parts += later.parts
        self.num_stored += later.num_stored
        self.num_transient += later.num_transient
        self.failures += later.failures
        self.example = self.example or later.example
        self.is_over_budget = self.is_over_budget or later.is_over_budget


Jobs = Iterable[Job] | AsyncIterable[Job]
"""Those of an asynchronous iterable come as they can be made; it is iterated on the engines' loop."""


def generate(engine: PooledEngine, index: RecipeIndex, jobs: Jobs, rank: int) -> GenerationResult:
    """Make the jobs' traces and store them; what arrived is stored whatever else happens.

    Where shards compete for the engine, the lower `rank` goes first. What another run is making at this moment
    is left to it and waited for; what it did not make is made then.

    Raises EngineError where the engine as a whole cannot work, Stopped on request, UserError where
    the root refuses writes.
    """
    shard = _Shard(engine, index, rank)
    try:
        index.store.write_recipe(index.recipe)
        shard.leases = Leases(index.store, index.recipe)
        if not (index.store.is_local or shard.leases.is_far or index.store.root in _SAID_ALONE):
            _SAID_ALONE.add(index.store.root)
            PROGRESS.say(
                f"The object store of {index.store.root} does not create an object only where there is none "
                "(If-None-Match), so runs on other machines are not seen: give each machine experiments of its own, "
                "or traces are made twice."
            )
        try:
            shard.make(jobs)
            while shard.left and not shard.result.is_over_budget:
                shard.wait()
                shard.make([job for job, _ in shard.left])
        finally:
            shard.leases.close()
    except OSError as error:
        raise index.store.complaint(error) from error
    return shard.result


class _Shard:
    """The jobs of one call of `generate`."""

    leases: Leases
    _journal: RollingJournal

    def __init__(self, engine: PooledEngine, index: RecipeIndex, rank: int) -> None:
        self._engine, self._index, self._rank = engine, index, rank
        self._stage = index.recipe.stage
        self._meter = meter_of(index.store.root, index.recipe)
        self._broken: list[OSError] = []
        self._problems: set[str] = set()
        self._pause = SHORTEST_PAUSE
        self.result = GenerationResult()
        self.left: list[tuple[Job, Writer]] = []
        """Jobs that another run is making, and which one."""

    def make(self, jobs: Jobs) -> None:
        """Make what nobody else is making, store it, and give back its leases."""
        self.left = []
        self._journal = RollingJournal(self._index)
        try:
            ENGINES.run(self._drive(jobs))
        finally:
            try:
                if parts := self._journal.seal():
                    self.result.parts += parts
                    self._pause = SHORTEST_PAUSE
            finally:
                self.leases.release()

    def wait(self) -> None:
        """Give the other runs time; said once per stage and run."""
        problems = {job.wanted[0].problem_digest for job, _ in self.left}
        for holder in sorted({holder for _, holder in self.left if holder.pid}):
            if (self._stage, holder) not in _SAID:
                _SAID.add((self._stage, holder))
                PROGRESS.say(
                    f"{self._stage}: another run ({holder}) is making {len(problems)} of these {len(self._problems)} "
                    "problems; waiting for them. Nothing is made twice."
                )
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    async def _drive(self, jobs: Jobs) -> None:
        """Send the jobs as the engine's admission lets them; a prompt is built only when its turn has come near."""
        WORKING_ON.set(self._stage)
        engine, pooled = self._engine.engine, self._engine
        driver = asyncio.current_task()
        try:
            async with asyncio.TaskGroup() as group:
                async for job in _pieces(jobs, engine):
                    units = len(job.wanted)
                    await pooled.acquire(units, self._rank)
                    try:
                        ours = job if self._is_ours(job) else await self._ours(job)
                    except BaseException:
                        pooled.release(units)
                        raise
                    if ours is None:
                        pooled.release(units)
                        job.done(units)
                        continue
                    num_sent = len(ours.wanted)
                    try:
                        is_paid_for = await self._meter.spending.admit(self._meter, num_sent)
                    except BaseException:
                        pooled.release(units)
                        raise
                    if not is_paid_for:
                        pooled.release(units)
                        self.result.is_over_budget = True
                        break
                    deliver = partial(self._deliver, ours, driver)
                    sent = group.create_task(engine.complete(ours.request, deliver))
                    sent.add_done_callback(partial(self._done, job, num_sent))
        except* (EngineError, UserError, OSError) as errors:
            raise errors.exceptions[0] from None
        except* asyncio.CancelledError:
            if self._broken:
                raise self._broken[0] from None
            raise
        if self._broken:
            raise self._broken[0]

    def _done(self, job: Job, num_sent: int, _sent: asyncio.Task[None]) -> None:
        """A request is over, whatever became of it."""
        self._engine.release(len(job.wanted))
        job.done(len(job.wanted))
        self._meter.spending.release(self._meter, num_sent)

    def _is_ours(self, job: Job) -> bool:
        """Whether its lease is held and none of it is stored: so it is of every job of a problem but the first, nearly always."""
        problem = job.wanted[0].problem_digest
        self._problems.add(problem)
        return self.leases.is_held(problem) and not any(
            self._index.has(trace.trace_id) for trace in job.wanted
        )

    async def _ours(self, job: Job) -> Job | None:
        """What of a job is still missing and ours to make; None where that is nothing."""
        problem = job.wanted[0].problem_digest
        if self.leases.is_far and not self.leases.is_held(problem):
            claim = await asyncio.to_thread(self.leases.claim, problem)
        else:
            claim = self.leases.claim(problem)
        if claim.holder:
            self.left.append((job, claim.holder))
            return None
        made_by = claim.at
        if claim.is_taken_over:
            await asyncio.to_thread(recover, self._index.store, PROGRESS.say)
            made_by = time.monotonic()  # only now are the dead run's answers parts
        if claim.is_new and self._index.is_behind:
            await asyncio.to_thread(self._index.catch_up, made_by)
        lacking = [place for place, trace in enumerate(job.wanted) if not self._index.has(trace.trace_id)]
        if len(lacking) == len(job.wanted):
            return job
        PROGRESS.advance(self._stage, count=len(job.wanted) - len(lacking))
        if not lacking:
            return None
        seeds = tuple(job.request.seeds[place] for place in lacking)
        return _part(job, seeds, tuple(job.wanted[place] for place in lacking))

    def _deliver(
        self, job: Job, driver: asyncio.Task[None] | None, place: int, outcome: Completion | Failure
    ) -> None:
        try:
            stored = self._journal.append(_row(job.wanted[place], outcome, job.read))
        except OSError as error:
            self._broken.append(error)
            if driver:
                driver.cancel()
            return
        result = self.result
        if isinstance(outcome, Failure):
            result.failures[outcome.code] += 1
            result.num_transient += outcome.is_transient
            result.example = result.example or outcome.message
            PROGRESS.advance(self._stage, failed=True)
        else:
            result.num_stored += 1
            self._meter.count(stored)
            PROGRESS.advance(
                self._stage, tokens=stored["num_completion_tokens"] or 0, spent=self._meter.shown()
            )
            self._index.arrived(job.wanted[place])


async def _pieces(jobs: Jobs, engine: Engine) -> AsyncIterator[Job]:
    """The jobs, each in pieces of as many samples as the engine likes to be asked for together."""
    if isinstance(jobs, AsyncIterable):
        async for job in jobs:
            for piece in _pieces_of(job, engine):
                yield piece
        return
    for piece in itertools.chain.from_iterable(_pieces_of(job, engine) for job in jobs):
        yield piece


def _pieces_of(job: Job, engine: Engine) -> Iterator[Job]:
    if len(job.wanted) <= engine.group:
        yield job
        return
    start, seeds = 0, job.request.seeds
    while start < len(job.wanted):
        taken = slice(start, start + engine.group)
        piece = _part(job, seeds[taken], job.wanted[taken])
        yield piece
        start += len(piece.wanted)


def _part(job: Job, seeds: tuple[int, ...], wanted: tuple[Wanted, ...]) -> Job:
    """The job for these of its samples alone."""
    messages, sampling, _, question, *_ = job.request
    indexes, ids = tuple([w.sample_index for w in wanted]), tuple([w.trace_id for w in wanted])
    return Job(Request(messages, sampling, seeds, question, indexes, ids), wanted, job.read, job.done)


def _row(wanted: Wanted, outcome: Completion | Failure, read: Reading | None) -> dict[str, object]:
    """One trace with the columns of `TRACES`, times in microseconds; fields of an outcome are named like columns."""
    if isinstance(outcome, Failure):
        row: dict[str, object] = wanted._asdict() | {
            "status": "error",
            "error_code": outcome.code,
            "error_message": outcome.message,
            "num_tries": outcome.num_tries,
        }
    else:
        row = dict(zip(_COLUMNS, (*wanted, *outcome), strict=True))
        row["status"] = "truncated" if ending_of(outcome.finish_reason) == "length" else "ok"
        row |= read(outcome) if read else {}
    row["started_at"] = _microseconds(outcome.started_at)
    return row


_COLUMNS = (*Wanted._fields, *Completion._fields)


def _microseconds(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000)
