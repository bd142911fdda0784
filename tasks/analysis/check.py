"""What a run would find, need and cost, before it is started."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean, median
from typing import NamedTuple

from configs.engines import OpenAISettings
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


class ServerLimits(NamedTuple):
    """What an endpoint says of itself; None: nothing."""

    context: int | None
    cache: int | None


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
    cache: int | None = None
    """Tokens that the server holds at once, of all requests together; None where it does not say."""
    seconds_per_answer: float | None = None
    """Median of the stored answers of this recipe, like the next; None where none is stored."""
    tokens_per_answer: float | None = None
    expected_seconds: float | None = None
    """For the missing traces, as many at once as the engine wants and the server holds; None where neither is known."""
    expected_dollars: float | None = None

    @property
    def fits_at_once(self) -> int | None:
        """Answers of full length that the server holds at once."""
        return None if self.cache is None else self.cache // max(1, self.context.needed)


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
        stages = {
            name: asdict(check) | {"context": check.context.as_dict(), "fits_at_once": check.fits_at_once}
            for name, check in self.stages.items()
        }
        return {**asdict(self), "stages": stages}


def check_experiment(experiment: Experiment, root: str, limit: int | None = None) -> CheckReport:
    """Start each engine, count stored and missing traces, bound context and cost.

    Raises UserError with a sentence per mistake. Upper bounds count completions at max_tokens and no prompt tokens.
    """
    if mistakes := mistakes_of(experiment, root):
        raise UserError("\n".join(mistakes))
    problems = distinct(load_problems(experiment.benchmark, limit, Store(root)))
    stages = stages_of(experiment, Store(root).root)
    with open_engines():
        started = [check_engine(stage) for stage in stages]
    checks = {
        stage.name: _stage_check(stage, problems, is_started=is_started)
        for stage, is_started in zip(stages, started, strict=True)
    }
    complaints = [
        told
        for stage in stages
        for told in (complaint(stage, checks[stage.name].context), crowding(stage, checks[stage.name]))
        if told
    ]
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
    price, told = stage.model.price, _told(stage) if is_started else ServerLimits(None, None)
    context = context_of(stage, problems)
    context = replace(context, room=context.room or told.context)
    usual = _usual(stage, [trace.trace_id for trace in planned])
    fits = told.cache // max(1, context.needed) if told.cache else None
    replicas = len(getattr(stage.engine, "urls", ())) or 1
    limits = [limit for limit in (_concurrency(stage), fits) if limit]
    at_once = min(missing, replicas * min(limits)) if limits else None
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
        context=context,
        cache=told.cache,
        seconds_per_answer=usual.seconds,
        tokens_per_answer=usual.tokens,
        expected_seconds=missing * usual.seconds / at_once if usual.seconds and at_once else None,
        expected_dollars=price.output * missing * usual.tokens / 1e6 if price and usual.tokens else None,
    )


class Usual(NamedTuple):
    """What an answer of a recipe usually takes; None where none is stored."""

    seconds: float | None
    tokens: float | None


def _usual(stage: Stage, trace_ids: Sequence[str]) -> Usual:
    stored = [trace_id for trace_id in trace_ids if stage.index.has(trace_id)]
    if not stored:
        return Usual(None, None)
    names = ("latency_seconds", "num_completion_tokens")
    rows = stage.index.rows(stored, list(names))
    seconds, tokens = ([v for v in rows.column(name).to_pylist() if v is not None] for name in names)
    return Usual(median(seconds) if seconds else None, fmean(tokens) if tokens else None)


def _told(stage: Stage) -> ServerLimits:
    """What the stage's endpoint says of itself. Raises EngineError for a key that it refuses."""
    _, settings = resolved(stage.engine)
    if not isinstance(settings, OpenAISettings) or settings.serve:
        return ServerLimits(None, None)
    from tasks.engines.openai.probe import probe  # noqa: PLC0415 - aiohttp, for those alone who use it

    told = probe(stage.model, settings)
    return ServerLimits(told.context, told.cache)


def _concurrency(stage: Stage) -> int | None:
    """Answers that the engine wants from one replica at once; None where it finds that out by itself."""
    wanted = getattr(stage.engine, "concurrency", getattr(stage.engine, "batch_size", None))
    return wanted if isinstance(wanted, int) else None


def crowding(stage: Stage, check: StageCheck) -> str | None:
    """A warning where the engine wants more answers of full length at once than the server holds."""
    concurrency = _concurrency(stage)
    if check.fits_at_once is None or concurrency is None or concurrency <= check.fits_at_once:
        return None
    return (
        f"{stage.name}: engine.concurrency is {concurrency:,}, but the server's cache of {check.cache:,} tokens holds about "
        f"{check.fits_at_once:,} answers of full length ({check.context.needed:,} tokens) at once; more wait at the server "
        f"or are computed again. Lower it to about {max(1, check.fits_at_once):,} if answers are usually long."
    )
