"""Commands that look after a root: what comes into it, what is in it, whether it is whole."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.commands.options import DEFAULT_ROOT, AsJson, Overrides, Root, Verbose
from flows.commands.process import configure_process, perform

app = typer.Typer()


@app.command(epilog="Example: a2r load --root a2r-data")
def load(
    config: Annotated[  # noqa: ARG001
        str | None, typer.Argument(help="Accepted for symmetry; a root loads as a whole.")
    ] = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Bring the DuckDB catalog up to date with the store; it can be deleted and rebuilt at any time."""
    from tasks.ops.upkeep import load_root

    load_root(root)


@app.command(epilog="Example: a2r verify --root a2r-data")
def verify(root: Root = DEFAULT_ROOT) -> None:
    """Read every stored file and name every damage; exit 1 if there is any."""
    from tasks.ops.upkeep import verify_root

    verify_root(root)


@app.command(
    "import", epilog="Example: a2r import lm_eval_output/samples_gsm8k_2026-11-24T21-48-59.697725.jsonl"
)
def import_outputs(
    logs: Annotated[
        list[Path],
        typer.Argument(
            metavar="LOG…",
            help="A log of lm-evaluation-harness, Inspect or NeMo-Skills, a JSONL or Parquet file, or a folder with a log.",
        ),
    ],
    form: Annotated[
        Literal["lm_eval", "inspect", "nemo_skills", "rows"] | None,
        typer.Option("--format", help="What the log is; absent: seen from its content."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model's name, where the log has none.")] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="What to call the problems; absent: the log's task.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The experiment's name.")] = None,
    question: Annotated[str | None, typer.Option(help="Column with the problem's text.")] = None,
    outputs: Annotated[str | None, typer.Option(help="Column with one output or a list of them.")] = None,
    gold: Annotated[str | None, typer.Option(help="Column with the gold answer.")] = None,
    gold_after: Annotated[
        str | None,
        typer.Option(metavar="MARK", help="Take the gold answer from behind a mark (GSM8K: ####)."),
    ] = None,
    identity: Annotated[str | None, typer.Option("--id", help="Column with the problem's id.")] = None,
    scores: Annotated[
        str | None, typer.Option(help="Column with a reward model's score of each output (plain rows).")
    ] = None,
    verdict: Annotated[
        str | None, typer.Option(help="Column with the file's own verdict on each output (plain rows).")
    ] = None,
    overrides: Overrides = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Import outputs that exist already: they become problems, traces and a graded run; nothing is generated."""
    configure_process(verbose=verbose)
    from flows.evaluate import evaluate
    from tasks.exchange.imports.importing import import_log
    from tasks.exchange.imports.outcome import print_import, run_of
    from tasks.exchange.imports.samples import Options
    from tasks.publish import print_summary

    options = Options(question, outputs, gold, gold_after, identity, scores, verdict)
    imported = import_log(
        logs, root, options, form=form, model=model, benchmark=benchmark, name=name, overrides=overrides or ()
    )
    print_import(imported, as_json=as_json)
    flow = run_of(imported, evaluate, root)
    perform(flow, imported.experiment, root, None, as_json=as_json, show=print_summary)


@app.command(epilog="Example: a2r export latest --to traces --format hf")
def export(
    run: Annotated[str, typer.Argument(help="A run's id, `latest`, or an experiment for its newest run.")],
    to: Annotated[Path, typer.Option(help="The folder to make.")],
    form: Annotated[
        Literal["parquet", "csv", "hf", "trl-sft", "trl-grpo", "trl-dpo", "verl"],
        typer.Option("--format", help="Tables, a Hugging Face data set, or a training set of TRL or verl."),
    ] = "parquet",
    stage: Annotated[
        Literal["explore", "synthesize"] | None,
        typer.Option(help="Only this stage's traces; of training sets: whose prompts (the synthesizer's)."),
    ] = None,
    keep: Annotated[
        Literal["correct", "any"] | None,
        typer.Option(help="Which traces; trl-sft keeps the correct ones, tables any."),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="The synthesizer's prompt, for a run without a synthesizer.")
    ] = None,
    references: Annotated[
        int | None, typer.Option(min=1, help="References a prompt shows, for a run without a synthesizer.")
    ] = None,
    data_source: Annotated[
        str | None, typer.Option(help="verl's name of the reward function, such as math_dapo.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Write a run's traces, or training prompts made of them, into a folder."""
    from tasks.exchange.exports.exporting import Request, export_run

    is_correct = keep == "correct" or (keep is None and form == "trl-sft")
    request = Request(form, stage, is_correct, prompt, references, data_source)
    export_run(run, to, root, request, force=force)


@app.command(epilog="Example: a2r compact --root a2r-data")
def compact(
    root: Root = DEFAULT_ROOT,
    fewest: Annotated[int, typer.Option(min=2, help="Leave alone what has fewer small files.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Merge many small files into few big ones; nothing that any query shows is lost, runs may go on."""
    from tasks.ops.upkeep import compact_root

    compact_root(root, fewest, as_json=as_json)


@app.command(epilog="Example: a2r prune --older-than 90d --keep-last 5")
def prune(
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Runs started longer ago: 12h, 30d, 8w.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Runs of these experiments: a name, or 'sweep.*'.")
    ] = None,
    keep_last: Annotated[
        int | None, typer.Option(min=0, metavar="K", help="Keep each experiment's newest K runs.")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", "--yes", help="Remove it; without this it is only told.")
    ] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Say what old runs would free, or free it: runs that all given options name, and what only they wanted."""
    from tasks.ops.upkeep import prune_root
    from warehouse.pruning import Selection, age_of

    selection = Selection(age_of(older_than) if older_than else None, experiment, keep_last)
    prune_root(root, selection, is_applied=apply, as_json=as_json)
