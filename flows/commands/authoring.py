"""Commands for whoever writes a file: a first one, the reference of its settings, a schema for the editor."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.commands.terminal import print_json, print_line

app = typer.Typer()

FileKind = Literal["experiment", "night", "sweep", "training"]


@app.command(
    epilog="Example: a2r init mine.yaml --endpoint http://localhost:8000/v1 --problems problems.jsonl"
)
def init(
    path: Annotated[Path, typer.Argument(help="The experiment file to write.")] = Path("mine.yaml"),
    endpoint: Annotated[
        str, typer.Option(metavar="URL", help="The OpenAI-compatible endpoint, up to and with the version.")
    ] = "http://localhost:8000/v1",
    model: Annotated[str, typer.Option(help="The model's name at the endpoint.")] = "my-model",
    problems: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .jsonl or .csv file; by default two examples are written."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented experiment file, with a schema by which editors complete and check it. Asks nothing."""
    from configs.starting import start_experiment

    for written in start_experiment(path, endpoint, model, problems, force=force):
        print_line(f"wrote {written}")
    print_line(f"\nNext:  a2r check {path}\n       a2r run {path}")


@app.command(epilog="Example: a2r reference experiment")
def reference(
    kind: Annotated[FileKind | None, typer.Argument(help="One kind of file; by default all.")] = None,
) -> None:
    """Print every setting with its type, default and meaning, as Markdown."""
    from configs.reference import reference as page_of

    print_line(page_of(*([kind] if kind else [])))


@app.command(epilog="Example: a2r schema night > night.schema.json")
def schema(
    kind: Annotated[FileKind, typer.Argument(help="The kind of file.")] = "experiment",
) -> None:
    """Print the JSON schema of a kind of file, for editors."""
    from configs.json_schema import schema_of

    print_json(schema_of(kind))
