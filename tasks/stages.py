"""Both generating stages together: who waits for whom, and when everything has settled."""

from collections.abc import Sequence

from prefect.futures import PrefectFuture  # noqa: TC002

from configs.experiment import Execution
from tasks.engines.pool import ENGINES
from tasks.executor import Pending, Shard, settle
from tasks.explore import submit_explore
from tasks.generation.planning import SynthesisShard
from tasks.generation.roles import check_settings, take_turns
from tasks.synthesize import submit_synthesize


def generate_stages(
    explore: Sequence[Shard], synthesize: Sequence[SynthesisShard], execution: Execution
) -> list[str]:
    """Make all shards, streaming, and return a sentence for each that failed.

    A synthesizer's shard is submitted right behind the explorer's shards it reads from and starts
    when they are done, while later problems are still explored. Workers take tasks in this order,
    so a waiting shard never stands before the one it waits for. Where both roles want the same
    accelerator (`take_turns`), all is explored first, and the explorer's engine is gone before the
    synthesizer's starts. A wrong setting of either engine stops the run before anything is loaded.
    """
    for shards in (explore, synthesize):
        if shards:
            check_settings(shards[0].role)
    if explore and synthesize and take_turns(explore[0].role, synthesize[0].role):
        complaints = settle(submit_explore(explore, execution))
        ENGINES.close_engines()
        return complaints + settle(submit_synthesize(synthesize, execution, {}))
    by_problem = {p.problem_digest: shard for shard in explore for p in shard.problems}
    futures: dict[str, PrefectFuture[list[str]]] = {}
    explored: list[Pending] = []
    synthesized: list[Pending] = []

    def submit(shard: Shard) -> None:
        [pending] = submit_explore([shard], execution)
        explored.append(pending)
        futures.update({p.problem_digest: pending[1] for p in shard.problems})

    for shard in synthesize:
        for problem in shard.problems:
            digest = problem.problem_digest
            if digest in by_problem and digest not in futures:
                submit(by_problem[digest])
        synthesized += submit_synthesize([shard], execution, futures)
    for shard in explore:
        if shard.problems[0].problem_digest not in futures:
            submit(shard)
    return settle(explored) + settle(synthesized)
