"""Commands that run an experiment or one stage of it. Flows are imported where they run: `--help` stays quick."""

from functools import partial
from typing import Annotated

import typer

from configs.loading import load_experiment, presets
from configs.nightly import is_night, load_nightly, shown_as
from configs.sweep import load_sweep
from flows.commands.options import DEFAULT_ROOT, AsJson, Config, Limit, Overrides, Root, Verbose
from flows.commands.run_flow import Flow, Show, configure_process, perform, run_flow

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
    "grade": (
        "Grade the stored traces of an experiment and record the outcome as a run; nothing is generated.",
        "a2r grade quickstart --set grader.kind=math",
    ),
}
"""What runs a flow over one experiment: its help and its example."""


def _flow(command: str) -> tuple[Flow, Show]:
    """A command's flow, and how its result is printed."""
    from flows import evaluate, stages
    from flows.commands.printing.runs import print_stages, print_summary

    return {
        "run": (evaluate.evaluate, print_summary),
        "explore": (stages.explore, print_stages),
        "synthesize": (stages.synthesize, print_stages),
        "grade": (stages.grade, print_summary),
    }[command]


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
        experiment = load_experiment(config, overrides or ())
        configure_process(verbose=verbose)
        flow, show = _flow(command)
        perform(flow, experiment, root, limit, as_json=as_json, show=show)


for _name, (_help, _example) in EXPERIMENT_COMMANDS.items():
    _add(_name, _help, _example)


@app.command(epilog="Example: a2r check a2r-efficient")
def check(
    config: Annotated[
        str, typer.Argument(help="A preset's name, or the path of an experiment file or of a nightly file.")
    ],
    overrides: Overrides = None,
    limit: Limit = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Validate an experiment or a night, reach the engines, and count what is stored and what a run would cost."""
    if is_night(config):
        if overrides or limit:
            raise typer.BadParameter("a night takes no --set and no --limit; write them into its file.")
        _check_night(config, root, as_json=as_json)
        return
    experiment = load_experiment(config, overrides or ())
    configure_process(verbose=False)
    from flows.commands.printing.checks import print_check
    from tasks.analysis.check import check_experiment

    print_check(check_experiment(experiment, root, limit), as_json=as_json)


def _check_night(config: str, root: str, *, as_json: bool) -> None:
    night = load_nightly(config)
    configure_process(verbose=False)
    from flows.commands.printing.checks import print_night_check
    from tasks.ops.night_check import check_night

    print_night_check(check_night(night, shown_as(config), root), as_json=as_json)


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
    grid = load_sweep(config, overrides or ())
    configure_process(verbose=verbose)
    if dry_run:
        from flows.commands.printing.checks import print_sweep_check
        from tasks.ops.sweep import check_sweep

        print_sweep_check(check_sweep(grid, root, limit), as_json=as_json)
        return
    from flows.commands.printing.runs import print_sweep
    from flows.sweep import sweep as sweep_flow

    run_flow(partial(sweep_flow, grid=grid, root=root, limit=limit), root, as_json=as_json, show=print_sweep)


@app.command("presets", epilog="Example: a2r presets")
def list_presets() -> None:
    """List the shipped experiments."""
    for name, description in presets().items():
        typer.echo(f"{name:<22} {description}")
