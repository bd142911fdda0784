"""What people ask of a catalog: one SQL statement, one problem's traces."""

import sys
from pathlib import Path
from typing import Any

import duckdb
import orjson
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from configs.schema import UserError
from tasks.terminal import table_console
from warehouse.catalog import connect, statement
from warehouse.store import Store

MAX_TABLE_ROWS = 200
"""Rows a terminal table prints; the file formats print all."""


def answer_query(query: str, form: str, output: Path | None, root: str) -> None:
    """Run one statement read-only and print or write its rows. Raises UserError for SQL errors."""
    store = Store(root)
    with connect(store) as catalog:
        try:
            relation = catalog.sql(query)
            if relation is None:
                return
            if form == "table":
                _print_table(relation, table_console())
            else:
                _write(relation, form, output)
        except duckdb.Error as error:
            raise UserError(f"SQL: {error}") from error


def show_problem(problem_id: str, run_id: str | None, root: str, *, full: bool) -> None:
    """Print one problem and its traces in a run. Raises UserError where there is none."""
    store, console = Store(root), Console()
    with connect(store) as catalog:
        asked = {"problem_id": problem_id, "run_id": run_id}
        found = catalog.execute(statement("asking/problem"), asked).fetchone()
        if found is None:
            some = catalog.execute("select distinct problem_id from samples order by 1 limit 5").fetchall()
            examples = ", ".join(row[0] for row in some) or "none yet; run an experiment first"
            where = f" in run {run_id}" if run_id else ""
            raise UserError(f"No problem {problem_id}{where} under {store.root}; there are: {examples}.")
        run, question, gold, digest = found
        asked = {"run_id": run, "problem_id": problem_id, "problem_digest": digest}
        rows = catalog.execute(statement("asking/answers"), asked).fetchall()
    console.print(Panel(escape(question), title=f"problem {problem_id}", subtitle=f"gold: {escape(gold)}"))
    for stage, index, verdict, extracted, tokens, seed, reasoning, answer, error in rows:
        text = answer if error is None else error
        text = "no such trace was made" if text is None else text
        if full and reasoning:
            text = f"{reasoning}\n\n{text}"
        console.print(
            Panel(
                escape(text or ""),
                title=f"{stage} {index}: [{_colour(verdict)}]{verdict or 'not graded'}[/]"
                + (f" · {escape(extracted)}" if extracted is not None else ""),
                subtitle=f"{_cell(tokens)} tokens · seed {_cell(seed)}",
                title_align="left",
            )
        )
    console.print(f"run {run}", highlight=False)


def _print_table(relation: duckdb.DuckDBPyRelation, console: Console) -> None:
    table = Table()
    for name in relation.columns:
        table.add_column(name, overflow="fold")
    rows = relation.fetchmany(MAX_TABLE_ROWS + 1)
    for row in rows[:MAX_TABLE_ROWS]:
        table.add_row(*(escape(_cell(value)) for value in row))
    console.print(table)
    if len(rows) > MAX_TABLE_ROWS:
        console.print(f"… the first {MAX_TABLE_ROWS} rows; --format csv prints all.")


def _write(relation: duckdb.DuckDBPyRelation, form: str, output: Path | None) -> None:
    if form == "parquet" and output is None:
        raise UserError("--format parquet writes a file; name it with --output rows.parquet.")
    path = str(output) if output else "/dev/stdout"
    sys.stdout.flush()
    match form:
        case "csv":
            relation.to_csv(path)
        case "parquet":
            relation.to_parquet(path)
        case _:
            _write_json(relation.to_arrow_table().to_pylist(), output)


def _write_json(rows: list[dict[str, Any]], output: Path | None) -> None:
    data = orjson.dumps(rows, default=str, option=orjson.OPT_INDENT_2) + b"\n"
    if output:
        output.write_bytes(data)
    else:
        sys.stdout.write(data.decode())


def _cell(value: object) -> str:
    match value:
        case None:
            return "–"
        case float():
            return f"{value:.6g}"
        case _:
            return str(value)


def _colour(verdict: str | None) -> str:
    return {"correct": "green", "wrong": "red"}.get(verdict or "", "yellow")
