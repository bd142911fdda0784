"""What people ask a catalog: one SQL statement, one problem's traces."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from configs.schema import UserError
from warehouse.catalog import connect
from warehouse.naming import resolve
from warehouse.relations import statement
from warehouse.store import Store

if TYPE_CHECKING:
    import pyarrow as pa


class TraceView(NamedTuple):
    """One trace of a problem, with its verdict; `answer` and `error` are both None where it was not made."""

    stage: str
    sample_index: int
    verdict: str | None
    extracted: str | None
    num_tokens: int | None
    seed: int | None
    reasoning: str | None
    answer: str | None
    error: str | None
    points: float | None = None
    """The grader's score between 0 and 1, if it gives one."""
    decided_by: str | None = None
    """The grader, or the person."""
    is_by_hand: bool = False
    why_by_hand: str | None = None


@dataclass(frozen=True, slots=True)
class ProblemView:
    """One problem and all its traces in one run, explorers first."""

    problem_id: str
    run_id: str
    question: str
    gold: str
    traces: tuple[TraceView, ...]


def query(sql: str, root: str, parameters: Sequence[object] = ()) -> "pa.Table":
    """The rows of one read-only statement; `?` in it stand for the parameters. Raises UserError for SQL errors.

    `.to_pandas()` of the table is a pandas frame, `polars.from_arrow(table)` a polars one.
    """
    import pyarrow as pa  # noqa: PLC0415 - the command line fetches rows without it

    with opened_query(sql, root, parameters) as relation:
        return pa.table({}) if relation is None else relation.to_arrow_table()


@contextmanager
def opened_query(
    sql: str, root: str, parameters: Sequence[object] = ()
) -> Iterator[duckdb.DuckDBPyRelation | None]:
    """The relation of one read-only statement, not fetched yet; None for a statement that has no rows.

    Raises UserError for SQL errors, also those that come up while the rows are fetched.
    """
    store = Store(root)
    with store.listed_once(), connect(store) as catalog:
        try:
            yield catalog.sql(sql, params=list(parameters) or None)
        except duckdb.Error as error:
            raise UserError(f"SQL: {error}") from error


def problem_traces(problem_id: str, root: str, run_id: str | None = None) -> ProblemView:
    """A problem and its traces in a run, the latest that has it if none is named. Raises UserError for an unknown one.

    A run is named by its id, as `latest`, or by its experiment.
    """
    store = Store(root)
    with store.listed_once(), connect(store) as catalog:
        run_id = resolve(catalog, run_id).run_id if run_id else None
        parameters = {"problem_id": problem_id, "run_id": run_id}
        found = catalog.execute(statement("asking/problem"), parameters).fetchone()
        if found is None:
            some = catalog.execute("select distinct problem_id from samples order by 1 limit 5").fetchall()
            examples = ", ".join(row[0] for row in some) or "none yet; run an experiment first"
            where = f" in run {run_id}" if run_id else ""
            raise UserError(
                f"There is no problem {problem_id}{where} under {store.root}; there are: {examples}."
            )
        run, question, gold, digest = found
        parameters = {"run_id": run, "problem_id": problem_id, "problem_digest": digest}
        rows = catalog.execute(statement("asking/answers"), parameters).fetchall()
    return ProblemView(problem_id, run, question, gold, tuple(TraceView(*row) for row in rows))
