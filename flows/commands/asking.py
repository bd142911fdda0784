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


@app.command(epilog="Example: a2r compare quickstart~1 quickstart     a2r compare --baseline 7 quickstart")
def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN RUN…",
            help="The baseline, then what is held against it: run ids, `latest`, or an experiment for its newest "
            "run; `~1` behind it for the one before.",
        ),
    ] = None,
    baseline: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="Hold one run (the latest unless named) against the mean of the last K runs of its experiment "
            "and benchmark before it.",
        ),
    ] = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Compare runs with the first one, or a night with those before it, paired by problem; exit 3 if a metric fell.

    The verdict is corrected for the number of comparisons (Holm): `fell` or `rose` where the change is significant,
    `same` where it is not, `unknown` where two problems are missing.
    """
    if baseline is None and len(runs or ()) < 2:  # noqa: PLR2004 - two make a comparison
        raise typer.BadParameter(
            'name two runs or more, or give --baseline K; `a2r sql "from runs"` lists the runs.'
        )
    if baseline is not None and len(runs or ()) > 1:
        raise typer.BadParameter("--baseline holds one run against those before it; name one run or none.")
    from tasks.compare import compare_runs

    compare_runs(runs or (), root, baseline=baseline, as_json=as_json)
