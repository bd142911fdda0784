"""Arguments and options that several commands share."""

from typing import Annotated

import typer

DEFAULT_ROOT = "a2r-data"

NAMED_RUN = (
    "a run's id, `latest`, or an experiment's name for its newest run, with `~1` behind for the one before"
)
"""How every command lets a run be named."""

Config = Annotated[str, typer.Argument(help="A preset's name, or the path of an experiment file.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting; repeatable.")
]
Limit = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Only the first N problems, of a suite those of each benchmark."),
]
Root = Annotated[
    str, typer.Option(envvar="A2R_ROOT", help="Where results are stored: a folder or fsspec URL.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show Prefect's own log.")]
