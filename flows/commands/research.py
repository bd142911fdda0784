"""Commands that train small models and compare them. Torch runs only in the processes that train."""

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.options import DEFAULT_ROOT, AsJson, Root, Verbose
from flows.commands.process import configure_process

if TYPE_CHECKING:
    from flows.commands.run_flow import Flow

app = typer.Typer()

METHODS = "methods"
"""What `a2r study` is given instead of a training, for the study of methods."""

TrainingConfig = Annotated[
    str, typer.Argument(help="The path of a training file, or the name of a shipped one.")
]


@app.command(epilog="Example: a2r train tiny --root /tmp/models")
def train(
    config: TrainingConfig,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Also train the models that ship with the package.")
    ] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Train a family of small models; finished and shipped models are not trained again (needs the extra `train`)."""
    from configs.training import load_training
    from flows.commands.printing.research import print_training
    from flows.commands.run_flow import run_flow

    training = load_training(config)
    configure_process(verbose=verbose)

    def flow() -> "Flow":
        from flows.train import train as train_flow

        return partial(train_flow, training=training, root=root, from_scratch=from_scratch)

    run_flow(flow, root, as_json=as_json, show=print_training)


@app.command(epilog="Example: a2r study sum3 --problems 1000 --docs /tmp/study")
def study(
    config: Annotated[
        str,
        typer.Argument(
            help=f"The path of a training file, the name of a shipped one, or {METHODS}: every method at equal cost."
        ),
    ],
    problems: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Held-out problems, the same for everything compared; default: 2000; of methods: 1000.",
        ),
    ] = None,
    docs: Annotated[str, typer.Option(help="Folder for the page that is written.")] = "docs/study",
    from_scratch: Annotated[
        bool,
        typer.Option(
            "--from-scratch", help="Only models trained into the root, none that ship with the package."
        ),
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of sampling, of methods.")] = 3,
    only: Annotated[
        list[str] | None, typer.Option(help="Of methods: only this one beside a2r; may be repeated.")
    ] = None,
    only_stored: Annotated[
        bool,
        typer.Option("--stored", help="Of methods: write the page from what the root has, and make nothing."),
    ] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Compare models of all sizes, those that ship with the package and those trained into the root; or methods."""
    from configs.schema import UserError
    from configs.training import load_training
    from flows.commands.printing.research import print_methods, print_study
    from flows.commands.run_flow import run_flow

    training = None if config == METHODS else load_training(config)
    if not find_spec("matplotlib"):
        raise UserError(
            "A study draws its plots with matplotlib; install the extra: pip install 'a2r[study]'."
        )
    configure_process(verbose=verbose)
    if training is None:
        from tasks.research.study.method_study import report_stored
        from tasks.research.study.methods import Scope

        scope = Scope(problems or 1000, seeds, only=frozenset(only or ()))

        def methods_flow() -> "Flow":
            from flows.study import study_methods

            return partial(study_methods, scope, root, docs)

        stored = partial(report_stored, scope, root, docs, is_partial_enough=only_stored)
        run_flow(methods_flow, root, as_json=as_json, show=print_methods, stored=stored)
        return

    def flow() -> "Flow":
        from flows.study import study as study_flow

        return partial(
            study_flow,
            training=training,
            root=root,
            num_problems=problems or 2000,
            docs=docs,
            from_scratch=from_scratch,
        )

    run_flow(flow, root, as_json=as_json, show=print_study)
