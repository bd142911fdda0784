"""Commands that run an experiment or a stage of it. Flows are imported where they run: `--help` stays quick."""

from functools import partial
from typing import Annotated

import typer

from configs.loading import load_experiment, presets
from configs.sweep import load_sweep
from flows.commands.options import DEFAULT_ROOT, AsJson, Config, Limit, Overrides, Root, Verbose
from tasks.orchestration import carry_out, configure_process, perform

app = typer.Typer()


@app.command(epilog="Example: a2r run quickstart --set explorer.sampling.n=8")
def run(
    config: Config,
    overrides: Overrides = None,
    limit: Limit = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Run an experiment: explore, synthesize, grade, load. Only what is missing is generated."""
    experiment = load_experiment(config, overrides or ())
    configure_process(verbose=verbose)
    from flows.evaluate import evaluate
    from tasks.publish import print_summary

    perform(evaluate, experiment, root, limit, as_json=as_json, show=print_summary)


@app.command(epilog="Example: a2r explore quickstart --limit 20")
def explore(
    config: Config,
    overrides: Overrides = None,
    limit: Limit = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Make the missing explorer traces of an experiment."""
    experiment = load_experiment(config, overrides or ())
    configure_process(verbose=verbose)
    from flows.stages import explore as explore_flow
    from tasks.publish import print_stages

    perform(explore_flow, experiment, root, limit, as_json=as_json, show=print_stages)


@app.command(epilog="Example: a2r synthesize quickstart --set synthesizer.sampling.n=4")
def synthesize(
    config: Config,
    overrides: Overrides = None,
    limit: Limit = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Make the missing synthesizer traces from the explorer traces that are stored."""
    experiment = load_experiment(config, overrides or ())
    configure_process(verbose=verbose)
    from flows.stages import synthesize as synthesize_flow
    from tasks.publish import print_stages

    perform(synthesize_flow, experiment, root, limit, as_json=as_json, show=print_stages)


@app.command(epilog="Example: a2r grade quickstart --set grader.kind=math")
def grade(
    config: Config,
    overrides: Overrides = None,
    limit: Limit = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Grade the stored traces of an experiment and record the outcome as a run; generate nothing."""
    experiment = load_experiment(config, overrides or ())
    configure_process(verbose=verbose)
    from flows.stages import grade as grade_flow
    from tasks.publish import print_summary

    perform(grade_flow, experiment, root, limit, as_json=as_json, show=print_summary)


@app.command(epilog="Example: a2r check a2r-efficient")
def check(
    config: Config,
    overrides: Overrides = None,
    limit: Limit = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Validate an experiment, reach its engines, and count what is stored and what a run would cost."""
    experiment = load_experiment(config, overrides or ())
    configure_process(verbose=False)
    from tasks.asking.check import check_experiment

    check_experiment(experiment, root, limit, as_json=as_json)


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
    from tasks.operating.sweep import check_sweep, print_sweep

    if dry_run:
        check_sweep(grid, root, limit, as_json=as_json)
        return
    from flows.sweep import sweep as sweep_flow

    carry_out(partial(sweep_flow, grid=grid, root=root, limit=limit), root, as_json=as_json, show=print_sweep)


@app.command("presets")
def list_presets() -> None:
    """List the shipped experiments."""
    for name, description in presets().items():
        typer.echo(f"{name:<22} {description}")
