"""Commands that look after a root: what is in it, whether it is whole."""

from typing import Annotated

import typer

from flows.commands.options import DEFAULT_ROOT, Root

app = typer.Typer()


@app.command(epilog="Example: a2r load --root a2r-data")
def load(
    config: Annotated[  # noqa: ARG001
        str | None, typer.Argument(help="Accepted for symmetry; a root loads as a whole.")
    ] = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Bring the DuckDB catalog up to date with the store; it can be deleted and rebuilt at any time."""
    from tasks.ask import load_root

    load_root(root)


@app.command(epilog="Example: a2r verify --root a2r-data")
def verify(root: Root = DEFAULT_ROOT) -> None:
    """Read every stored file and name every damage; exit 1 if there is any."""
    from tasks.ask import verify_root

    verify_root(root)
