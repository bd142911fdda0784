"""A shard as Prefect sees it: its cache key, its failure, and how a stage's shards are settled."""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.exceptions import MissingContextError
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.results import ResultStore
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import quote

from configs.experiment import Execution
from configs.schema import UserError
from tasks.generation.generate import Job, generate
from tasks.generation.roles import Role
from warehouse.identity import Recipe
from warehouse.records import Problem, Wanted
from warehouse.store import Store

T = TypeVar("T")

RUNNER = cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=8))
"""Eight shards at once in a process keep any engine's queue full while others seal or wait."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The piece of a stage that one Prefect task makes: a role and some problems."""

    label: str
    role: Role
    problems: tuple[Problem, ...]
    num_samples: int
    rank: int
    """Place of its first problem among the run's; earlier shards go first at the engine."""


def quoted(value: T) -> T:
    """A value that Prefect hands to a task as it is, without looking through it for futures."""
    return cast("T", quote(value))


def unquoted(value: Any) -> Any:  # noqa: ANN401 - whatever `quoted` was given
    """What `quoted` handed over."""
    return value.unquote() if isinstance(value, quote) else value


Pending = tuple[Shard, PrefectFuture[list[str]]]
"""A shard and the future of its parts."""


class ShardFailed(UserError):
    """Some traces of a shard could not be had; those that could are stored in `parts`."""

    def __init__(self, message: str, parts: Sequence[str] = (), *, is_transient: bool = False) -> None:
        super().__init__(message)
        self.parts = list(parts)
        self.is_transient = is_transient


class StageFailed(UserError):
    """What a flow raises after all its shards have finished and some of them failed."""

    def __init__(self, summary: dict[str, Any], message: str) -> None:
        super().__init__(message)
        self.summary = summary


@dataclass(kw_only=True)
class ShardContent(CachePolicy):
    """The second layer that never recomputes: a key of the traces the shard still has to make.

    In the key: the root, the recipe, and every missing trace id, which holds problem, sample and
    references. Out of it: run, order, shard size, engine. A finished shard is found again from any
    run and after a wiped Prefect database, since keys and results are files. A result is believed
    only while the parts it names exist; one that names lost parts gives way to the next key.
    """

    missing: Callable[[Any], list[Wanted]]
    """The stage's own answer to what a shard still has to make."""

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],  # noqa: ARG002
        **_: Any,  # noqa: ANN401 - Prefect's signature
    ) -> str | None:
        """The key, or None where nothing is missing and so nothing is worth remembering."""
        shard: Shard = unquoted(inputs["shard"])
        missing = self.missing(shard)
        if not missing:
            return None
        key, results = shard_key(shard.role.root, shard.role.recipe, missing), task_ctx.result_store
        return first_valid_key(key, lambda key: _names_lost_parts(results, key, Store(shard.role.root)))


def first_valid_key(key: str, is_lost: Callable[[str], bool]) -> str:
    """The key, or the first that follows from it whose result is not one that names what is lost."""
    while is_lost(key):
        key = hashlib.sha256(key.encode()).hexdigest()[:32]
    return key


def shard_key(root: str, recipe: Recipe, missing: Iterable[Wanted]) -> str:
    """The content key of a shard, 32 hexadecimal digits."""
    ids = "\n".join([root, recipe.digest, *sorted(trace.trace_id for trace in missing)])
    return hashlib.sha256(ids.encode()).hexdigest()[:32]


def _names_lost_parts(results: ResultStore, key: str, store: Store) -> bool:
    return results.exists(key) and not all(map(store.exists, results.read(key).result))


def is_worth_retrying(_task: object, _run: object, state: State[Any]) -> bool:
    """Only a shard whose failures may pass is tried again; a wrong key or a full disk is not."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, ShardFailed) and error.is_transient


def make(shard: Shard, jobs: Iterable[Job], num_missing: int) -> list[str]:
    """Drive the shard's jobs, one line in the run's log at each end; return its parts. Raises ShardFailed."""
    log = run_log()
    log.info("%s begins: %d traces of %d problems", shard.label, num_missing, len(shard.problems))
    began = time.monotonic()
    result = generate(shard.role, jobs, shard.rank)
    seconds = time.monotonic() - began
    kinds = ", ".join(f"{count} {code}" for code, count in result.failures.most_common())
    failed = f", {result.num_failed} failed ({kinds})" if result.num_failed else ""
    log.info("%s ends: %d traces stored%s, %.1f s", shard.label, result.num_stored, failed, seconds)
    if not result.num_failed:
        return result.parts
    raise ShardFailed(
        f"{shard.label}: {result.num_failed} of {result.num_failed + result.num_stored} traces failed "
        f"({kinds}); first: {result.example}",
        result.parts,
        is_transient=result.num_transient > 0,
    )


def run_log() -> Any:  # noqa: ANN401 - Prefect's adapter, or a plain logger with the same methods
    """The present run's log; outside Prefect's runs one that nobody reads."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("a2r")


def options(execution: Execution) -> dict[str, Any]:
    """An experiment's retry settings as Prefect task options."""
    return {"retries": execution.retries, "retry_delay_seconds": execution.retry_delay_seconds}


def settle(pending: Sequence[Pending]) -> list[str]:
    """Wait for every shard; a sentence for each that failed, so that none stays unnoticed."""
    complaints = []
    for shard, future in pending:
        future.wait()
        outcome = future.state.result(raise_on_failure=False)
        if isinstance(outcome, UserError):
            complaints.append(str(outcome))
        elif isinstance(outcome, BaseException):
            complaints.append(f"{shard.label}: {type(outcome).__name__}: {outcome}")
    return [text if count == 1 else f"{text} ({count} shards)" for text, count in Counter(complaints).items()]
