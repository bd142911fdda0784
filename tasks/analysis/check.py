"""What a run would find, need and cost, before it is started."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from configs.experiment import Experiment
from configs.schema import UserError
from tasks.analysis.context import Context, complaint, context_of
from tasks.analysis.mistakes import mistakes_of
from tasks.benchmarks.problems import load_problems
from tasks.engines.kinds import resolved
from tasks.engines.pool import open_engines
from tasks.run import stages_of
from tasks.stage import Stage, plans_of
from warehouse.planner import distinct, missing_traces
from warehouse.records import Problem
from warehouse.store import Store

CHECK_SECONDS = 5.0
"""How long a check waits for an endpoint that is away; a run waits for `engine.patience_seconds`."""


@dataclass(frozen=True, slots=True)
class StageCheck:
    """One stage of an experiment: what it would find and need."""

    model: str
    engine: str
    recipe: str
    wanted: int
    stored: int
    missing: int
    max_completion_tokens: int
    """As if every missing trace used max_tokens."""
    max_dollars: float | None
    """Of these completion tokens; None without a price."""
    is_started: bool
    """Whether the engine answered; else its settings are checked and the run starts it."""
    context: Context


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a run of an experiment would find, need and cost."""

    experiment: str
    num_problems: int
    stages: dict[str, StageCheck]
    complaints: tuple[str, ...]
    """What may not fit the context, each with what to change."""

    def as_dict(self) -> dict[str, object]:
        """The object of `a2r check --json`."""
        stages = {s: asdict(check) | {"context": check.context.as_dict()} for s, check in self.stages.items()}
        return {**asdict(self), "stages": stages}


def check_experiment(experiment: Experiment, root: str, limit: int | None = None) -> CheckReport:
    """Start each engine, count stored and missing traces, bound context and cost.

    Raises UserError with a sentence per mistake. Upper bounds count completions at max_tokens and no prompt tokens.
    """
    if mistakes := mistakes_of(experiment, root):
        raise UserError("\n".join(mistakes))
    problems = distinct(load_problems(experiment.benchmark, limit=limit))
    stages = stages_of(experiment, Store(root).root)
    with open_engines():
        started = [check_engine(stage) for stage in stages]
    checks = {
        stage.name: _stage_check(stage, problems, is_started=is_started)
        for stage, is_started in zip(stages, started, strict=True)
    }
    complaints = filter(None, (complaint(stage, checks[stage.name].context) for stage in stages))
    return CheckReport(experiment.name, len(problems), checks, tuple(complaints))


def check_engine(stage: Stage) -> bool:
    """Start the stage's engine; what loads a model for minutes is only checked, and False. Raises EngineError."""
    kind, settings = resolved(stage.engine)
    kind.check(stage.model, settings)
    if kind.starts_quickly(settings):
        _ = _impatient(stage).started_engine
        return True
    return False


def _impatient(stage: Stage) -> Stage:
    """The stage, its endpoint given up after seconds: a person waits for the answer."""
    patience = getattr(stage.engine, "patience_seconds", 0)
    if patience <= CHECK_SECONDS:
        return stage
    return replace(stage, engine=stage.engine.model_copy(update={"patience_seconds": CHECK_SECONDS}))


def _stage_check(stage: Stage, problems: Sequence[Problem], *, is_started: bool) -> StageCheck:
    wanted = len(problems) * stage.num_samples
    planned = [trace for plan in plans_of(stage, problems) for trace in plan.wanted]
    missing = wanted - len(planned) + len(missing_traces(stage.index, planned))
    tokens = missing * stage.sampling.max_tokens
    price = stage.model.price
    return StageCheck(
        model=stage.model.id,
        engine=stage.engine.kind,
        recipe=stage.recipe.key,
        wanted=wanted,
        stored=wanted - missing,
        missing=missing,
        max_completion_tokens=tokens,
        max_dollars=price.output * tokens / 1e6 if price else None,
        is_started=is_started,
        context=context_of(stage, problems),
    )
