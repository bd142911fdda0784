"""What a run would find, need and cost, before it is started."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import Enum, auto
from typing import NamedTuple

from configs.engines import OpenAISettings, VllmSettings
from configs.experiment import Experiment
from configs.models import Price
from configs.placement import is_on_ray
from configs.schema import UserError
from tasks.analysis.context import Context, complaint, context_of
from tasks.analysis.mistakes import mistakes_of
from tasks.analysis.usual import Usual, usual
from tasks.benchmarks.problems import load_problems
from tasks.benchmarks.suites import member_of, members_of_suite
from tasks.engines.cache_size import cache_tokens, gpu_bytes
from tasks.engines.pool import open_engines
from tasks.engines.protocol import EngineAbsent
from tasks.engines.ray.look import Placement, placement_of
from tasks.engines.resolving import resolved
from tasks.run import stages_of
from tasks.stage import Plan, Stage, lacking_of, num_wanted_of, plans_of
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
    is_absent: bool = False
    """Whether its program is not installed here."""
    cache: int | None = None
    """Tokens that the server holds at once, of all requests together; None where it does not say."""
    is_cache_estimated: bool = False
    """Whether that is worked out from weights and memory; else the server said it."""
    seconds_per_answer: float | None = None
    """Median of the stored answers of this recipe, else of the same model; None where none is stored."""
    tokens_per_answer: float | None = None
    """Mean of the same."""
    is_usual_of_recipe: bool = True
    """Whether what is expected is so by this recipe's answers; else by those of the same model."""
    expected_seconds: float | None = None
    """For the missing traces: as many at once as the engine wants and the server holds, else at the tokens per second that
    were reached; None where neither is known."""
    expected_dollars: float | None = None
    """Of the missing traces, prompts included."""
    placement: str | None = None
    """Where the replicas would be; None where there is but this process or an endpoint."""

    @property
    def expected_tokens_per_second(self) -> float | None:
        """Completion tokens of all answers together."""
        if not self.expected_seconds or not self.tokens_per_answer:
            return None
        return self.missing * self.tokens_per_answer / self.expected_seconds

    @property
    def fits_at_once(self) -> int | None:
        """Answers of full length that the server holds at once."""
        return None if self.cache is None else self.cache // max(1, self.context.needed)


class MemberCheck(NamedTuple):
    """A stage's share of one benchmark of a suite; the numbers are those of `StageCheck`."""

    num_problems: int
    wanted: int
    stored: int
    missing: int
    max_completion_tokens: int
    max_dollars: float | None


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a run of an experiment would find, need and cost."""

    experiment: str
    num_problems: int
    stages: dict[str, StageCheck]
    complaints: tuple[str, ...]
    """What may not fit the context, each with what to change."""
    absent: tuple[str, ...] = ()
    """Sentences about engines that are not installed here: the experiment is counted and priced, but runs elsewhere."""
    benchmarks: dict[str, dict[str, MemberCheck]] = field(default_factory=dict)
    """Of a suite: each benchmark's share by stage; empty elsewhere."""

    def as_dict(self) -> dict[str, object]:
        """The object of `a2r check --json`."""
        stages = {
            name: asdict(check)
            | {
                "context": check.context.as_dict(),
                "fits_at_once": check.fits_at_once,
                "expected_tokens_per_second": check.expected_tokens_per_second,
            }
            for name, check in self.stages.items()
        }
        benchmarks = {
            name: {stage: check._asdict() for stage, check in shares.items()}
            for name, shares in self.benchmarks.items()
        }
        said = {name: value for name, value in asdict(self).items() if name != "benchmarks"}
        return {**said, "stages": stages, **({"benchmarks": benchmarks} if benchmarks else {})}


def check_experiment(experiment: Experiment, root: str, limit: int | None = None) -> CheckReport:
    """Start each engine that is here, count stored and missing traces, bound context and cost.

    Raises UserError with a sentence per mistake. Upper bounds count completions at max_tokens and no prompt tokens.
    """
    mistakes = mistakes_of(experiment, root)
    if mistakes.settings:
        raise UserError("\n".join(mistakes.settings))
    store = Store(root)
    with store.listed_once():
        problems = distinct(load_problems(experiment.benchmark, limit, store))
        stages = stages_of(experiment, store.root)
        with open_engines():
            states = [_state_of(stage) for stage in stages]
        checks = {
            stage.name: _stage_check(stage, problems, state)
            for stage, state in zip(stages, states, strict=True)
        }
        complaints = [
            told
            for stage in stages
            for told in (complaint(stage, checks[stage.name].context), crowding(stage, checks[stage.name]))
            if told
        ]
        benchmarks = {
            name: {
                stage.name: _member_check(stage, [p for p in problems if member_of(p.problem_id) == name])
                for stage in stages
            }
            for name in members_of_suite(experiment.benchmark, problems)
        }
        return CheckReport(
            experiment.name, len(problems), checks, tuple(complaints), mistakes.absent, benchmarks
        )


class EngineState(Enum):
    """What is known of a stage's engine after it was checked."""

    ANSWERS = auto()
    VALID = auto()
    """Its settings are; it loads for minutes, so that the run starts it."""
    ABSENT = auto()
    """Its program is not installed here."""


class _State(NamedTuple):
    """What is known of a stage's engine."""

    engine: EngineState
    placement: Placement | None = None


