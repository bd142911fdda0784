"""A study's execution: every cell evaluated by the pipeline, then the page."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from configs.experiment import Experiment
from configs.schema import UserError
from configs.training import Training
from tasks.benchmarks.problems import load_problems
from tasks.engines.pool import ENGINES, Stopped
from tasks.executor.errors import FlowIncomplete
from tasks.executor.run_log import run_log
from tasks.research.study.cells import StudyCell, TrainedModels, study_cells
from tasks.research.study.study_page import write_page
from tasks.research.training.jobs import jobs_of
from tasks.research.training.scheduler import local_root
from tasks.research.training.shipped import install_shipped
from tasks.run import stages_of
from warehouse.planner import distinct, wanted_traces
from warehouse.summary import Summary

Evaluate = Callable[..., Summary]


@dataclass(frozen=True, slots=True)
class StudyReport:
    """The object of `a2r study --json`."""

    study: str
    status: str
    """complete, or incomplete if a cell failed."""
    num_cells: int
    missing_models: list[str]
    training_command: str
    """Trains the missing models."""
    page: str


def run_study(
    training: Training,
    root: str | None,
    num_problems: int,
    docs: str,
    evaluate: Evaluate,
    *,
    from_scratch: bool = False,
) -> StudyReport:
    """Evaluate every cell, then write the page. Only what is missing is generated. Raises FlowIncomplete.

    Shipped models are installed into the root first, unless only models trained there are to be measured
    (`from_scratch`).
    """
    models_root = local_root(root)
    scratch_option = " --from-scratch" if from_scratch else ""
    training_command = f"a2r train {training.name}{scratch_option} --root {models_root}"
    if not from_scratch:
        install_shipped(jobs_of(training), models_root)
    models = TrainedModels(training, models_root)
    outcomes: list[tuple[StudyCell, Summary]] = []
    complaints: list[str] = []
    for cell in study_cells(models, num_problems, lambda pair: _record_mismatched(pair, models_root)):
        stops = ENGINES.stops
        try:
            outcomes.append((cell, evaluate(experiment=cell.experiment, root=models_root)))
        except UserError as error:
            complaints.append(f"{cell.label}: {error}")
        if ENGINES.stops > stops:
            raise Stopped
        run_log().info("%s, %s", cell.kind.name, cell.label)
    if not outcomes:
        raise UserError(
            f"{models_root} holds no model of {training.name}; train them first: {training_command}"
        )
    page = write_page(training, models, outcomes, models_root, Path(docs))
    report = StudyReport(
        study=training.name,
        status="incomplete" if complaints else "complete",
        num_cells=len(outcomes),
        missing_models=models.missing(),
        training_command=training_command,
        page=str(page),
    )
    if complaints:
        raise FlowIncomplete(report, "\n".join(complaints))
    return report


def _record_mismatched(pair: Experiment, root: str) -> str:
    """Write a recording in which each problem has the explorer's answers to the next one, read from the store."""
    stage = stages_of(pair, root)[0]
    problems = distinct(load_problems(pair.benchmark, store=stage.index.store))
    wanted = [
        [w.trace_id for w in wanted_traces(stage.recipe, p, range(stage.num_samples))] for p in problems
    ]
    rows = stage.index.rows([i for ids in wanted for i in ids], ["answer"]).to_pylist()
    texts = {row["trace_id"]: row["answer"] for row in rows}
    path = Path(root) / "study" / f"{pair.name}.elsewhere.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        orjson.dumps(
            {
                "question": problem.question,
                "outputs": [texts.get(i) for i in wanted[(index + 1) % len(problems)]],
            }
        )
        for index, problem in enumerate(problems)
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return str(path)
