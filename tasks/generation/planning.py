"""What can be synthesized, as the store is now: each problem's references and the traces wanted from them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tasks.executor import Shard
from tasks.generation.roles import SynthesizerRole
from tasks.prompts.references import Candidate, choose
from warehouse.index import RecipeIndex
from warehouse.planner import wanted_traces
from warehouse.records import Problem, Wanted


@dataclass(frozen=True, slots=True)
class SynthesisShard(Shard):
    """A shard that also knows how many samples the explorer was asked for."""

    role: SynthesizerRole
    num_explored: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One problem's synthesis: its references in order, and the traces wanted from them."""

    problem: Problem
    chosen: tuple[Candidate, ...]
    wanted: list[Wanted]


def plans_of(shard: SynthesisShard) -> list[Plan]:
    """What the store allows to synthesize now; a problem whose explorer samples may still come waits."""
    role, index = shard.role, shard.role.explorer.index
    candidates = {p.problem_digest: _candidates(p, shard, index) for p in shard.problems}
    if role.references.order == "by_vote":
        candidates = with_texts(candidates, index)
    plans = []
    for problem in shard.problems:
        chosen = choose(candidates[problem.problem_digest], role.references, problem.problem_digest)
        if chosen is not None:
            ids = tuple(candidate.trace_id for candidate in chosen)
            plans.append(Plan(problem, chosen, wanted_traces(role.recipe, problem, shard.num_samples, ids)))
    return plans


def _candidates(problem: Problem, shard: SynthesisShard, index: RecipeIndex) -> tuple[Candidate, ...]:
    candidates = []
    for trace in wanted_traces(shard.role.explorer.recipe, problem, shard.num_explored):
        held = index.get(trace.trace_id)
        candidates.append(
            Candidate(trace.trace_id, trace.sample_index, held.status, held.is_permanent)
            if held
            else Candidate(trace.trace_id, trace.sample_index, None)
        )
    return tuple(candidates)


def with_texts(
    candidates: Mapping[str, tuple[Candidate, ...]], index: RecipeIndex
) -> dict[str, tuple[Candidate, ...]]:
    """The candidates with their texts, read from the store in one pass."""
    ids = [c.trace_id for group in candidates.values() for c in group]
    texts = {
        row["trace_id"]: (row["reasoning"], row["answer"])
        for row in index.rows(ids, ["reasoning", "answer"]).to_pylist()
    }
    return {
        digest: tuple(
            replace(c, reasoning=texts[c.trace_id][0], answer=texts[c.trace_id][1] or "")
            if c.trace_id in texts
            else c
            for c in group
        )
        for digest, group in candidates.items()
    }
