"""The SQL of the catalog as a set of files: what each defines and reads, and the order that follows.

`tables/`, `views/` and `macros/` hold one definition a file. DuckDB's own parser says what a definition
reads, so a relation or macro more is a file more, and nothing is listed anywhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from importlib import resources
from pathlib import Path
from typing import Literal, cast

import duckdb
import orjson

Kind = Literal["table", "view", "macro", "macro table"]

_HEAD = re.compile(
    r"^create (?:or replace )?(?P<kind>table|view|macro) (?:store\.)?(?P<name>\w+)\s*(?:\([^()]*\)\s*)?"
    r"(?:as\s+(?P<rows>table\s+)?(?P<body>\S.*))?$",
    re.MULTILINE | re.DOTALL,
)
"""A macro's parameters, or a table's columns, stand in the parentheses; a table of columns has no body."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One file of `tables/`, `views/` or `macros/`."""

    file: str
    """Name of the statement, such as `views/metrics`."""
    kind: Kind
    name: str
    reads: frozenset[str]
    """Keys of the definitions that have to be there before."""

    @property
    def key(self) -> str:
        """Its name as statements write it, macros with `()`: they may be called like a relation."""
        match self.kind:
            case "table":
                return f"store.{self.name}"
            case "view":
                return self.name
            case _:
                return f"{self.name}()"


@cache
def definitions() -> tuple[Definition, ...]:
    """All definitions, each behind those it reads, otherwise by kind and name. Raises ValueError, CycleError."""
    files = [
        f"{folder}/{path.stem}"
        for folder in ("tables", "views", "macros")
        for path in sorted(sql_folder().joinpath(folder).glob("*.sql"))
    ]
    with duckdb.connect() as parser:
        found = {made.key: made for made in (_definition(parser, file) for file in files)}
    graph = {key: sorted(made.reads & found.keys() - {key}) for key, made in found.items()}
    return tuple(found[key] for key in TopologicalSorter(graph).static_order())


def of_kind(*kinds: Kind) -> list[Definition]:
    """The definitions of these kinds by name."""
    return sorted((made for made in definitions() if made.kind in kinds), key=lambda made: made.name)


def before_views() -> list[Definition]:
    """In order, what reads no view, at no remove: what loading builds on."""
    above: set[str] = set()
    for made in definitions():
        if made.kind == "view" or made.reads & above:
            above.add(made.key)
    return [made for made in definitions() if made.key not in above]


@cache
def statement(name: str) -> str:
    """The one SQL statement of `sql/<name>.sql`."""
    return sql_folder().joinpath(f"{name}.sql").read_text(encoding="utf-8")


def grain(name: str) -> str:
    """The first line of a statement: what one row is, or what a macro gives."""
    return statement(name).splitlines()[0].removeprefix("-- ")


def column_comment(relation: str, column: str) -> str | None:
    """What a column means: the relation's own words, else those shared by all relations that have it."""
    comments = _column_comments()
    return comments["relations"].get(relation, {}).get(column) or comments["shared"].get(column)


def sql_folder() -> Path:
    """Where the SQL is."""
    return Path(str(resources.files("warehouse"))) / "sql"


@cache
def _column_comments() -> dict[str, dict]:
    from configs.parsing import read_yaml  # noqa: PLC0415 - a catalog that is there holds its comments

    return read_yaml(sql_folder().joinpath("columns.yaml").read_text(encoding="utf-8"))


def _definition(parser: duckdb.DuckDBPyConnection, file: str) -> Definition:
    match = _HEAD.search(statement(file))
    if not match:
        raise ValueError(f"sql/{file}.sql does not begin with `create … table|view|macro NAME`.")
    if match["name"] != file.rsplit("/", 1)[-1]:
        raise ValueError(f"sql/{file}.sql defines {match['name']}; give file and definition the same name.")
    kind = cast("Kind", "macro table" if match["rows"] else match["kind"])
    body = f"select {match['body']}" if kind == "macro" else match["body"]
    return Definition(file, kind, match["name"], _reads(parser, file, body) if body else frozenset())


def _reads(parser: duckdb.DuckDBPyConnection, file: str, query: str) -> frozenset[str]:
    """Tables and functions in a query, its own common table expressions left out."""
    row = parser.execute("select json_serialize_sql(?)", [query]).fetchone()
    parsed = orjson.loads(row[0]) if row else {}
    if parsed.get("error"):
        raise ValueError(f"sql/{file}.sql cannot be parsed: {parsed.get('error_message')}")
    nodes = list(_nodes(parsed))
    own = {entry["key"] for node in nodes for entry in node.get("cte_map", {}).get("map", ())}
    tables = {
        ".".join(filter(None, (node["schema_name"], node["table_name"])))
        for node in nodes
        if node.get("type") == "BASE_TABLE"
    }
    functions = {f"{node['function_name']}()" for node in nodes if node.get("class") == "FUNCTION"}
    return frozenset(tables - own | functions)


def _nodes(value: object) -> Iterator[dict]:
    """Every object in a parsed statement."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nodes(part)
