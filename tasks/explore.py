"""The explorer's stage: sample each problem n times, independently, and keep every trace."""

from collections.abc import Iterator, Sequence

from prefect import task

from configs.experiment import Execution
from tasks.executor import Pending, Shard, ShardContent, is_worth_retrying, make, options, quoted
from tasks.generation.generate import Job, job_of
from tasks.progress import PROGRESS
from tasks.run import Run
from warehouse.planner import cut, missing_traces, wanted_traces
from warehouse.records import Wanted


def plan_explore(run: Run) -> list[Shard]:
    """Shards of the problems that lack explorer traces; empty where all are stored."""
    role, problems, num_samples = run.explorer, run.problems, run.num_explored
    index = role.index
    counts = {
        p.problem_digest: len(missing_traces(index, wanted_traces(role.recipe, p, num_samples)))
        for p in problems
    }
    lacking = [p for p in problems if counts[p.problem_digest]]
    PROGRESS.expect("explore", sum(counts.values()))
    places = {problem: place for place, problem in enumerate(problems)}
    pieces = cut(lacking, lambda p: counts[p.problem_digest], role.shard_for(sum(counts.values())))
    return [
        Shard(f"explore {number}/{len(pieces)}", role, tuple(piece), num_samples, places[piece[0]])
        for number, piece in enumerate(pieces, start=1)
    ]


def missing_of(shard: Shard) -> list[Wanted]:
    """The traces a shard still has to make, as the store is now."""
    index = shard.role.index
    return [
        trace
        for problem in shard.problems
        for trace in missing_traces(index, wanted_traces(shard.role.recipe, problem, shard.num_samples))
    ]


def explore_traces(shard: Shard) -> list[str]:
    """Make the shard's missing traces; return the new parts. Raises ShardFailed."""
    missing = missing_of(shard)
    return make(shard, _jobs(shard, missing), len(missing)) if missing else []


def _jobs(shard: Shard, missing: Sequence[Wanted]) -> Iterator[Job]:
    by_problem: dict[str, list[Wanted]] = {}
    for trace in missing:
        by_problem.setdefault(trace.problem_digest, []).append(trace)
    for problem in shard.problems:
        if wanted := by_problem.get(problem.problem_digest):
            yield job_of(shard.role, problem, wanted)


@task(
    name="explore-shard",
    task_run_name="{label}",
    cache_policy=ShardContent(missing=missing_of),
    persist_result=True,
    result_serializer="json",
    retry_condition_fn=is_worth_retrying,
)
def explore_shard(label: str, shard: Shard) -> list[str]:  # noqa: ARG001 - the label names the run
    """One shard of the explorer's stage."""
    return explore_traces(shard)


def submit_explore(shards: Sequence[Shard], execution: Execution) -> list[Pending]:
    """Hand the shards to the flow's task runner, in order."""
    explore = explore_shard.with_options(**options(execution))
    return [(shard, explore.submit(label=shard.label, shard=quoted(shard))) for shard in shards]
