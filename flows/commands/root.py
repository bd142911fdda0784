"""Commands that look after a root: what goes in and out, whether it is intact, what can be removed."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.commands.options import DEFAULT_ROOT, NAMED_RUN, AsJson, Overrides, Root, Verbose
from flows.commands.process import EXIT_INCOMPLETE, configure_process
from flows.commands.terminal import bar, print_line

if TYPE_CHECKING:
    from flows.commands.run_flow import Flow

app = typer.Typer()


@app.command(epilog="Example: a2r load --root a2r-data")
def load(
    config: Annotated[  # noqa: ARG001
        str | None, typer.Argument(help="Accepted for symmetry; a root is always loaded as a whole.")
    ] = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Bring the DuckDB catalog up to date with the store; it can be deleted and rebuilt at any time."""
    from flows.commands.printing.upkeep import print_load
    from tasks.ops.upkeep import load_root
    from warehouse.store import Store

    print_load(load_root(root), Store(root).catalog_path)


@app.command(epilog="Example: a2r verify --root a2r-data")
def verify(root: Root = DEFAULT_ROOT) -> None:
    """Read every stored file and list all damage; exit 1 if there is any."""
    from flows.commands.printing.upkeep import print_damages
    from tasks.ops.upkeep import verify_root
    from warehouse.store import Store

    with bar("verifying"):
        damages = list(verify_root(root))
    print_damages(damages, Store(root).root)
    if damages:
        raise SystemExit(EXIT_INCOMPLETE)


@app.command(
    "import", epilog="Example: a2r import lm_eval_output/samples_gsm8k_2026-11-24T21-48-59.697725.jsonl"
)
def import_outputs(
    logs: Annotated[
        list[Path],
        typer.Argument(
            metavar="LOG…",
            help="A log of lm-evaluation-harness, Inspect or NeMo-Skills, a JSONL or Parquet file, or a folder that "
            "contains a log.",
        ),
    ],
    log_format: Annotated[
        Literal["lm_eval", "inspect", "nemo_skills", "rows"] | None,
        typer.Option("--format", help="The log's format; by default detected from its content."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model's name, where the log has none.")] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="The benchmark's name; by default the log's task.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The experiment's name.")] = None,
    question: Annotated[str | None, typer.Option(help="Column with the problem's text.")] = None,
    outputs: Annotated[str | None, typer.Option(help="Column with one output or a list of them.")] = None,
    gold: Annotated[str | None, typer.Option(help="Column with the gold answer.")] = None,
    gold_after: Annotated[
        str | None,
        typer.Option(
            metavar="MARK", help="Take the gold answer from the text after this mark (GSM8K: ####)."
        ),
    ] = None,
    identity: Annotated[str | None, typer.Option("--id", help="Column with the problem's id.")] = None,
    scores: Annotated[
        str | None, typer.Option(help="Column with a reward model's score for each output (plain rows).")
    ] = None,
    verdict: Annotated[
        str | None, typer.Option(help="Column with the file's own verdict on each output (plain rows).")
    ] = None,
    overrides: Overrides = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Import existing outputs: they become problems, traces and a graded run; nothing is generated."""
    configure_process(verbose=verbose)
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn

    from flows.commands.printing.exchange import print_import
    from flows.commands.printing.runs import print_summary
    from flows.commands.run_flow import run_flow
    from tasks.exchange.imports.importing import import_log
    from tasks.exchange.imports.outcome import recorded, run_of
    from tasks.exchange.imports.samples import Options

    options = Options(question, outputs, gold, gold_after, identity, scores, verdict)
    with bar(
        "reading", TextColumn("reading"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    ) as on_progress:
        imported = import_log(
            logs,
            root,
            options,
            log_format=log_format,
            model=model,
            benchmark=benchmark,
            name=name,
            overrides=overrides or (),
            on_progress=on_progress,
        )
    print_import(imported, as_json=as_json)

    def flow() -> "Flow":
        from flows.evaluate import evaluate

        run = run_of(imported, evaluate)
        return partial(run, experiment=imported.experiment, root=root)

    run_flow(
        flow,
        root,
        as_json=as_json,
        show=print_summary,
        stored=lambda: recorded(imported, root),
    )


@app.command(epilog="Example: a2r export latest --to traces --format hf")
def export(
    run: Annotated[str, typer.Argument(help=f"{NAMED_RUN[0].upper()}{NAMED_RUN[1:]}.")],
    to: Annotated[Path, typer.Option(help="The folder to create.")],
    export_format: Annotated[
        Literal["parquet", "csv", "hf", "trl-sft", "trl-grpo", "trl-dpo", "verl"],
        typer.Option("--format", help="Tables, a Hugging Face data set, or a training set for TRL or verl."),
    ] = "parquet",
    stage: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only this stage's traces; for training sets, whose prompts (by default the last round's).",
        ),
    ] = None,
    keep: Annotated[
        Literal["correct", "any"] | None,
        typer.Option(help="Which traces to keep; by default `correct` for trl-sft, `any` otherwise."),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="The synthesizer's prompt, for a run without a synthesizer.")
    ] = None,
    references: Annotated[
        int | None, typer.Option(min=1, help="References per prompt, for a run without a synthesizer.")
    ] = None,
    data_source: Annotated[
        str | None, typer.Option(help="verl's name for the reward function, such as math_dapo.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Write a run's traces, or training prompts built from them, into a folder."""
    from flows.commands.printing.exchange import print_export
    from tasks.exchange.exports.exporting import ExportRequest, export_run

    is_correct = keep == "correct" or (keep is None and export_format == "trl-sft")
    request = ExportRequest(export_format, stage, is_correct, prompt, references, data_source)
    with bar("exporting") as on_progress:
        exported = export_run(run, to, root, request, force=force, on_progress=on_progress)
    print_export(exported, to)


@app.command(epilog="Example: a2r compact --root a2r-data")
def compact(
    root: Root = DEFAULT_ROOT,
    fewest: Annotated[
        int, typer.Option(min=2, metavar="N", help="Leave a folder alone that has fewer than N small files.")
    ] = 4,
    as_json: AsJson = False,
) -> None:
    """Merge many small files into a few big ones; no query changes its answer, and runs may continue meanwhile."""
    from flows.commands.printing.upkeep import print_compaction
    from tasks.ops.upkeep import compact_root

    report = compact_root(root, fewest, partial(print_line, stderr=True))
    print_compaction(report, as_json=as_json)
    if report.complaints:
        raise SystemExit(EXIT_INCOMPLETE)


@app.command(epilog="Example: a2r prune --older-than 90d --keep-last 5")
def prune(
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Runs that started longer ago than this: 12h, 30d, 8w.")
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN", help="Runs of matching experiments: a name, or a pattern such as 'sweep.*'."
        ),
    ] = None,
    keep_last: Annotated[
        int | None, typer.Option(min=0, metavar="K", help="Keep the newest K runs of each experiment.")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", "--yes", help="Remove them; without this they are only listed.")
    ] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """List what removing old runs would free, or remove them: runs that match every option, and what only they need."""
    from flows.commands.printing.upkeep import print_pruning
    from tasks.ops.upkeep import prune_root
    from warehouse.pruning import Selection, age_of

    selection = Selection(age_of(older_than) if older_than else None, experiment, keep_last)
    with bar("pruning") as on_progress:
        report = prune_root(root, selection, is_applied=apply, on_progress=on_progress)
    print_pruning(report, as_json=as_json)
