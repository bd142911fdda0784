"""All stages of a run as Prefect tasks: one task per shard, submitted once; each problem waits only for what it reads."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from configs.experiment import Execution
from configs.schema import UserError
from tasks.engines.pool import ENGINES, Stopped
from tasks.engines.protocol import StillUnderWay
from tasks.engines.resolving import resolved
from tasks.executor.cache import quoted
from tasks.executor.errors import Failures, OverBudget, ShardFailed, soonest
from tasks.executor.feed import Ended, Upstream
from tasks.executor.shard_task import generate_shard
from tasks.progress import PROGRESS
from tasks.stage import Shard, Stage, shards_by_stage
from warehouse.records import Problem

RUNNER = cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=8))
"""Eight shards at once in a process keep any engine's queue full while others seal or wait."""

F = TypeVar("F", bound=Ended)
Parts = PrefectFuture[list[str]]
"""The parts that a shard's task writes."""


class Complaints(NamedTuple):
    """Why something was not made."""

    sentences: list[str]
    """One for each cause."""
    again_seconds: float | None
    """When to look again where all of it is under way elsewhere; else None."""


def generate_stages(stages: Sequence[Stage], problems: Sequence[Problem], execution: Execution) -> Complaints:
    """Make what is missing of the stages, streaming; return why some of it could not be made.

    Each stage reads only earlier ones. Stages stream beside each other; where one wants the accelerator of
    an earlier one for other weights, all before it is made first, and the earlier engines are gone before its
    own starts. A wrong setting of any engine stops the run before anything is loaded. Raises Stopped.
    """
    planned = shards_by_stage(stages, problems)
    at_work = {shards[0].stage.name for shards in planned}
    for shards in planned:
        stage = shards[0].stage
        kind, settings = resolved(stage.engine)
        kind.check(stage.model, settings)
        awaited = [read.name for read in stage.reads if read.name in at_work]
        PROGRESS.expect(stage.name, sum(shard.num_traces for shard in shards), " and ".join(awaited))
    make = generate_shard.with_options(
        retries=execution.retries, retry_delay_seconds=execution.retry_delay_seconds
    )

    def submit(shard: Shard, sources: tuple[Upstream, ...]) -> Parts:
        return make.submit(label=shard.label, shard=quoted(shard), sources=quoted(sources))

    outcomes, stops = list[tuple[str, object]](), ENGINES.stops
    for number, batch in enumerate(_batches(planned)):
        if number:
            ENGINES.close_engines()
        outcomes += _settled(submitted(batch, submit))
        if ENGINES.stops > stops:
            raise Stopped
    return _complaints(outcomes)


def _batches(planned: Iterable[list[Shard]]) -> Iterator[list[list[Shard]]]:
    """The stages' shards, cut before a stage that cannot run beside an earlier one."""
    batch: list[list[Shard]] = []
    for shards in planned:
        if any(shards[0].stage.cannot_run_beside(other[0].stage) for other in batch):
            yield batch
            batch = []
        batch.append(shards)
    if batch:
        yield batch


def submitted(
    batch: Sequence[list[Shard]], submit: Callable[[Shard, tuple[Upstream, ...]], F]
) -> dict[str, F]:
    """Submit every shard right behind the shards that it reads from; their futures by label.

    Workers take tasks in this order, so a waiting shard never stands before the one it waits for. It is at work beside
    them: each of its problems begins as soon as its own references are there, and a failed shard holds back no
    other problems than its own.
    """
    made_by = {(s.stage.name, p.problem_digest): s for shards in batch for s in shards for p in s.problems}
    futures: dict[str, F] = {}
    sources: dict[str, dict[str, Upstream]] = {}

    def add(shard: Shard) -> None:
        if shard.label in futures:
            return
        keys = ((read.name, p.problem_digest) for read in shard.stage.reads for p in shard.problems)
        found: dict[str, Upstream] = {}
        for source in {made_by[key].label: made_by[key] for key in keys if key in made_by}.values():
            add(source)
            found |= {source.label: Upstream(source, futures[source.label]), **sources[source.label]}
        sources[shard.label] = found
        futures[shard.label] = submit(shard, tuple(found.values()))

    for shards in reversed(batch):
        for shard in shards:
            add(shard)
    return futures


def _settled(futures: Mapping[str, Parts]) -> list[tuple[str, object]]:
    """Wait for every shard; what each came to, by its label."""
    outcomes = list[tuple[str, object]]()
    for label, future in futures.items():
        future.wait()
        outcomes.append((label, future.state.result(raise_on_failure=False)))
    return outcomes


def _complaints(outcomes: Sequence[tuple[str, object]]) -> Complaints:
    """A sentence for each cause of a failure, so that none stays unnoticed.

    Shards of a stage that failed for the same kinds of reasons are one sentence.
    """
    told, failed = list[str](), dict[tuple[str, frozenset[str]], Failures]()
    errors = [(label, outcome) for label, outcome in outcomes if isinstance(outcome, BaseException)]
    for label, error in errors:
        if isinstance(error, ShardFailed):
            stage, failures = label.partition(" ")[0], error.failures
            key = (stage, frozenset(failures.codes))
            failed[key] = failed[key].joined(failures, stage) if key in failed else failures
        elif not isinstance(error, OverBudget):  # which is told once, by the run
            told.append(
                str(error) if isinstance(error, UserError) else f"{label}: {type(error).__name__}: {error}"
            )
    sentences = [text if count == 1 else f"{text} ({count} shards)" for text, count in Counter(told).items()]
    waits = [error.again_seconds if isinstance(error, StillUnderWay) else None for _, error in errors]
    return Complaints([*sentences, *map(str, failed.values())], soonest(waits))
