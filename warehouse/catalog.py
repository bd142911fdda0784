"""The catalog: what DuckDB holds of a store, built from `sql/`, opened read-only by everyone but the loader.

It is derived: tables of metadata, grades and a ledger of loaded files in the schema `store`, and
the relations people use as views over them. Text stays in Parquet and is reached through `traces`.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import yaml

from configs.schema import UserError
from warehouse.store import Store

Row = dict[str, Any]
"""A row of a query by column name; the types are those of the query."""
Rows = list[Row]

TABLES = (
    "layout",
    "parts",
    "problems",
    "traces",
    "failures",
    "grades",
    "runs",
    "roles",
    "judges",
    "members",
    "samples",
    "cons_at_k",
    "stage_results",
    "problem_results",
)
MACROS = (
    "ks",
    "pass_at_k",
    "student_t",
    "effective_n",
    "wilson_low",
    "wilson_high",
    "clustered_low",
    "clustered_high",
    "student_p",
    "mcnemar_p",
)
TABLE_MACROS = ("votes_of", "problem_changes", "compare_to", "compare_runs")
"""Macros that give rows; they read from the relations and so stand behind them."""
RELATIONS = (
    "problems",
    "traces",
    "grades",
    "runs",
    "samples",
    "problem_results",
    "pass_at_k",
    "cons_at_k",
    "curves",
    "problem_metrics",
    "metrics",
    "costs",
    "latencies",
    "leaderboard",
    "synthesis_outcomes",
    "gains",
    "diversity",
    "calibration",
    "pareto",
)
"""In the order in which they can be created: a view stands behind those it reads from."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_BLOCK_SIZE = 16_384
"""DuckDB's smallest: a laptop's catalog of some thousand samples takes a fraction of a megabyte."""


def connect(store: Store) -> duckdb.DuckDBPyConnection:
    """Open the published catalog read-only. Raises UserError where there is none or it is not of this root."""
    path = store.catalog_path
    if not path.exists():
        raise UserError(
            f"{store.root} has no catalog yet; run an experiment (`a2r run quickstart`) or "
            f"`a2r load --root {store.root}`."
        )
    remedy = f"`a2r load --root {store.root}` rebuilds it."
    try:
        connection = _snapshot(path)
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is no readable catalog ({reason}); {remedy}") from error
    if not _is_current(connection, store):
        connection.close()
        raise UserError(f"{path} was built for another root or by another version; {remedy}")
    _let_read(connection, store)
    return connection


def known_files(store: Store) -> dict[str, str] | None:
    """The published catalog's ledger: files and their stamps; None where it has to be built anew."""
    if not store.catalog_path.exists():
        return None
    try:
        with _snapshot(store.catalog_path) as connection:
            if not _is_current(connection, store):
                return None
            return dict(connection.execute("select path, content from store.parts").fetchall())
    except duckdb.Error:
        return None


def _is_current(connection: duckdb.DuckDBPyConnection, store: Store) -> bool:
    """Whether the catalog was built by this SQL, for this root."""
    return connection.execute("select digest from store.layout").fetchone() == (layout_digest(store.root),)


def _snapshot(path: Path) -> duckdb.DuckDBPyConnection:
    """The file as it is now: attached, since a process shares what it opens by path, renamed or not."""
    connection = duckdb.connect(config=_CONFIG)
    connection.execute(f"attach {_quoted(str(path))} as catalog (read_only)")
    connection.execute("use catalog")
    return connection


def open_for_loading(path: Path, store: Store) -> duckdb.DuckDBPyConnection:
    """Open a catalog file that is not published yet, for the loader alone."""
    connection = duckdb.connect(path, config=_CONFIG | {"default_block_size": _BLOCK_SIZE})
    _let_read(connection, store)
    return connection


def _let_read(connection: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Let DuckDB read the store's files through the same file system that wrote them."""
    connection.execute("set timezone = 'UTC'")
    if not store.is_local:
        connection.register_filesystem(store.filesystem)


def create_tables(connection: duckdb.DuckDBPyConnection, root: str) -> None:
    """An empty catalog's tables, and the macros that loading them uses."""
    connection.execute("create schema store")
    for table in TABLES:
        connection.execute(statement(f"tables/{table}"))
    for macro in (*MACROS, "votes_of"):
        connection.execute(statement(f"macros/{macro}"))
    connection.execute(statement("load/layout"), {"digest": layout_digest(root), "root": root})


def create_relations(connection: duckdb.DuckDBPyConnection, root: str) -> None:
    """The views and the macros over them, all with their comments; cheap, so it is done at every load."""
    files = f"{root}/traces/*/*/*.parquet"
    has_traces = connection.execute("select exists (from store.traces)").fetchone() == (True,)
    connection.execute(f"create or replace macro trace_files() as {_quoted(files)}")
    for relation in RELATIONS:
        name = "no_traces" if relation == "traces" and not has_traces else relation
        connection.execute(statement(f"views/{name}"))
    for macro in TABLE_MACROS:
        connection.execute(statement(f"macros/{macro}"))
    for sentence in _comments(connection):
        connection.execute(sentence)


def _comments(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    for macro in MACROS:
        yield f"comment on macro {macro} is {_quoted(grain(f'macros/{macro}'))}"
    for macro in TABLE_MACROS:
        yield f"comment on macro table {macro} is {_quoted(grain(f'macros/{macro}'))}"
    for kind, names, prefix in (("table", TABLES, "store."), ("view", RELATIONS, "")):
        for name in names:
            yield f"comment on {kind} {prefix}{name} is {_quoted(grain(f'{kind}s/{name}'))}"
            columns = connection.execute(
                "select column_name from duckdb_columns() where table_name = ? and schema_name = ?",
                [name, prefix.removesuffix(".") or "main"],
            ).fetchall()
            for (column,) in columns:
                if text := column_comment(name, column):
                    yield f"comment on column {prefix}{name}.{column} is {_quoted(text)}"


def rows(
    catalog: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object] | Sequence[object] = ()
) -> Rows:
    """A statement's rows as mappings."""
    done = catalog.execute(query, values)
    names = [column[0] for column in done.description or ()]
    return [dict(zip(names, row, strict=True)) for row in done.fetchall()]


@cache
def statement(name: str) -> str:
    """The one SQL statement of `sql/<name>.sql`."""
    return _folder().joinpath(f"{name}.sql").read_text(encoding="utf-8")


def grain(name: str) -> str:
    """The first line of a statement: what one row is, or what a macro gives."""
    return statement(name).splitlines()[0].removeprefix("-- ")


def column_comment(relation: str, column: str) -> str | None:
    """What a column means: the relation's own words, else those shared by all relations that have it."""
    comments = _column_comments()
    return comments["relations"].get(relation, {}).get(column) or comments["shared"].get(column)


@cache
def _column_comments() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(_folder().joinpath("columns.yaml").read_text(encoding="utf-8"))


@cache
def layout_digest(root: str) -> str:
    """What a catalog is built by: every file of `sql/`, and the root its paths point into."""
    content = hashlib.sha256(root.encode())
    for path in sorted(_folder().rglob("*.*")):
        content.update(path.name.encode())
        content.update(path.read_bytes())
    return content.hexdigest()


def _folder() -> Path:
    return Path(str(resources.files("warehouse"))) / "sql"


def _quoted(text: str) -> str:
    """A SQL literal, for the places that take no bound value (comments, the body of a macro)."""
    return "'" + text.replace("'", "''") + "'"
