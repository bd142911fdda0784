"""The Prefect task that makes one shard: what of it is missing, and what became of that."""

import time
from collections.abc import Sequence
from typing import Any

from prefect import task
from prefect.client.schemas.objects import State

from tasks.executor.cache import ShardContent
from tasks.executor.errors import Failures, OverBudget, ShardFailed
from tasks.executor.feed import Feed, Upstream
from tasks.executor.run_log import run_log
from tasks.generation.generate import GenerationResult
from tasks.stage import Shard


def is_worth_retrying(_task: object, _run: object, state: State[Any]) -> bool:
    """Only a shard whose failures may pass is tried again; a wrong key or a full disk is not."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, ShardFailed) and error.is_transient


@task(
    name="generate-shard",
    task_run_name="{label}",
    cache_policy=ShardContent(),
    persist_result=True,
    result_serializer="json",
    retry_condition_fn=is_worth_retrying,
)
def generate_shard(label: str, shard: Shard, sources: Sequence[Upstream] = ()) -> list[str]:  # noqa: ARG001 - the label names the run
    """Make a shard's missing traces, each problem's once what it reads is settled; return the new parts.

    `sources` are the shards of this run that make what it reads. Raises ShardFailed.
    """
    stage, log = shard.stage, run_log()
    result, began = GenerationResult(), None
    while True:
        with Feed(shard, sources) as feed:
            jobs = feed.begun()
            if jobs is None:
                break
            if began is None:
                began = time.monotonic()
                log.info(
                    "%s begins: %d traces of %d problems", shard.label, shard.num_traces, len(shard.problems)
                )
            result.add(stage.make(jobs, shard.rank))
        # what another run made of a problem may say that more of it is wanted
        if stage.stop is None or result.num_failed or result.is_over_budget:
            break
    if began is None:
        return []
    seconds = time.monotonic() - began
    kinds = ", ".join(f"{count} {code}" for code, count in result.failures.most_common())
    failed = f", {result.num_failed} failed ({kinds})" if result.num_failed else ""
    log.info("%s ends: %d traces stored%s, %.1f s", shard.label, result.num_stored, failed, seconds)
    if not result.num_failed:
        if result.is_over_budget:
            raise OverBudget(
                f"{shard.label}: the budget is spent; {result.num_stored} of its traces are stored."
            )
        return result.parts
    num_traces = result.num_failed + result.num_stored
    failures = Failures(shard.label, result.num_failed, num_traces, result.failures, result.example)
    raise ShardFailed(failures, result.parts, is_transient=result.num_transient > 0)
