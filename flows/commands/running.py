"""Commands that run an experiment or one stage of it. Flows are imported where they run: `--help` stays quick."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.options import DEFAULT_ROOT, AsJson, Config, Limit, Overrides, Root, Verbose
from flows.commands.process import configure_process
from flows.commands.terminal import print_line

if TYPE_CHECKING:
    from configs.experiment import Experiment
    from flows.commands.run_flow import Flow, Show

app = typer.Typer()


EXPERIMENT_COMMANDS = {
    "run": (
        "Run an experiment: explore, synthesize, grade, load. Only what is missing is generated.",
        "a2r run quickstart --set explorer.sampling.n=8",
    ),
    "explore": (
        "Generate the missing explorer traces of an experiment.",
        "a2r explore quickstart --limit 20",
    ),
    "synthesize": (
        "Generate the missing synthesizer traces from the explorer traces that are stored.",
        "a2r synthesize quickstart --set synthesizer.sampling.n=4",
    ),
}
"""What runs a flow over one experiment and nothing else: its help and its example."""


def _flow(command: str) -> "Flow":
    """A command's flow; each that is imported takes a tenth of a second for its run form."""
    if command == "run":
        from flows.evaluate import evaluate

        return evaluate
    from flows import stages

    return getattr(stages, command)


def _show(command: str) -> "Show":
    """How a command's result is printed."""
    from flows.commands.printing.runs import print_stages, print_summary

    return print_summary if command in {"run", "grade"} else print_stages


def _announcement(command: str, experiment: "Experiment", root: str, limit: int | None) -> str:
    """What is run, on how many problems, where: known before anything is read or imported."""
    count = getattr(experiment.benchmark, "count", None)
    known = [number for number in (count, limit) if number]
    each = " of each benchmark" if hasattr(experiment.benchmark, "of") else ""
    problems = f" on {min(known)} problems{each}" if known else ""
    return f"a2r {command}: {experiment.name}{problems}, results in {root}"


def _perform(command: str, experiment: "Experiment", root: str, limit: int | None, *, as_json: bool) -> None:
    from tasks.executor.server import Reporting

    reporting = Reporting(root)
    if _never_ran(experiment, root):
        reporting.begin()  # a server takes longest to start: the rest is imported beside it
    from flows.commands.run_flow import run_flow
    from flows.commands.stored import PARTS, run_stored

    run_flow(
        lambda: partial(_flow(command), experiment=experiment, root=root, limit=limit),
        root,
        as_json=as_json,
        show=_show(command),
        stored=lambda: run_stored(experiment, root, limit, PARTS[command]),
        reporting=reporting,
    )


def _never_ran(experiment: "Experiment", root: str) -> bool:
    """Whether a look at a root shows that no run of the experiment is on record; cheap, before anything is planned."""
    from warehouse.store import Store

    try:
        runs = Store(root).names("runs", ".json")
    except OSError:  # what is wrong with the root is told where it is opened
        return False
    return not any(f"-{experiment.name}-" in name for name in runs)


def _add(command: str, help_text: str, example: str) -> None:
    @app.command(command, help=help_text, epilog=f"Example: {example}")
    def perform_it(
        config: Config,
        overrides: Overrides = None,
        limit: Limit = None,
        root: Root = DEFAULT_ROOT,
        as_json: AsJson = False,
        verbose: Verbose = False,
    ) -> None:
        from configs.loading import load_experiment

        experiment = load_experiment(config, overrides or ())
        print_line(_announcement(command, experiment, root, limit), stderr=True)
        configure_process(verbose=verbose)
        _perform(command, experiment, root, limit, as_json=as_json)


for _name, (_help, _example) in EXPERIMENT_COMMANDS.items():
    _add(_name, _help, _example)