def _state_of(stage: Stage) -> _State:
    """Check the stage's engine, and start it where that is quick. Raises EngineError."""
    kind, settings = resolved(stage.engine)
    try:
        kind.check(stage.model, settings)
    except EngineAbsent:
        return _State(EngineState.ABSENT)
    if is_on_ray(stage.engine):
        return _State(EngineState.VALID, placement_of(stage.engine))
    if not kind.starts_quickly(settings):
        return _State(EngineState.VALID)
    _ = _impatient(stage).started_engine
    return _State(EngineState.ANSWERS)


def _impatient(stage: Stage) -> Stage:
    """The stage, its endpoint given up after seconds: a person waits for the answer."""
    patience = getattr(stage.engine, "patience_seconds", 0)
    if patience <= CHECK_SECONDS:
        return stage
    return replace(stage, engine=stage.engine.model_copy(update={"patience_seconds": CHECK_SECONDS}))


class _Counts(NamedTuple):
    wanted: int
    stored: int


def _counts(stage: Stage, problems: Sequence[Problem], plans: Sequence[Plan]) -> _Counts:
    """How many traces are wanted at most, and how many of those that are planned are stored."""
    planned = [trace for plan in plans for trace in plan.wanted]
    lacking = {plan.problem.problem_digest for plan in lacking_of(stage.index, plans)}
    wanted = num_wanted_of(stage, problems)
    if stage.stop:  # at most: what is lacking may say that more is wanted
        wanted += sum(
            stage.num_samples - len(plan.wanted) for plan in plans if plan.problem.problem_digest in lacking
        )
    return _Counts(wanted, len(planned) - len(missing_traces(stage.index, planned)))


def _dollars_at_most(stage: Stage, tokens: int) -> float | None:
    return stage.model.price.output * tokens / 1e6 if stage.model.price else None


def _member_check(stage: Stage, problems: Sequence[Problem]) -> MemberCheck:
    wanted, stored = _counts(stage, problems, plans_of(stage, problems))
    tokens = (wanted - stored) * stage.sampling.max_tokens
    return MemberCheck(
        len(problems), wanted, stored, wanted - stored, tokens, _dollars_at_most(stage, tokens)
    )


def _stage_check(stage: Stage, problems: Sequence[Problem], state: _State) -> StageCheck:
    is_started = state.engine is EngineState.ANSWERS
    plans = plans_of(stage, problems)
    planned = [trace for plan in plans for trace in plan.wanted]
    wanted, stored = _counts(stage, problems, plans)
    missing = wanted - stored
    tokens = missing * stage.sampling.max_tokens
    price, told = stage.model.price, _told(stage, is_started=is_started)
    context = context_of(stage, problems)
    context = replace(context, room=context.room or told.context)
    found = usual(stage, [trace.trace_id for trace in planned])
    fits = told.cache // max(1, context.needed) if told.cache else None
    on_ray = state.placement.fits if state.placement else None
    replicas = on_ray or len(getattr(stage.engine, "urls", ())) or 1
    limits = [limit for limit in (_concurrency(stage), fits) if limit]
    at_once = min(missing, replicas * min(limits)) if limits else None
    return StageCheck(
        model=stage.model.id,
        engine=stage.engine.kind,
        recipe=stage.recipe.key,
        wanted=wanted,
        stored=stored,
        missing=missing,
        max_completion_tokens=tokens,
        max_dollars=_dollars_at_most(stage, tokens),
        is_started=is_started,
        context=context,
        is_absent=state.engine is EngineState.ABSENT,
        cache=told.cache,
        is_cache_estimated=told.cache is not None and not is_started,
        seconds_per_answer=found.seconds,
        tokens_per_answer=found.tokens,
        is_usual_of_recipe=found.is_of_recipe,
        expected_seconds=_seconds(missing, at_once, found),
        expected_dollars=_dollars(missing, price, found),
        placement=state.placement.text if state.placement else None,
    )


def _seconds(missing: int, at_once: int | None, found: Usual) -> float | None:
    """How long the missing traces take."""
    if not missing or (found.seconds and at_once):
        return missing * (found.seconds or 0.0) / (at_once or 1) if found.seconds else None
    if found.tokens and found.tokens_per_second:
        return missing * found.tokens / found.tokens_per_second
    return None


def _dollars(missing: int, price: Price | None, found: Usual) -> float | None:
    """What the missing traces cost at the model's prices."""
    if price is None or found.tokens is None:
        return None
    return missing * (price.output * found.tokens + price.input * (found.prompt_tokens or 0.0)) / 1e6


def _told(stage: Stage, *, is_started: bool) -> ServerLimits:
    """What the stage's endpoint says of itself, or what a vLLM of ours would hold. Raises EngineError for a refused key."""
    kind, settings = resolved(stage.engine)
    if isinstance(settings, OpenAISettings) and settings.serve is None:
        if not is_started:
            return ServerLimits(None, None)
        from tasks.engines.openai.probe import probe  # noqa: PLC0415 - aiohttp, for those alone who use it

        told = probe(stage.model, settings)
        return ServerLimits(told.context, told.cache)
    served = settings.serve.options if isinstance(settings, OpenAISettings) and settings.serve else None
    args = settings.args if isinstance(settings, VllmSettings) else served
    if args is None:
        return ServerLimits(None, None)
    return ServerLimits(
        None, cache_tokens(stage.model, kind.weights(stage.model, settings), args, gpu_bytes())
    )


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
