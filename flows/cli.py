"""The command line `a2r`: its commands stand in `flows.commands`, one module a concern."""

import typer

from flows.commands import analysis, research, root, running, serving
from flows.commands.process import print_user_errors

app = typer.Typer(
    name="a2r",
    help="Asymmetric two-stage reasoning: explore in parallel, synthesize, grade, ask in SQL.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for commands in (running, analysis, root, serving, research):
    app.add_typer(commands.app)


def main() -> None:
    """Entry point of `a2r`."""
    print_user_errors(app)
