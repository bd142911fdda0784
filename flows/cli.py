"""The command line `a2r`: its commands are in `flows.commands`, one module per concern."""

from typing import Annotated

import typer

from flows.commands import analysis, authoring, research, root, running, serving
from flows.commands.process import print_user_errors, spell_in_ascii
from flows.commands.without_pandas import hide_pandas
from tasks.executor.garbage import look_seldom

app = typer.Typer(
    name="a2r",
    help="Asymmetric two-stage reasoning: explore in parallel, synthesize, grade, query in SQL.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for commands in (running, analysis, authoring, root, serving, research):
    app.add_typer(commands.app)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version  # noqa: PLC0415 - no other command needs it

        typer.echo(f"a2r {version('a2r')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of `a2r`."""
    look_seldom()
    hide_pandas()
    spell_in_ascii()
    print_user_errors(app)
