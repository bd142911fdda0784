"""Commands that keep running: the server with its deployments and a worker, and the viewer of a root."""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from flows.commands.options import DEFAULT_ROOT, Root
from flows.commands.process import configure_process

app = typer.Typer()


@app.command(epilog="Example: a2r up --nightly my-nightly.yaml --cron '0 2 * * *' --timezone Europe/Berlin")
def up(
    nightly: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The night's experiments; by default the shipped configs/nights/nightly.yaml.",
        ),
    ] = None,
    cron: Annotated[
        str | None, typer.Option(metavar="CRON", help="When the night runs; by default as its file says.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="The schedule's time zone; by default as its file says."),
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the Prefect server on loopback.")] = 4200,
    database: Annotated[
        str | None,
        typer.Option(
            envvar=["PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL"],
            metavar="URL",
            help="PostgreSQL instead of SQLite: postgresql://USER:PASSWORD@HOST/DATABASE; safer in the environment.",
        ),
    ] = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Start a Prefect server, register the deployments with the nightly schedule, and run a worker for them."""
    from configs.nightly import load_nightly, shown_as
    from flows.commands.terminal import print_line

    night = load_nightly(nightly, cron=cron, timezone=timezone)
    configure_process(verbose=True)
    from tasks.analysis.mistakes import loaded_night
    from tasks.ops.alone import alone
    from tasks.ops.database import keep_history_in
    from tasks.ops.night_watch import moment
    from tasks.ops.reports import ADDRESS_VARIABLE, served_reports
    from tasks.ops.up import serve
    from warehouse.store import Store

    where = Store(root).root
    loaded_night(night, shown_as(nightly), where)
    if history := keep_history_in(database):
        typer.echo(f"history      {history}")

    def register() -> Sequence[Any]:
        from flows.deployments import deployments

        return deployments(night, where)

    with alone(Store(where), port), served_reports(Store(where), port + 1) as address:
        os.environ[ADDRESS_VARIABLE] = address
        print_line(f"all runs     {address}")
        print_line(f"next night   {moment(night.next_after(datetime.now(UTC)), ZoneInfo(night.timezone))}")
        serve(where, port, register, pool="a2r", say=print_line, timezone=night.timezone)


@app.command(epilog="Example: a2r view     a2r view --root /srv/a2r --port 4300")
def view(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve at; 0 takes a free one.")] = 4210,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen at. Beyond loopback, everyone who reaches it can read every trace."
        ),
    ] = "127.0.0.1",
    root: Root = DEFAULT_ROOT,
) -> None:
    """Serve all runs of a root to a browser: history, charts, differences, and every trace as it happened.

    Traces are read when they are opened, so a root of a million opens as fast as one of a hundred. Runs under way are
    there too, from their first answer on. Nothing is written.
    """
    from flows.commands.terminal import print_line
    from tasks.analysis.report.served import served_root
    from warehouse.store import Store

    with served_root(Store(root), host, port) as (address, serve_until_interrupted):
        print_line(f"{address}   serves {Store(root).root}, read-only, until Ctrl-C")
        with suppress(KeyboardInterrupt):
            serve_until_interrupted()
