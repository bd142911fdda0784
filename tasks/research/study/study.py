"""The study's run: every cell evaluated by the pipeline, then its page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from configs.experiment import Experiment
from configs.schema import UserError
from configs.training import Training
from tasks.benchmarks.load import load_problems
from tasks.engines.pool import ENGINES, Stopped
from tasks.executor.failures import FlowIncomplete
from tasks.executor.shards import run_log
from tasks.explore import explore_stage
from tasks.publish import Summary
from tasks.research.study.cells import Cell, Models, cells_of
from tasks.research.study.page import write_page
from tasks.research.training.jobs import lessons_of
from tasks.research.training.scheduler import local_root
from tasks.research.training.shipped import bring
from warehouse.planner import distinct, wanted_traces

Evaluate = Callable[..., Summary]


def run_study(
    training: Training,
    root: str | None,
    num_problems: int,
    docs: str,
    evaluate: Evaluate,
    *,
    from_scratch: bool = False,
) -> dict[str, Any]:
    """Evaluate every cell, then write the page. Only what is missing is generated. Raises FlowIncomplete.

    Models that come with the project are put into the root first, unless only what was trained there is to be
    measured (`from_scratch`).
    """
    place = local_root(root)
    training_command = f"a2r train {training.name}{' --from-scratch' if from_scratch else ''} --root {place}"
    if not from_scratch:
        bring(lessons_of(training), place)
    models = Models(training, place)
    outcomes: list[tuple[Cell, Summary]] = []
    complaints: list[str] = []
    for cell in cells_of(models, num_problems, lambda usual: _elsewhere(usual, place)):
        stops = ENGINES.stops
        try:
            outcomes.append((cell, evaluate(experiment=cell.experiment, root=place)))
        except UserError as error:
            complaints.append(f"{cell.label}: {error}")
        if ENGINES.stops > stops:
            raise Stopped
        run_log().info("%s, %s", cell.group, cell.label)
    if not outcomes:
        raise UserError(f"{place} holds no model of {training.name}; train them first: {training_command}")
    page = write_page(training, models, outcomes, place, Path(docs))
    report = {
        "study": training.name,
        "status": "incomplete" if complaints else "complete",
        "num_cells": len(outcomes),
        "missing_models": models.missing(),
        "training_command": training_command,
        "page": str(page),
    }
    if complaints:
        raise FlowIncomplete(report, "\n".join(complaints))
    return report


def print_study(report: dict[str, Any], console: Console, root: str) -> None:  # noqa: ARG001 - the command says it
    """What there is, and what is not trained yet."""
    console.print(f"{report['num_cells']} cells; the page is {report['page']}", highlight=False)
    if report["missing_models"]:
        names = ", ".join(report["missing_models"])
        console.print(f"Not trained yet: {names}. {report['training_command']}", highlight=False)


def _elsewhere(usual: Experiment, root: str) -> str:
    """A recording in which each problem has the explorer's answers to the next one, read from the store."""
    role = explore_stage(usual, root)
    problems = distinct(load_problems(usual.benchmark))
    wanted = [[w.trace_id for w in wanted_traces(stage.recipe, p, stage.sampling.n)] for p in problems]
    rows = stage.index.rows([i for ids in wanted for i in ids], ["answer"]).to_pylist()
    texts = {row["trace_id"]: row["answer"] for row in rows}
    path = Path(root) / "study" / f"{usual.name}.elsewhere.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        orjson.dumps(
            {
                "question": problem.question,
                "outputs": [texts.get(i) for i in wanted[(place + 1) % len(problems)]],
            }
        )
        for place, problem in enumerate(problems)
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return str(path)
