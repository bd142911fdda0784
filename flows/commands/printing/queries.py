"""The rows of a query, as a table or in a file's format; and one problem with its traces."""

import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Literal

import duckdb
import orjson
from rich.console import Console
from rich.markup import escape as escaped_markup
from rich.panel import Panel
from rich.table import Table

from configs.schema import UserError
from flows.commands.terminal import table_console
from tasks.analysis.queries import ProblemView, TraceView

OutputFormat = Literal["table", "csv", "json", "parquet"]
MAX_TABLE_ROWS = 200
"""Rows a terminal table prints; the file formats print all."""
_COLOURS = {"correct": "green", "wrong": "red"}
_VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | dict.fromkeys(
    range(127, 160), 65533
)
"""What a terminal would obey, as pictures of it: models and servers write stored texts, not we."""


def print_rows(
    relation: duckdb.DuckDBPyRelation, output_format: OutputFormat, output: Path | None = None
) -> None:
    """Print the rows, or write them to a file. Raises UserError for Parquet without a file."""
    if output_format == "parquet" and output is None:
        raise UserError("--format parquet writes a file; name it with --output rows.parquet.")
    match output_format:
        case "table":
            _print_table(relation)
        case "csv":
            _write_csv(relation, output)
        case "parquet":
            relation.to_parquet(str(output))
        case "json":
            _write_json(relation, output)


def print_problem(problem: ProblemView, *, full: bool) -> None:
    """The question and every trace with its verdict; with `full` also the reasoning."""
    console = Console()
    title, gold = f"problem {_escape(problem.problem_id)}", f"gold: {_escape(problem.gold)}"
    console.print(Panel(_escape(problem.question), title=title, subtitle=gold))
    for trace in problem.traces:
        colour = _COLOURS.get(trace.verdict or "", "yellow")
        hand = f" · by hand: {_escape(trace.decided_by or '')}" if trace.is_by_hand else ""
        extracted = f" · {_escape(trace.extracted)}" if trace.extracted is not None else ""
        points = "" if trace.points is None else f", {trace.points:.2f} points"
        verdict = f"[{colour}]{trace.verdict or 'not graded'}{points}[/]"
        console.print(
            Panel(
                _escape(_text(trace, full=full)),
                title=f"{trace.stage} {trace.sample_index}: {verdict}{hand}{extracted}",
                subtitle=(f"{_escape(trace.why_by_hand)} · " if trace.why_by_hand else "")
                + f"{_cell(trace.num_tokens)} tokens · seed {_cell(trace.seed)}",
                title_align="left",
            )
        )
    console.print(f"run {problem.run_id}", highlight=False)


def _escape(text: str) -> str:
    """A stored text as it can be printed: neither the terminal nor rich takes any of it for a command."""
    return escaped_markup(text.translate(_VISIBLE))


def _text(trace: TraceView, *, full: bool) -> str:
    text = trace.answer if trace.error is None else trace.error
    if text is None:
        text = "this trace was not made"
    return f"{trace.reasoning}\n\n{text}" if full and trace.reasoning else text


def _print_table(relation: duckdb.DuckDBPyRelation) -> None:
    console, table = table_console(), Table()
    for name in relation.columns:
        table.add_column(name, overflow="fold")
    rows = relation.fetchmany(MAX_TABLE_ROWS + 1)
    for row in rows[:MAX_TABLE_ROWS]:
        table.add_row(*(_escape(_cell(value)) for value in row))
    console.print(table)
    if len(rows) > MAX_TABLE_ROWS:
        console.print(f"… the first {MAX_TABLE_ROWS} rows; --format csv prints all.")


def _write_csv(relation: duckdb.DuckDBPyRelation, output: Path | None) -> None:
    if output:
        relation.to_csv(str(output))
        return
    # through a pipe: DuckDB would open /dev/stdout anew, and cut off what a file holds already
    reading, writing = os.pipe()
    is_read = True

    def copy() -> None:
        nonlocal is_read
        with os.fdopen(reading, "rb") as rows:
            try:
                shutil.copyfileobj(rows, sys.stdout.buffer)
            except BrokenPipeError:  # whoever reads has enough, as head does
                is_read = False

    sys.stdout.flush()
    copying = threading.Thread(target=copy)
    copying.start()
    try:
        relation.to_csv(f"/dev/fd/{writing}")
    except duckdb.IOException:
        if is_read:
            raise
    finally:
        os.close(writing)
        copying.join()


def _write_json(relation: duckdb.DuckDBPyRelation, output: Path | None) -> None:
    rows = relation.to_arrow_table().to_pylist()
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
