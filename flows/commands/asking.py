"""Commands that ask the catalog and print what it says."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.commands.options import DEFAULT_ROOT, AsJson, Root

app = typer.Typer()


@app.command(epilog='Example: a2r sql "select stage, accuracy from leaderboard" --format csv')
def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement (DuckDB's dialect).")],
    form: Annotated[
        Literal["table", "csv", "json", "parquet"], typer.Option("--format", help="How to print the rows.")
    ] = "table",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")] = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Ask the catalog. Relations: problems, traces, samples, grades, runs, leaderboard, metrics, …"""
    from tasks.ask import answer_query

    answer_query(query, form, output, root)


@app.command(epilog="Example: a2r show 17")
def show(
    problem_id: Annotated[str, typer.Argument(help="A problem's id, as in the relation `problems`.")],
    run_id: Annotated[str | None, typer.Option("--run", help="Which run; the latest that has it.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Also print the reasoning of every trace.")] = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Show a problem: question, gold answer, each reference with its verdict, the synthesizer's answers."""
    from tasks.ask import show_problem

    show_problem(problem_id, run_id, root, full=full)


@app.command(epilog="Example: a2r compare BASELINE_RUN_ID RUN_ID")
def compare(
    run_ids: Annotated[
        list[str], typer.Argument(metavar="RUN RUN…", help="The baseline, then what is held against it.")
    ],
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Compare runs with the first one, paired by problem; exit 3 if a metric fell significantly."""
    if len(run_ids) < 2:  # noqa: PLR2004 - two make a comparison
        raise typer.BadParameter('name two runs or more; `a2r sql "from runs"` lists them.')
    from tasks.compare import compare_runs

    compare_runs(run_ids, root, as_json=as_json)
