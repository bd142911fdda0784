"""The table at the end of a training, and where a study's page is."""

from rich.console import Console
from rich.table import Table

from flows.commands.run_flow import Shown


def print_training(report: Shown, console: Console, root: str) -> None:  # noqa: ARG001 - the rows name folders
    """The table at the end of `a2r train`."""
    table = Table(title=f"training {report['training']}", title_justify="left", caption_justify="left")
    table.caption = "accuracy: one sample per development problem, temperature 1, at the end of training"
    for heading in report["models"][0] if report["models"] else ():
        table.add_column(heading, justify="left" if heading in {"model", "folder"} else "right")
    for model in report["models"]:
        table.add_row(*map(str, model.values()))
    console.print(table)


def print_study(report: Shown, console: Console, root: str) -> None:  # noqa: ARG001 - the command names it
    """Where the page is, and which models are not trained yet."""
    console.print(f"{report['num_cells']} cells; the page is {report['page']}", highlight=False)
    if report["missing_models"]:
        names = ", ".join(report["missing_models"])
        console.print(f"Not trained yet: {names}. {report['training_command']}", highlight=False)


def print_methods(report: Shown, console: Console, root: str) -> None:  # noqa: ARG001 - the page names what is missing
    """Where the page is, and how many methods it has no number of."""
    console.print(f"{report['num_runs']} runs; the page is {report['page']}", highlight=False)
    if report["missing"]:
        console.print(f"Not in the store yet: {'; '.join(report['missing'])}.", highlight=False)
