"""The heart of every stage: requests out, journalled completions in, parts at the end."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple

from tasks.engines.endings import ending_of
from tasks.engines.pool import ENGINES, PooledEngine
from tasks.engines.protocol import Completion, Engine, EngineError, Failure, Request
from tasks.progress import PROGRESS, WORKING_ON
from warehouse.identity import Recipe
from warehouse.journal import Journal
from warehouse.records import Wanted
from warehouse.store import Store


class Job(NamedTuple):
    """One request and the traces its samples become, place by place."""

    request: Request
    wanted: tuple[Wanted, ...]


@dataclass(slots=True)
class GenerationResult:
    """What became of a shard's jobs."""

    parts: list[str] = field(default_factory=list)
    num_stored: int = 0
    num_transient: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    example: str = ""
    """The first failure's message."""

    @property
    def num_failed(self) -> int:
        """Traces that failed."""
        return self.failures.total()


def generate(
    engine: PooledEngine, store: Store, recipe: Recipe, jobs: Iterable[Job], rank: int
) -> GenerationResult:
    """Make the jobs' traces and store them; what arrived is stored whatever else happens.

    Where shards compete for the engine, the lower `rank` goes first.

    Raises EngineError where the engine as a whole cannot work, Stopped on request, UserError where
    the root refuses writes.
    """
    result = GenerationResult()
    try:
        store.write_recipe(recipe)
        journal = Journal(store, recipe)
        try:
            ENGINES.run(_drive(engine, jobs, stage=recipe.stage, rank=rank, journal=journal, result=result))
        finally:
            result.parts = journal.seal()
    except OSError as error:
        raise store.complaint(error) from error
    return result


async def _drive(
    pooled: PooledEngine,
    jobs: Iterable[Job],
    *,
    stage: str,
    rank: int,
    journal: Journal,
    result: GenerationResult,
) -> None:
    """Send the jobs as the engine's admission lets them; a prompt is built only when its turn has come near."""
    WORKING_ON.set(stage)
    engine, admission = pooled.engine, pooled.admission
    broken: list[OSError] = []
    driver = asyncio.current_task()

    def deliver(job: Job, place: int, outcome: Completion | Failure) -> None:
        try:
            stored = journal.append(_row(job.wanted[place], outcome))
        except OSError as error:
            broken.append(error)
            if driver:
                driver.cancel()
            return
        if isinstance(outcome, Failure):
            result.failures[outcome.code] += 1
            result.num_transient += outcome.is_transient
            result.example = result.example or outcome.message
            PROGRESS.advance(stage, failed=True)
        else:
            result.num_stored += 1
            PROGRESS.advance(stage, tokens=stored["num_completion_tokens"] or 0)

    try:
        async with asyncio.TaskGroup() as group:
            for job in itertools.chain.from_iterable(_pieces(job, engine) for job in jobs):
                units = len(job.wanted)
                await admission.acquire(units, rank)
                sent = group.create_task(engine.complete(job.request, partial(deliver, job)))
                sent.add_done_callback(lambda _, units=units: admission.release(units))
    except* EngineError as errors:
        raise errors.exceptions[0] from None
    except* asyncio.CancelledError:
        if broken:
            raise broken[0] from None
        raise
    if broken:
        raise broken[0]


def _pieces(job: Job, engine: Engine) -> Iterator[Job]:
    """The job in pieces of as many samples as the engine likes to be asked for together."""
    if len(job.wanted) <= engine.group:
        yield job
        return
    start, request = 0, job.request
    while start < len(job.wanted):
        taken = slice(start, start + engine.group)
        seeds, indexes = request.seeds[taken], request.sample_indexes[taken]
        yield Job(request._replace(seeds=seeds, sample_indexes=indexes), job.wanted[taken])
        start += len(seeds)


def _row(wanted: Wanted, outcome: Completion | Failure) -> dict[str, object]:
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
    row["started_at"] = _microseconds(outcome.started_at)
    return row


_COLUMNS = (*Wanted._fields, *Completion._fields)


def _microseconds(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000)
