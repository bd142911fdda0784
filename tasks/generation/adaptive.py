"""How many samples of each problem are wanted, and how far they agree, by the answers that are stored."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile

from configs.roles import Stop, When
from tasks.prompts.agreement import agreement, num_wanted, vote_of
from tasks.prompts.references import Candidate
from warehouse.identity import Recipe
from warehouse.index import RecipeIndex, require
from warehouse.planner import wanted_traces
from warehouse.records import Problem


def sizes_of(index: RecipeIndex, problems: Sequence[Problem], stop: Stop, most: int) -> dict[str, int]:
    """How many samples of each problem are wanted, by its digest, as far as the stored ones tell.

    A problem that has fewer than that may want more once it has them.
    """
    stored = {
        p.problem_digest: [
            trace.trace_id
            for trace in takewhile(
                lambda trace: index.has(trace.trace_id), wanted_traces(index.recipe, p, range(most))
            )
        ]
        for p in problems
    }
    votes = stored_votes(index, [trace_id for ids in stored.values() for trace_id in ids])
    return {
        digest: num_wanted([votes[trace_id] for trace_id in ids], stop, most)
        for digest, ids in stored.items()
    }


def stored_votes(index: RecipeIndex, trace_ids: Iterable[str]) -> dict[str, str]:
    """What each stored answer among these counts as; a text is read once per process. Raises LostPart."""
    read = _read(index.store.root, index.recipe)
    digests = {trace_id: index.answer_digest(trace_id) for trace_id in trace_ids if index.has(trace_id)}
    unread = [trace_id for trace_id, digest in digests.items() if digest not in read]
    rows = index.rows(unread, ["status", "answer"]).to_pylist() if unread else ()
    fresh = {row["trace_id"]: vote_of(row["answer"] or "") if row["status"] == "ok" else "" for row in rows}
    require(unread, fresh)
    read.update({digest: fresh[i] for i, digest in digests.items() if i in fresh and digest is not None})
    return {
        trace_id: fresh[trace_id] if trace_id in fresh else read[digest]
        for trace_id, digest in digests.items()
    }


def disputed(
    indexes: Sequence[RecipeIndex], candidates: Mapping[str, tuple[Candidate, ...]], when: When
) -> dict[str, tuple[Candidate, ...]]:
    """The candidates of the problems that are read; none of one that is left to the vote.

    Every sample counts, so a problem with one that may still come is left out.
    """
    settled = {
        digest: group
        for digest, group in candidates.items()
        if all(c.status in {"ok", "truncated"} or c.is_permanent for c in group)
    }
    votes: dict[str, str] = {}
    for index in indexes:
        votes |= stored_votes(index, [c.trace_id for group in settled.values() for c in group])
    return {
        digest: group if agreement([votes.get(c.trace_id, "") for c in group]) < when.agreement_below else ()
        for digest, group in settled.items()
    }


@lru_cache(maxsize=64)
def _read(root: str, recipe: Recipe) -> dict[str | None, str]:  # noqa: ARG001 - one for each
    """Votes by the digest of the answer, which rows of an earlier layout do not have."""
    return {}
