"""`a2r check`: what a run would find, need and cost, before it is started."""

from typing import Any

from rich.table import Table

from configs.engines import OpenAIEngine, VllmEngine
from configs.experiment import Experiment
from tasks.analysis.context import complaint, context_of
from tasks.benchmarks.load import load_problems
from tasks.engines.pool import open_engines
from tasks.engines.server.command import command_of
from tasks.generation.generate import started_engine
from tasks.generation.planning import SynthesisShard, plans_of
from tasks.generation.roles import Role, check_settings, roles_of
from tasks.terminal import print_json, table_console
from warehouse.planner import distinct, missing_traces, wanted_traces
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
    explorer, synthesizer = roles_of(experiment, store.root)
    roles: dict[str, Role] = {"explore": explorer} | ({"synthesize": synthesizer} if synthesizer else {})
    with open_engines():
        started = {stage: check_engine(role) for stage, role in roles.items()}
    n = experiment.explorer.sampling.n
    wanted = [w for p in problems for w in wanted_traces(explorer.recipe, p, n)]
    stages = {"explore": _stage(explorer, len(wanted), len(missing_traces(explorer.index, wanted)))}
    if synthesizer and experiment.synthesizer:
        m = experiment.synthesizer.sampling.n
        plans = plans_of(SynthesisShard("check", synthesizer, tuple(problems), m, 0, n))
        index = synthesizer.index
        stored = sum(index.has(w.trace_id) for plan in plans for w in plan.wanted)
        stages["synthesize"] = _stage(synthesizer, len(problems) * m, len(problems) * m - stored)
    contexts = {stage: context_of(role, problems) for stage, role in roles.items()}
    for stage, row in stages.items():
        row |= {"is_started": started[stage], "context": contexts[stage].as_dict()}
    complaints = filter(None, (complaint(stage, role, contexts[stage]) for stage, role in roles.items()))
    return {
        "experiment": experiment.name,
        "num_problems": len(problems),
        "stages": stages,
        "complaints": list(complaints),
    }


def check_engine(role: Role) -> bool:
    """Start the role's engine; what loads a model for minutes is only checked, and False. Raises EngineError."""
    match role.engine:
        case VllmEngine():
            check_settings(role)
        case OpenAIEngine(serve=serve) if serve:
            command_of(role.model, serve)
        case _:
            started_engine(role)
            return True
    return False


def _known(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"


def _stage(role: Role, wanted: int, missing: int) -> dict[str, Any]:
    tokens = missing * role.sampling.max_tokens
    price = role.model.price
    return {
        "model": role.model.id,
        "engine": role.engine.kind,
        "recipe": role.recipe.key,
        "wanted": wanted,
        "stored": wanted - missing,
        "missing": missing,
        "max_completion_tokens": tokens,
        "max_dollars": price.output * tokens / 1e6 if price else None,
    }
