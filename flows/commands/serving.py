"""Commands that keep running: the server, its deployments and a worker."""

import os
from collections.abc import Sequence
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
        if address:
            os.environ[ADDRESS_VARIABLE] = address
        else:
            print_line(f"Port {port + 1} is taken, so reports are not served; a night's page names its file.")
        print_line(f"next night   {moment(night.next_after(datetime.now(UTC)), ZoneInfo(night.timezone))}")
        serve(where, port, register, pool="a2r", say=print_line, timezone=night.timezone)
