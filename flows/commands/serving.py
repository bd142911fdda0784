"""Commands that keep running: the server, its deployments and a worker."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from configs.nightly import load_nightly
from flows.commands.options import DEFAULT_ROOT, Root
from flows.commands.process import configure_process

app = typer.Typer()


@app.command(epilog="Example: a2r up --nightly my-nightly.yaml --cron '0 2 * * *' --timezone Europe/Berlin")
def up(
    nightly: Annotated[
        str | None,
        typer.Option(help="The night's experiments; absent: the shipped configs/nights/nightly.yaml."),
    ] = None,
    cron: Annotated[str | None, typer.Option(help="When the night runs; absent: as its file says.")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="The schedule's time zone; absent: as its file says.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the Prefect server on loopback.")] = 4200,
    database: Annotated[
        str | None,
        typer.Option(
            envvar=["PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL"],
            metavar="URL",
            help="PostgreSQL in place of SQLite: postgresql://USER:PASSWORD@HOST/DATABASE; better in the environment.",
        ),
    ] = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Start a Prefect server, register the deployments with the nightly schedule, and work them off."""
    night = load_nightly(nightly, cron=cron, timezone=timezone)
    configure_process(verbose=True)
    from tasks.ops.database import keep_history_in
    from tasks.ops.up import serve
    from warehouse.store import Store

    where = Store(root).root
    if told := keep_history_in(database):
        typer.echo(f"history      {told}")

    def register() -> Sequence[Any]:
        from flows.deployments import deployments

        return deployments(night, where)

    serve(where, port, register, pool="a2r")
