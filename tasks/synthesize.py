"""The synthesizer's stage: read the problem and its references, reason once more, keep every trace."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from prefect import allow_failure, task
from prefect.futures import PrefectFuture

from configs.experiment import Execution
from tasks.executor import Pending, ShardContent, is_worth_retrying, make, options, quoted
from tasks.generation.generate import Job, job_of
from tasks.generation.planning import Plan, SynthesisShard, plans_of, with_texts
from tasks.progress import PROGRESS
from tasks.prompts.references import shown
from tasks.run import Run
from warehouse.planner import cut, missing_traces
from warehouse.records import Wanted


def plan_synthesize(run: Run) -> list[SynthesisShard]:
    """Shards of the problems that lack synthesized traces; empty where all are stored or none are wanted."""
    role, problems, num_samples = run.synthesizer, run.problems, run.num_synthesized
    if role is None:
        return []
    everything = SynthesisShard("synthesize", role, tuple(problems), num_samples, 0, run.num_explored)
    index = role.index
    complete = {
        plan.problem.problem_digest for plan in plans_of(everything) if not missing_traces(index, plan.wanted)
    }
    lacking = [p for p in problems if p.problem_digest not in complete]
    PROGRESS.expect("synthesize", len(lacking) * num_samples)
    places = {problem: place for place, problem in enumerate(problems)}
    pieces = cut(lacking, lambda _: num_samples, role.shard_for(len(lacking) * num_samples))
    return [
        replace(
            everything,
            label=f"synthesize {number}/{len(pieces)}",
            problems=tuple(piece),
            rank=places[piece[0]],
        )
        for number, piece in enumerate(pieces, start=1)
    ]


def missing_of(shard: SynthesisShard) -> list[Wanted]:
    """The traces a shard still has to make and can, as the store is now."""
    index = shard.role.index
    return [trace for plan in plans_of(shard) for trace in missing_traces(index, plan.wanted)]


def synthesize_traces(shard: SynthesisShard) -> list[str]:
    """Make the shard's missing traces; return the new parts. Raises ShardFailed."""
    index = shard.role.index
    lacking = [(plan, missing) for plan in plans_of(shard) if (missing := missing_traces(index, plan.wanted))]
    num_missing = sum(len(missing) for _, missing in lacking)
    return make(shard, _jobs(shard, lacking), num_missing) if lacking else []


def _jobs(shard: SynthesisShard, lacking: Sequence[tuple[Plan, list[Wanted]]]) -> Iterator[Job]:
    role = shard.role
    chosen = {plan.problem.problem_digest: plan.chosen for plan, _ in lacking}
    told = with_texts(chosen, role.explorer.index)
    return (
        job_of(role, plan.problem, missing, shown(told[plan.problem.problem_digest], role.references))
        for plan, missing in lacking
    )


@task(
    name="synthesize-shard",
    task_run_name="{label}",
    cache_policy=ShardContent(missing=missing_of),
    persist_result=True,
    result_serializer="json",
    retry_condition_fn=is_worth_retrying,
)
def synthesize_shard(label: str, shard: SynthesisShard) -> list[str]:  # noqa: ARG001 - the label names the run
    """One shard of the synthesizer's stage."""
    return synthesize_traces(shard)


def submit_synthesize(
    shards: Sequence[SynthesisShard], execution: Execution, after: dict[str, PrefectFuture[list[str]]]
) -> list[Pending]:
    """Hand the shards to the flow's task runner; each waits only for its own problems' exploration.

    `after` maps problem digests to the explorer's futures. A failed one does not hold back the
    problems whose references are there.
    """
    synthesize = synthesize_shard.with_options(**options(execution))
    return [
        (
            shard,
            synthesize.submit(  # pyright: ignore[reportCallIssue] - Prefect's overloads know no allow_failure
                label=shard.label,
                shard=quoted(shard),
                wait_for=[
                    allow_failure(f)
                    for f in {after[p.problem_digest] for p in shard.problems if p.problem_digest in after}
                ],
            ),
        )
        for shard in shards
    ]