@app.command(
    epilog="Example: a2r grade quickstart --set grader.kind=math     a2r grade --override corrections.csv"
)
def grade(
    config: Annotated[
        str | None,
        typer.Argument(
            help="A preset's name, or the path of an experiment file. May be left out with --override."
        ),
    ] = None,
    overrides: Overrides = None,
    limit: Limit = None,
    override: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Enter verdicts by hand, above every grader: CSV or JSON lines with trace or problem (and perhaps "
            "answer), verdict, who, why. Rows that a file of this name had before and lacks now are withdrawn.",
        ),
    ] = None,
    withdraw: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Withdraw all verdicts by hand that came from this file."),
    ] = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Grade the stored traces of an experiment and record the outcome as a run; nothing is generated."""
    if config is None and override is None and withdraw is None:
        raise typer.BadParameter("name an experiment, or give --override FILE or --withdraw FILE.")
    from configs.loading import load_experiment

    experiment = load_experiment(config, overrides or ()) if config else None
    configure_process(verbose=verbose)
    if override is not None or withdraw is not None:
        from flows.commands.printing.by_hand import print_override
        from tasks.grading.by_hand import change

        print_override(change(root, withdraw, override), as_json=as_json, is_all=experiment is None)
    if experiment:
        print_line(_announcement("grade", experiment, root, limit), stderr=True)
        _perform("grade", experiment, root, limit, as_json=as_json)


@app.command(epilog="Example: a2r check a2r-efficient")
def check(
    config: Annotated[
        str,
        typer.Argument(
            help="A preset's name, or the path of an experiment file, a nightly file or a sweep file."
        ),
    ],
    overrides: Overrides = None,
    limit: Limit = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Validate an experiment, a night or a sweep, reach the engines, and count what is stored and what a run would cost."""
    from configs.loading import load_experiment
    from configs.nightly import is_night
    from configs.sweep import is_sweep

    if is_night(config):
        if overrides or limit:
            raise typer.BadParameter("a night takes no --set and no --limit; write them into its file.")
        _check_night(config, root, as_json=as_json)
        return
    if is_sweep(config):
        _check_sweep(config, overrides, limit, root, as_json=as_json)
        return
    experiment = load_experiment(config, overrides or ())
    configure_process(verbose=False)
    from rich.console import Console

    from flows.commands.printing.checks import print_check
    from tasks.analysis.check import check_experiment
    from tasks.progress import PROGRESS

    with PROGRESS.shown_on(Console(stderr=True)):
        report = check_experiment(experiment, root, limit)
    print_check(report, as_json=as_json)
    _end_without(report.absent)


def _check_night(config: str, root: str, *, as_json: bool) -> None:
    from configs.nightly import load_nightly, shown_as

    night = load_nightly(config)
    configure_process(verbose=False)
    from flows.commands.printing.checks import print_night_check
    from tasks.ops.night_check import check_night

    print_night_check(check_night(night, shown_as(config), root), as_json=as_json)


def _check_sweep(
    config: str, overrides: list[str] | None, limit: int | None, root: str, *, as_json: bool
) -> None:
    from configs.sweep import load_sweep

    grid = load_sweep(config, overrides or ())
    configure_process(verbose=False)
    from flows.commands.printing.checks import print_sweep_check
    from tasks.ops.sweep_check import check_sweep

    report = check_sweep(grid, root, limit)
    print_sweep_check(report, as_json=as_json)
    _end_without(report.absent)


def _end_without(absent: tuple[str, ...]) -> None:
    """Exit with 2 and these sentences where an engine is not installed here: counted and priced, but not to be run."""
    from configs.schema import UserError

    if absent:
        raise UserError("\n".join(absent))


@app.command(epilog="Example: a2r sweep references --dry-run")
def sweep(
    config: Annotated[str, typer.Argument(help="The path of a sweep file, or the name of a shipped one.")],
    overrides: Overrides = None,
    limit: Limit = None,
    root: Root = DEFAULT_ROOT,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count the cells and what would be generated.")
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Run an experiment over a grid of settings; what cells share is generated once."""
    if dry_run:
        _check_sweep(config, overrides, limit, root, as_json=as_json)
        return
    from configs.sweep import load_sweep

    grid = load_sweep(config, overrides or ())
    configure_process(verbose=verbose)
    from flows.commands.printing.runs import print_sweep
    from flows.commands.run_flow import run_flow

    def flow() -> "Flow":
        from flows.sweep import sweep as sweep_flow

        return partial(sweep_flow, grid=grid, root=root, limit=limit)

    run_flow(flow, root, as_json=as_json, show=print_sweep)


@app.command("presets", epilog="Example: a2r presets")
def list_presets() -> None:
    """List the shipped experiments."""
    from configs.loading import presets

    for name, description in presets().items():
        typer.echo(f"{name:<22} {description}")
