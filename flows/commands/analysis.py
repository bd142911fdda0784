"""Commands that query the catalog and print what it says."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.commands.options import DEFAULT_ROOT, NAMED_RUN, AsJson, Root
from flows.commands.process import EXIT_REGRESSION

app = typer.Typer()


@app.command(epilog='Example: a2r sql "select stage, accuracy from leaderboard" --format csv')
def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement (DuckDB's dialect).")],
    output_format: Annotated[
        Literal["table", "csv", "json", "parquet"], typer.Option("--format", help="How to print the rows.")
    ] = "table",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead of stdout.")
    ] = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Query the catalog. Relations: problems, traces, samples, grades, runs, leaderboard, metrics, …"""
    from flows.commands.printing.queries import print_rows
    from tasks.analysis.queries import opened_query

    with opened_query(query, root) as relation:
        if relation is not None:
            print_rows(relation, output_format, output)


@app.command(epilog="Example: a2r runs --experiment quickstart")
def runs(
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only runs of this experiment.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="The newest N runs.")] = 20,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """List the runs, newest first: status, problems, headline with its interval, cost, age."""
    from flows.commands.printing.run_list import print_runs
    from tasks.analysis.runs import list_runs

    print_runs(list_runs(root, limit, experiment), as_json=as_json)


@app.command(epilog="Example: a2r show 17")
def show(
    problem_id: Annotated[str, typer.Argument(help="A problem's id, as in the relation `problems`.")],
    run_id: Annotated[
        str | None,
        typer.Option("--run", help=f"{NAMED_RUN}; by default the latest run with this problem."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Also print the reasoning of every trace.")] = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Show a problem: its question, its gold answer, and every trace with its verdict."""
    from flows.commands.printing.queries import print_problem
    from tasks.analysis.queries import problem_traces

    print_problem(problem_traces(problem_id, root, run_id), full=full)


@app.command(epilog="Example: a2r compare quickstart~1 quickstart     a2r compare --baseline 7 quickstart")
def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN RUN…",
            help=f"The baseline, then the runs to compare with it. Each is {NAMED_RUN}.",
        ),
    ] = None,
    baseline: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="Compare one run (by default the latest) with the mean of the last K runs before it of the same "
            "experiment and benchmark.",
        ),
    ] = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Compare runs with the first one, or a night with those before it, paired by problem; exit 3 if a metric fell.

    The verdict is corrected for the number of comparisons (Holm): `fell` or `rose` where the change is significant,
    `same` where it is not, `unknown` where fewer than two problems can be compared.
    """
    if baseline is None and len(runs or ()) < 2:  # noqa: PLR2004 - two make a comparison
        raise typer.BadParameter("name two or more runs, or give --baseline K; `a2r runs` lists the runs.")
    if baseline is not None and len(runs or ()) > 1:
        raise typer.BadParameter("--baseline compares one run with those before it; name one run or none.")
    from flows.commands.printing.comparisons import print_changes
    from tasks.analysis.compare import compare_runs

    changes = compare_runs(runs or (), root, baseline=baseline)
    print_changes(changes, as_json=as_json)
    if any(change.verdict == "fell" for change in changes):
        raise SystemExit(EXIT_REGRESSION)


@app.command(epilog="Example: a2r report --experiment quickstart --output quickstart.html")
def report(
    run_ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN…",
            help=f"Each is {NAMED_RUN}. By default the latest run of every configuration.",
            show_default=False,
        ),
    ] = None,
    experiments: Annotated[
        list[str] | None,
        typer.Option("--experiment", help="Without RUN: only configurations of this experiment; repeatable."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write; an existing one is replaced.")
    ] = Path("report.html"),
    max_text: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Million characters of traces in the page, those of overridden votes first.",
        ),
    ] = 64,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Write one HTML file to read and share: results, charts, every problem and its traces. It needs no network.

    The page stays readable at any size: it unpacks texts on demand, holds at most --max-text of them, and of a text
    longer than 16,000 characters keeps the first 4,000 and the last 12,000. --json prints the page's rows instead.
    """
    from rich.console import Console

    from flows.commands.printing.exchange import print_report
    from tasks.analysis.report.chunks import TextLimits
    from tasks.analysis.report.data import as_json as rows_as_json
    from tasks.analysis.report.data import findings
    from tasks.analysis.report.page import write_findings
    from tasks.progress import PROGRESS
    from warehouse.store import Store

    store = Store(root)
    found = findings(store, run_ids or (), experiments or ())
    if as_json:
        sys.stdout.write(rows_as_json(found).decode())
        return
    with PROGRESS.shown_on(Console(stderr=True)):
        info = write_findings(store, found, output, TextLimits(total=max_text * 1_000_000))
    print_report(info)
