"""Wanted minus stored, cut into shards: the first of the two layers that never recompute."""

from collections.abc import Callable, Iterable, Sequence

from warehouse.identity import Recipe, trace_id
from warehouse.index import RecipeIndex
from warehouse.records import Problem, Wanted


def wanted_traces(
    recipe: Recipe, problem: Problem, sample_indexes: Iterable[int], reference_ids: tuple[str, ...] = ()
) -> list[Wanted]:
    """The traces an experiment wants of one problem that are shown the same references, by sample index."""
    digest = problem.problem_digest
    return [
        Wanted(trace_id(recipe, digest, i, reference_ids), digest, problem.problem_id, i, reference_ids)
        for i in sample_indexes
    ]


def missing_traces(index: RecipeIndex, wanted: Iterable[Wanted]) -> list[Wanted]:
    """Those of which no answer is stored; a stored failure is no answer."""
    return [trace for trace in wanted if not index.has(trace.trace_id)]


def distinct(problems: Iterable[Problem]) -> list[Problem]:
    """One problem a question: the same question under two ids has the same traces."""
    return list({problem.problem_digest: problem for problem in problems}.values())


def cut(
    problems: Sequence[Problem], num_traces: Callable[[Problem], int], shard_size: int
) -> list[list[Problem]]:
    """Problems in order, cut so that each piece makes about `shard_size` traces; none is split."""
    pieces: list[list[Problem]] = []
    room = 0
    for problem in problems:
        if room <= 0:
            pieces.append([])
            room = shard_size
        pieces[-1].append(problem)
        room -= num_traces(problem)
    return pieces
