"""Verdicts in the store: parts in one folder per grader, each of one recipe's traces."""

from collections.abc import Collection
from typing import Any

import pyarrow as pa

from warehouse.identity import Recipe
from warehouse.index import RecipeIndex
from warehouse.records import Member
from warehouse.store import Store, retry_if_compacted
from warehouse.winner import is_of_answer

GradeRow = dict[str, Any]
"""A grade by column, as in `records.GRADES`."""


def grades_folder(grader: str) -> str:
    """Folder of a grader's verdicts."""
    return f"grades/grader={grader}"


def write_grades(store: Store, grader: str, recipe: Recipe, rows: pa.Table) -> str:
    """Write rows of `GRADES` on traces of one recipe as a part; return its path."""
    return store.write_part(grades_folder(grader), rows, _prefix(recipe))


def read_grades(
    store: Store,
    grader: str,
    recipe: Recipe,
    columns: list[str],
    trace_ids: Collection[str] | None = None,
    *,
    problem_digests: Collection[str] | None = None,
) -> list[tuple[str, ...]]:
    """Columns of the grader's verdicts on the recipe's traces, all or some of them, a tuple a verdict.

    Without the digests of the problems that some traces are of, the ids of all traces of the recipe are looked through.
    """

    def read() -> list[tuple[str, ...]]:
        parts = store.names(grades_folder(grader), prefix=_prefix(recipe))
        tables = (store.read_part(part, columns, trace_ids, problem_digests).to_pydict() for part in parts)
        return [row for table in tables for row in zip(*table.values(), strict=True)]

    return retry_if_compacted(read)


def valid_grades(
    index: RecipeIndex,
    grader: str,
    columns: list[str],
    trace_ids: Collection[str],
    problem_digests: Collection[str] | None = None,
) -> list[tuple[str, ...]]:
    """The same of verdicts on the answers to some traces that count; one on another answer to a trace is left out."""
    read = list(dict.fromkeys((*columns, "trace_id", "answer_digest")))
    trace_id, digest = read.index("trace_id"), read.index("answer_digest")
    rows = read_grades(index.store, grader, index.recipe, read, trace_ids, problem_digests=problem_digests)
    return [
        row[: len(columns)] for row in rows if is_of_answer(row[digest], index.answer_digest(row[trace_id]))
    ]


def grades_of(
    index: RecipeIndex, grader: str, columns: list[str], members: Collection[Member]
) -> list[tuple[str, ...]]:
    """The same of what a run wanted of the recipe."""
    trace_ids = {member.trace_id for member in members}
    problems = {member.problem_digest for member in members}
    return valid_grades(index, grader, columns, trace_ids, problems)


def misjudged(index: RecipeIndex, grader: str) -> list[tuple[str, str]]:
    """Traces whose answer has no verdict of the grader while another answer to them has one: the part, the trace id."""
    found: dict[tuple[str, str], str] = {}
    for part in index.store.names(grades_folder(grader), prefix=_prefix(index.recipe)):
        columns = index.store.read_part(part, ["trace_id", "gold", "answer_digest"]).to_pydict()
        found.update(
            ((trace_id, gold), part)
            for trace_id, gold, judged in zip(*columns.values(), strict=True)
            if not is_of_answer(judged, index.answer_digest(trace_id))
        )
    doubted = {trace_id for trace_id, _ in found}
    right = set(valid_grades(index, grader, ["trace_id", "gold"], doubted)) if found else set()
    return sorted({(part, case[0]) for case, part in found.items() if case not in right})


def _prefix(recipe: Recipe) -> str:
    return f"part-{recipe.key}-"
