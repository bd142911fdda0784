"""`a2r check`: what a run would find, need and cost, before it is started."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from configs.experiment import Experiment
from tasks.analysis.context import complaint, context_of
from tasks.benchmarks.load import load_problems
from tasks.engines.kinds import resolved
from tasks.engines.pool import open_engines
from tasks.run import stages_of
from tasks.stage import Stage, plans_of
from tasks.terminal import print_json, table_console
from warehouse.planner import distinct, missing_traces
from warehouse.records import Problem
from warehouse.store import Store

HEADINGS = (
    "stage",
    "model",
    "engine",
    "wanted",
    "stored",
    "missing",
    "context",
    "tokens at most",
    "$ at most",
)


def check_experiment(experiment: Experiment, root: str, limit: int | None, *, as_json: bool) -> None:
    """Start each engine, count stored and missing traces, bound context and cost; print it. Raises UserError."""
    report = counts_of(experiment, root, limit)
    if as_json:
        print_json(report)
        return
    console = table_console()
    table = Table(title=f"{experiment.name}: {report['num_problems']} problems", title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading)
    for stage, row in report["stages"].items():
        dollars = row["max_dollars"]
        table.add_row(
            stage,
            row["model"],
            row["engine"],
            f"{row['wanted']:,}",
            f"{row['stored']:,}",
            f"{row['missing']:,}",
            f"{row['context']['needed']:,} of {_known(row['context']['room'])}",
            f"{row['max_completion_tokens']:,}",
            "–" if dollars is None else f"{dollars:,.2f}",
        )
    console.print(table)
    for stage, row in report["stages"].items():
        said = "answers" if row["is_started"] else "has known settings and is started by the run"
        console.print(f"{stage}: the {row['engine']} engine {said}.")
    for text in report["complaints"]:
        console.print(text, markup=False, soft_wrap=True)


def counts_of(experiment: Experiment, root: str, limit: int | None) -> dict[str, Any]:
    """The same as data. Upper bounds count completions at max_tokens and no prompt tokens."""
    problems = distinct(load_problems(experiment.benchmark, limit=limit))
    store = Store(root)
    stages = {stage.name: stage for stage in stages_of(experiment, store.root)}
    with open_engines():
        started = {name: check_engine(stage) for name, stage in stages.items()}
    rows = {name: _row(stage, problems) for name, stage in stages.items()}
    contexts = {name: context_of(stage, problems) for name, stage in stages.items()}
    for name, row in rows.items():
        row |= {"is_started": started[name], "context": contexts[name].as_dict()}
    complaints = filter(None, (complaint(stage, contexts[name]) for name, stage in stages.items()))
    return {
        "experiment": experiment.name,
        "num_problems": len(problems),
        "stages": rows,
        "complaints": list(complaints),
    }


def check_engine(stage: Stage) -> bool:
    """Start the stage's engine; what loads a model for minutes is only checked, and False. Raises EngineError."""
    kind, settings = resolved(stage.engine)
    kind.check(stage.model, settings)
    if kind.starts_quickly(settings):
        _ = stage.started_engine
        return True
    return False


def _known(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"


def _row(stage: Stage, problems: Sequence[Problem]) -> dict[str, Any]:
    wanted = len(problems) * stage.num_samples
    planned = [trace for plan in plans_of(stage, problems) for trace in plan.wanted]
    missing = wanted - len(planned) + len(missing_traces(stage.index, planned))
    tokens = missing * stage.sampling.max_tokens
    price = stage.model.price
    return {
        "model": stage.model.id,
        "engine": stage.engine.kind,
        "recipe": stage.recipe.key,
        "wanted": wanted,
        "stored": wanted - missing,
        "missing": missing,
        "max_completion_tokens": tokens,
        "max_dollars": price.output * tokens / 1e6 if price else None,
    }
