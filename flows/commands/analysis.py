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
    from tasks.analysis.queries import answer_query

    answer_query(query, form, output, root)


@app.command(epilog="Example: a2r show 17")
def show(
    problem_id: Annotated[str, typer.Argument(help="A problem's id, as in the relation `problems`.")],
    run_id: Annotated[str | None, typer.Option("--run", help="Which run; the latest that has it.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Also print the reasoning of every trace.")] = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Show a problem: question, gold answer, each reference with its verdict, the synthesizer's answers."""
    from tasks.analysis.queries import show_problem

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
    from tasks.analysis.compare import compare_runs

    compare_runs(runs or (), root, baseline=baseline, as_json=as_json)


@app.command(epilog="Example: a2r report --experiment quickstart --output quickstart.html")
def report(
    run_ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN…", help="Absent: the latest run of every configuration.", show_default=False
        ),
    ] = None,
    experiments: Annotated[
        list[str] | None,
        typer.Option("--experiment", help="Without RUN: only configurations of this experiment; repeatable."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file; an existing one is replaced.")
    ] = Path("report.html"),
    max_text: Annotated[
        int,
        typer.Option(
            min=0, help="Millions of characters of traces in the page, those of overridden votes first."
        ),
    ] = 64,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Write one HTML file to read and pass on: results, charts, every problem and its traces. It needs no network.

    The page stays readable at any size: it opens texts by need, holds --max-text of them, and of a text
    longer than 16,000 characters the first quarter and the last three of that length. --json prints its rows instead.
    """
    from tasks.analysis.report.command import report_runs
    from tasks.analysis.report.texts import TextLimits

    limits = TextLimits(total=max_text * 1_000_000)
    report_runs(run_ids or (), experiments or (), root, output, limits, as_data=as_json)
