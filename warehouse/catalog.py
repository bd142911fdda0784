"""The catalog: what DuckDB holds of a store, built from `sql/`, opened read-only by everyone but the loader.

It is derived: tables of metadata, grades and a ledger of loaded files in the schema `store`, and
the relations people use as views over them. Text stays in Parquet and is reached through `traces`.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from configs.schema import UserError
from warehouse.columns import TRACE_COLUMNS
from warehouse.files import cache_folder, write_file
from warehouse.relations import (
    Definition,
    before_views,
    column_comment,
    definitions,
    grain,
    sql_folder,
    statement,
)
from warehouse.store import Store

Row = dict[str, Any]
"""A row of a query by column name; the types are those of the query."""
Rows = list[Row]

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_ONE_THREAD = {"threads": 1}
_MEMORY = {False: "1GB", True: "2GB"}
"""Of a load, and of one that begins with nothing; what either needs beyond lies beside the catalog meanwhile (docs/scale.md)."""
_MOST_THREADS = 4
"""Of a load, since each takes its share of that memory."""
_SMALL_BYTES = 8 * 2**20
"""Up to here several threads cost more to bring together than they save."""
_SLOW_COMPRESSION = "fsst"
"""Learning it takes half of a small load, whose rows are few; large loads halve the trace ids by it."""
_BLANK_DAYS = 30
"""How long a blank catalog of another version is kept."""
_BLOCK_SIZE = 65_536
"""The smallest with which DuckDB packs bits, by which a long history takes a quarter less; a thousand samples take 4 MB."""


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
        raise UserError(f"{path} is not a readable catalog ({reason}); {remedy}") from error
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
        with _snapshot(store.catalog_path, _ONE_THREAD) as connection:
            if not _is_current(connection, store):
                return None
            return dict(connection.execute("select path, content from store.parts").fetchall())
    except duckdb.Error:
        return None


def _is_current(connection: duckdb.DuckDBPyConnection, store: Store) -> bool:
    """Whether the catalog was built by this SQL, for this root."""
    return connection.execute("select digest from store.layout").fetchone() == (layout_digest(store.root),)


def _snapshot(path: Path, further: dict[str, int] | None = None) -> duckdb.DuckDBPyConnection:
    """The file as it is now: attached, since a process shares what it opens by path, renamed or not."""
    connection = duckdb.connect(config=_CONFIG | (further or {}))
    connection.execute(f"attach {_quoted(str(path))} as catalog (read_only)")
    connection.execute("use catalog")
    return connection


def open_for_loading(
    path: Path, store: Store, num_bytes: int, *, is_new: bool = False
) -> duckdb.DuckDBPyConnection:
    """Open a catalog file that is not published yet, for the loader alone, to take in files of so many bytes."""
    is_small = num_bytes + path.stat().st_size < _SMALL_BYTES
    threads = 1 if is_small else min(_MOST_THREADS, os.cpu_count() or 1)
    further = {"default_block_size": _BLOCK_SIZE, "memory_limit": _MEMORY[is_new], "threads": threads}
    connection = duckdb.connect(path, config=_CONFIG | further)
    if num_bytes < _SMALL_BYTES:  # by a statement: as an option of the connection it has no effect
        connection.execute(f"set disabled_compression_methods = '{_SLOW_COMPRESSION}'")
    _let_read(connection, store)
    return connection


def _let_read(connection: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Let DuckDB read the store's files through the same file system that wrote them."""
    connection.execute("set timezone = 'UTC'")
    if not store.is_local:
        connection.register_filesystem(store.filesystem)


def blank_catalog() -> bytes:
    """A catalog file with all tables and relations, of no root and without rows; made once a machine, and kept in its cache."""
    kept = _kept_blank()
    if kept:
        with suppress(OSError):
            return kept.read_bytes()
    with TemporaryDirectory() as folder:
        made = Path(folder, "catalog.duckdb")
        config = _CONFIG | _ONE_THREAD | {"default_block_size": _BLOCK_SIZE}
        with duckdb.connect(made, config=config) as connection:
            connection.begin()  # else each of hundreds of statements is written to the disk by itself
            create_tables(connection)
            create_relations(connection, "")
            connection.commit()
        data = made.read_bytes()
    if kept:
        with suppress(OSError):  # where nothing can be written it is made each time
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_file(kept, data)
            _forget_old_blanks(kept.parent)
    return data


