"""One run into a folder, in one of seven formats."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import orjson
import pyarrow as pa

from configs.roles import role_of
from configs.schema import UserError
from tasks.exchange.exports.card import card
from tasks.exchange.exports.prompts import cases, policy_of
from tasks.exchange.exports.source import ROWS_AT_ONCE, Source, open_source
from tasks.exchange.exports.tables import Advance, PartedWriter, write_csv, write_dataset, write_parquet
from tasks.exchange.exports.target import MARK, new_folder
from tasks.exchange.exports.training_rows import LAYOUTS, TrainingChoice
from warehouse.on_progress import OnProgress, silent

Format = Literal["parquet", "csv", "hf", "trl-sft", "trl-grpo", "trl-dpo", "verl"]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to be exported."""

    format: Format
    stage: str | None = None
    """Absent: all stages of tables; of training sets the prompts of the last stage that reads another."""
    only_correct: bool = False
    prompt: str | None = None
    num_references: int | None = None
    data_source: str | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    run_id: str
    num_rows: int
    unit: str
    """What one row is."""


def export_run(
    name: str,
    target: Path,
    root: str,
    request: ExportRequest,
    *,
    force: bool = False,
    on_progress: OnProgress = silent,
) -> Exported:
    """Write a run's traces, or prompts made of them, into a folder; `on_progress` counts traces. Raises UserError."""
    with new_folder(target, force=force) as folder, open_source(name, root, folder / ".spill") as source:
        is_known = not request.stage or request.stage in source.stages
        if not is_known and (source.reader or request.format not in LAYOUTS):
            raise UserError(
                f"{source.run_id} has no stage {request.stage}; it has: {', '.join(source.stages)}."
            )
        num_rows = _write(source, folder, request, _advance(source, request, on_progress))
        if not num_rows:
            raise UserError(_nothing(source, request))
        mark = {
            "format": request.format,
            "run_id": source.run_id,
            "experiment": source.manifest.experiment,
            "stage": request.stage,
            "only_correct": request.only_correct,
            "num_rows": num_rows,
            "a2r": version("a2r"),
        }
        (folder / MARK).write_bytes(
            orjson.dumps(mark, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        )
        run_id = source.run_id
    unit = LAYOUTS[request.format].unit if request.format in LAYOUTS else "a trace"
    return Exported(run_id, num_rows, unit)


def _advance(source: Source, request: ExportRequest, on_progress: OnProgress) -> Advance:
    stages = (request.stage,) if request.stage and request.format not in LAYOUTS else None
    total, done = source.count(stages), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        on_progress(done, total)

    return advance


def _nothing(source: Source, request: ExportRequest) -> str:
    """Why an export would be empty, and what to do."""
    stage = request.stage or source.reader
    if request.format in LAYOUTS and stage not in source.stages:
        remedy = f"it has no synthesizer; train on the explorer's answers with --stage {source.stages[0]}."
    elif request.format == "trl-dpo" and stage:
        remedy = _no_pairs(source, stage)
    elif request.only_correct:
        remedy = "none of its traces is graded correct; --keep any takes them all."
    else:
        remedy = "it holds no traces for it; choose another run or --stage."
    return f"{source.run_id} has nothing to export as {request.format}: {remedy}"


def _no_pairs(source: Source, stage: str) -> str:
    """Why no problem has a pair: with one sample of each, none can be both right and wrong."""
    stages = source.manifest.stages
    role = stages[stage].role.settings
    found = "no problem has both a right and a wrong completion, which a pair needs"
    if stages[stage].role.n == 1:
        return f"{role}.sampling.n is 1, so {found}; run it with {role}.sampling.n of 4 or more."
    if stage not in source.explorers and stages[source.stages[0]].role.n > 1:
        other = f"pair the explorer's answers with --stage {source.stages[0]}"
        return f"{found}; raise {role}.sampling.n, or {other}."
    return f"{found}; raise {role}.sampling.n."


def _write(source: Source, folder: Path, request: ExportRequest, advance: Advance) -> int:
    stages = (request.stage,) if request.stage else source.stages
    match request.format:
        case "parquet":
            batches = source.traces(stages, only_correct=request.only_correct)
            return write_parquet(source, folder, batches, advance)
        case "csv":
            return write_csv(
                source, folder, source.traces(stages, only_correct=request.only_correct), advance
            )
        case "hf":
            return write_dataset(source, folder, stages, advance, only_correct=request.only_correct)
        case _:
            return _write_training(source, folder, request, advance)


def _write_training(source: Source, folder: Path, request: ExportRequest, advance: Advance) -> int:
    layout = LAYOUTS[request.format]
    policy = policy_of(source, request.stage, request.prompt, request.num_references)
    choice = TrainingChoice(only_correct=request.only_correct, data_source=request.data_source)
    writer = PartedWriter(folder / "data" / "train", layout.schema)
    waiting: list[dict[str, object]] = []
    num_rows = 0
    for case in cases(source, policy):
        for row in layout.rows(case, choice, num_rows):
            waiting.append(row)
            num_rows += 1
        if len(waiting) >= ROWS_AT_ONCE:
            writer.write(pa.Table.from_pylist(waiting, schema=layout.schema))
            waiting = []
        advance(len({row["trace_id"] for row in (*case.explored, *case.samples)}))
    writer.write(pa.Table.from_pylist(waiting, schema=layout.schema))
    writer.close()
    configs = [{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.parquet"}]}]
    shown = f"{policy.references.count} references" if policy.references else "no references"
    trained = role_of(policy.stage) if policy.stage else "synthesizer"
    about = (
        f"A training set for the {trained}: prompts as the pipeline renders them "
        f"({policy.prompt.name}, {shown})."
    )
    columns = (
        f"Read by {layout.reader} One row is {layout.unit}.\n"
        f"Columns: {', '.join(f'`{column}`' for column in layout.schema.names)}. "
        "The references' verdicts are for filtering and rewards; the prompt does not show them."
    )
    (folder / "README.md").write_text(card(source, configs, about, columns), encoding="utf-8")
    return num_rows
