"""The command that trains the small models. Torch is imported in the lessons' own processes."""

from functools import partial
from typing import Annotated

import typer

from configs.training import load_training
from flows.commands.options import DEFAULT_ROOT, AsJson, Root, Verbose
from tasks.orchestration import carry_out, configure_process

app = typer.Typer()


@app.command(epilog="Example: a2r train tiny --root /tmp/models")
def train(
    config: Annotated[str, typer.Argument(help="The path of a training file, or the name of a shipped one.")],
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Train a family of small models; what is finished is not trained again (needs the extra `train`)."""
    training = load_training(config)
    configure_process(verbose=verbose)
    from flows.train import train as train_flow
    from tasks.train import print_training

    carry_out(partial(train_flow, training=training, root=root), root, as_json=as_json, show=print_training)