def _kept_blank() -> Path | None:
    try:
        return cache_folder() / f"blank-{layout_digest('')[:16]}-{duckdb.__version__}.duckdb"
    except RuntimeError:  # nobody's home
        return None


def _forget_old_blanks(folder: Path) -> None:
    """Remove those that versions of weeks ago have made; who still uses one makes it anew."""
    oldest = time.time() - _BLANK_DAYS * 86_400
    for blank in folder.glob("blank-*.duckdb"):
        if blank.stat().st_mtime < oldest:
            blank.unlink(missing_ok=True)


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """An empty catalog's tables, and the macros that loading them uses."""
    from warehouse.records import TRACES  # noqa: PLC0415 - what asks a catalog that is there needs no Arrow

    connection.execute("create schema store")
    connection.register("trace_columns", TRACES.empty_table())
    for made in before_views():
        connection.execute(statement(made.file))
    connection.unregister("trace_columns")


def enter_root(connection: duckdb.DuckDBPyConnection, root: str) -> None:
    """Say whose catalog it is, and by which SQL."""
    connection.execute(statement("load/layout"), {"digest": layout_digest(root), "root": root})


def create_relations(connection: duckdb.DuckDBPyConnection, root: str) -> None:
    """The views and the macros over them, and all comments."""
    below = before_views()
    _create(connection, root, [made for made in definitions() if made not in below])
    _comment(connection, definitions())


def point_to_traces(connection: duckdb.DuckDBPyConnection, root: str) -> None:
    """Let the relations read this root's trace files, or none while there are none."""
    made = [made for made in definitions() if made.key == "traces"]
    _create(connection, root, made)
    _comment(connection, made)


def _create(connection: duckdb.DuckDBPyConnection, root: str, relations: Sequence[Definition]) -> None:
    files = f"{root}/traces/*/*/*.parquet"
    is_bare = not has_traces(connection)
    connection.execute(f"create or replace macro trace_files() as {_quoted(files)}")
    for made in relations:
        is_empty = made.key == "traces" and is_bare  # no file whose columns DuckDB could read
        connection.execute(statement("load/no_traces" if is_empty else made.file))


def has_traces(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether there is a trace file that the views read."""
    return connection.execute("select exists (from store.traces)").fetchone() == (True,)


def refit_relations(connection: duckdb.DuckDBPyConnection, root: str) -> None:
    """Make the relations anew if the trace files' columns are others than theirs, which DuckDB refuses."""
    try:
        connection.execute("from traces limit 0")
    except duckdb.BinderException:
        create_relations(connection, root)


def _comment(connection: duckdb.DuckDBPyConnection, relations: Iterable[Definition]) -> None:
    """Say in the catalog what relations and their columns are; at once, since these are hundreds of sentences."""
    connection.execute(";\n".join(_comments(connection, relations)))


def _comments(connection: duckdb.DuckDBPyConnection, relations: Iterable[Definition]) -> Iterator[str]:
    columns: dict[tuple[str, str], list[str]] = {}
    for schema, relation, column in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() where not internal"
    ).fetchall():
        columns.setdefault((schema, relation), []).append(column)
    for made in relations:
        name = made.key.removesuffix("()")
        yield f"comment on {made.kind} {name} is {_quoted(grain(made.file))}"
        if made.kind in {"table", "view"}:
            for column in columns["store" if made.kind == "table" else "main", made.name]:
                if text := column_comment(made.name, column):
                    yield f"comment on column {name}.{column} is {_quoted(text)}"


def rows(
    catalog: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object] | Sequence[object] = ()
) -> Rows:
    """A statement's rows as mappings."""
    done = catalog.execute(query, values)
    names = [column[0] for column in done.description or ()]
    return [dict(zip(names, row, strict=True)) for row in done.fetchall()]


@cache
def layout_digest(root: str) -> str:
    """What a catalog is built by: every file of `sql/`, the columns of traces, and the root its paths point into."""
    content = hashlib.sha256(root.encode())
    content.update(str(TRACE_COLUMNS).encode())
    for path in sorted(sql_folder().rglob("*.*")):
        content.update(path.name.encode())
        content.update(path.read_bytes())
    return content.hexdigest()


def _quoted(text: str) -> str:
    """A SQL literal, for the places that take no bound value (comments, the body of a macro)."""
    return "'" + text.replace("'", "''") + "'"
