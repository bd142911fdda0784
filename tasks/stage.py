"""A stage of an experiment, ready to work: plan → missing → jobs, written once for all stages.

A stage is a value: who answers (model, engine, prompt, sampling), how many samples, and which stages it
reads. Explorers read none. A stage that reads others is shown some of their traces; which ones is decided
from what the store holds at that moment, and a problem whose references may still come waits. So it is while
this run makes traces of it (`Unfinished`): only answers count then, since a failure may yet become one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import groupby
from typing import NamedTuple, TypeVar

from configs.engines import EngineSettings, goes_out_together, left_out
from configs.graders import JudgeGrader
from configs.models import Model
from configs.roles import References, Role, Stop, When
from configs.sampling import Sampling
from tasks.engines.pool import ENGINES, PooledEngine
from tasks.engines.protocol import Request
from tasks.engines.resolving import is_same_process, resolved, share_hardware
from tasks.engines.spending import meter_of
from tasks.generation.adaptive import disputed, sizes_of
from tasks.generation.generate import GenerationResult, Job, Jobs, generate
from tasks.prompts.references import Candidate, choose, shown
from tasks.prompts.render import Prompt, load_prompt
from tasks.prompts.selection import READINGS, reading_of
from warehouse.canonical import canonical_json
from warehouse.entries import Stored
from warehouse.identity import Recipe, recipe_of, sample_seed
from warehouse.index import RecipeIndex, require
from warehouse.planner import cut, missing_traces, wanted_traces
from warehouse.records import Problem, Wanted
from warehouse.store import Store

K = TypeVar("K")

NUM_SHARDS = 8
"""Shards a stage is cut into; each costs Prefect about a tenth of a CPU second."""
SMALLEST_SHARD = 32
Unfinished = Mapping[str, AbstractSet[str]]
"""Digests of the problems of which shards of this run still make traces, by stage."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage on one root; small and picklable, so that a shard can carry it."""

    name: str
    """What `stage` says in every relation of a run; its traces are stored under the recipe's own."""
    field: str
    """Where its settings are in the experiment file."""
    root: str
    recipe: Recipe
    model: Model
    """With the revision that identifies its weights."""
    engine: EngineSettings
    prompt: Prompt
    sampling: Sampling
    references: References | None
    """How many of the traces it reads are shown, and how; None where it reads none."""
    reads: tuple["Stage", ...]
    shard_size: int | None
    stop: Stop | None = None
    """When a problem has enough samples; None: at `num_samples`."""
    when: When | None = None
    """Which problems it reads; None: all."""

    @property
    def round(self) -> int:
        """0 of a stage that reads none; of others one more than the highest that it reads."""
        return 1 + max((read.round for read in self.reads), default=-1)

    @property
    def is_selection(self) -> bool:
        """Whether a reply names a candidate, whose answer is the trace's, and is none itself."""
        return self.recipe.stage in READINGS

    @property
    def num_samples(self) -> int:
        """Samples per problem, at most."""
        return self.sampling.n

    @property
    def num_fixed(self) -> int:
        """Samples that every problem gets whatever they say."""
        return self.stop.after if self.stop else self.num_samples

    @property
    def is_adaptive(self) -> bool:
        """Whether its answers, or those it reads, decide how many samples of a problem are wanted."""
        return bool(self.stop or self.when) or any(read.is_adaptive for read in self.reads)

    @property
    def index(self) -> RecipeIndex:
        """What the store holds of this stage's recipe, shared by all shards of the process."""
        return self.known.refresh()

    @property
    def known(self) -> RecipeIndex:
        """The same as it was last looked for, with what has arrived in this process since."""
        return _index(self.root, self.recipe)

    @property
    def started_engine(self) -> PooledEngine:
        """Its engine, started; stages with the same weights and settings share one. Raises EngineError."""
        model = self.model.model_dump(mode="json", include={"id", "revision"})
        key = canonical_json({"model": model, "engine": self.engine.model_dump(mode="json")}).decode()
        kind, settings = resolved(self.engine)
        return ENGINES.engine(key, partial(kind.build, self.model, settings))

    def make(self, jobs: Jobs, rank: int) -> GenerationResult:
        """Make and store the jobs' traces; see `generate`. Raises EngineError, Stopped, UserError.

        Where the run's budget is spent, no engine is started.
        """
        if meter_of(self.root, self.recipe).spending.is_reached:
            return GenerationResult(is_over_budget=True)
        return generate(self.started_engine, self.index, jobs, rank)

    def shard_for(self, num_traces: int) -> int:
        """Traces per shard where so many are missing: about eight shards, so that stages stream."""
        kind, settings = resolved(self.engine)
        largest = kind.largest_shard(settings)
        if goes_out_together(self.engine):
            return self.shard_size or largest
        return self.shard_size or min(largest, max(SMALLEST_SHARD, -(-num_traces // NUM_SHARDS)))

    def cannot_run_beside(self, other: "Stage") -> bool:
        """Whether both cannot be at work together: other weights, and the same accelerator to hold them."""
        is_same = (self.model.id, self.model.revision) == (other.model.id, other.model.revision)
        is_one = is_same and is_same_process(self.engine, other.engine)
        return not is_one and share_hardware(self.engine, other.engine)


class Plan(NamedTuple):
    """One problem's part of a stage: the samples that read the same references."""

    problem: Problem
    references: tuple[Candidate, ...]
    """The traces that are shown, in order, without their texts."""
    wanted: list[Wanted]


class Shard(NamedTuple):
    """The piece of a stage that one Prefect task makes."""

    label: str
    stage: Stage
    problems: tuple[Problem, ...]
    num_traces: int
    """Traces to make, as far as the plan could tell."""
    rank: int
    """Position of its first problem among the run's; earlier shards go first at the engine."""


def stage_of(
    name: str,
    role: Role | JudgeGrader,
    root: str,
    *,
    stored_as: str | None = None,
    field: str | None = None,
    references: References | None = None,
    reads: tuple[Stage, ...] = (),
    shard_size: int | None = None,
) -> Stage:
    """The stage of a role's settings. Raises UserError for a missing model, recording or prompt.

    Args:
        name: What the run calls it.
        role: Who answers.
        root: Where the traces are.
        stored_as: What they are stored as, whatever the run calls them; default: its name.
        field: Where the settings are in the experiment file; default: its name.
        references: What it is shown of the traces that it reads.
        reads: The stages it reads.
        shard_size: Traces per Prefect task; None: as many as suit the engine.
    """
    kind, settings = resolved(role.engine)
    model = role.model.model_copy(update={"revision": kind.identify(role.model, settings)})
    prompt = load_prompt(role.prompt)
    sources = [stage.recipe for stage in reads]
    unsent = left_out(role.engine)
    recipe = recipe_of(
        stored_as or name,
        model,
        prompt.digest,
        role.sampling,
        references=references,
        reads=sources,
        left_out=unsent,
    )
    return Stage(
        stop=getattr(role, "stop", None),
        when=getattr(role, "when", None),
        name=name,
        field=field or name,
        root=root,
        recipe=recipe,
        model=model,
        engine=role.engine,
        prompt=prompt,
        sampling=role.sampling,
        references=references,
        reads=reads,
        shard_size=shard_size,
    )


# --- plan: what is wanted, as the store is now ------------------------------------------------------


Planned = dict[str, dict[str, list[Wanted]]]
"""What is wanted of each problem, by stage."""


def plans_of(
    stage: Stage,
    problems: Sequence[Problem],
    unfinished: Unfinished | None = None,
    planned: Planned | None = None,
) -> list[Plan]:
    """What is wanted of each problem, a plan for each group of references; one whose references may still come is left out.

    Args:
        stage: Whose traces.
        problems: Those to plan.
        unfinished: What is still made of the stages it reads, while shards are at work. The store is not listed
            then: what this process makes is known without.
        planned: The plans of stages that it reads, as far as they are made already; the others are added.
    """
    indexes = range(stage.num_samples)
    if stage.references is None:
        if stage.stop is None:
            return [Plan(p, (), wanted_traces(stage.recipe, p, indexes)) for p in problems]
        index = stage.index if unfinished is None else stage.known
        sizes = sizes_of(index, problems, stage.stop, stage.num_samples)
        return [Plan(p, (), wanted_traces(stage.recipe, p, range(sizes[p.problem_digest]))) for p in problems]
    policy, plans = stage.references, list[Plan]()
    candidates = _candidates(stage, problems, unfinished, {} if planned is None else planned)
    if stage.when:
        candidates = disputed([read.known for read in stage.reads], candidates, stage.when)
    if policy.order == "by_vote":
        candidates = _with_texts(stage, candidates)
    groups = [list(group) for _, group in groupby(indexes, policy.group_of)]
    for problem in problems:
        digest = problem.problem_digest
        found = candidates.get(digest)
        if found == ():  # its answer is the vote of the samples before it
            plans.append(Plan(problem, (), []))
            continue
        chosen = [found and choose(found, policy, digest, number) for number in range(len(groups))]
        settled = [references for references in chosen if references is not None]
        for references, samples in zip(settled, groups, strict=True) if len(settled) == len(groups) else ():
            ids = tuple(candidate.trace_id for candidate in references)
            plans.append(Plan(problem, references, wanted_traces(stage.recipe, problem, samples, ids)))
    return plans


def wanted_by_problem(plans: Iterable[Plan]) -> dict[str, list[Wanted]]:
    """The traces of all groups, by the problem's digest and by sample index."""
    found: dict[str, list[Wanted]] = {}
    for plan in plans:
        found.setdefault(plan.problem.problem_digest, []).extend(plan.wanted)
    return found


def num_wanted_of(stage: Stage, problems: Sequence[Problem]) -> int:
    """Traces wanted of all problems; of one whose references may still come, as many as there can be."""
    if not stage.is_adaptive:
        return len(problems) * stage.num_samples
    wanted = {p.problem_digest: stage.num_samples for p in problems}
    plans = plans_of(stage, problems)
    wanted.update(dict.fromkeys((plan.problem.problem_digest for plan in plans), 0))
    for plan in plans:
        wanted[plan.problem.problem_digest] += len(plan.wanted)
    return sum(wanted.values())


def left_to_vote(stage: Stage, problems: Sequence[Problem]) -> set[str]:
    """Digests of the problems that the stage does not read because the samples before it agree."""
    if not stage.reads or not stage.is_adaptive:
        return set()
    return {plan.problem.problem_digest for plan in plans_of(stage, problems) if not plan.wanted}


def _candidates(
    stage: Stage, problems: Sequence[Problem], unfinished: Unfinished | None, planned: Planned
) -> dict[str, tuple[Candidate, ...]]:
    """What the stages it reads want of each problem, each trace as the store has it.

    A problem is left out while one of those stages waits for its own references.
    """
    found: dict[str, tuple[Candidate, ...]] = {p.problem_digest: () for p in problems}
    for read in stage.reads:
        if read.name not in planned:
            planned[read.name] = wanted_by_problem(plans_of(read, problems, unfinished, planned))
        wanted, index = planned[read.name], read.index if unfinished is None else read.known
        open_digests = (unfinished or {}).get(read.name, frozenset())
        found = {
            digest: earlier
            + tuple(
                _candidate(read, trace, index.get(trace.trace_id), is_final=digest not in open_digests)
                for trace in wanted[digest]
            )
            for digest, earlier in found.items()
            if digest in wanted
        }
        if read.stop:  # what has come since it was planned may say that more is wanted
            sizes = sizes_of(read.known, problems, read.stop, read.num_samples)
            found = {
                digest: group
                if sizes[digest] == len(wanted[digest])
                else (*group, Candidate("", read.num_samples, None, stage=read.name))
                for digest, group in found.items()
            }
    return found


def _candidate(stage: Stage, trace: Wanted, stored: Stored | None, *, is_final: bool) -> Candidate:
    status, is_permanent = (stored.status, stored.is_permanent and is_final) if stored else (None, False)
    return Candidate(trace.trace_id, trace.sample_index, status, is_permanent, stage=stage.name)


def _with_texts(
    stage: Stage, candidates: Mapping[K, tuple[Candidate, ...]]
) -> dict[K, tuple[Candidate, ...]]:
    """The candidates with their texts, read from the store in one pass. Raises LostPart for a text that is gone."""
    ids = [c.trace_id for group in candidates.values() for c in group]
    texts = {
        row["trace_id"]: (row["reasoning"], row["answer"])
        for read in stage.reads
        for row in read.index.rows(ids, ["reasoning", "answer"]).to_pylist()
    }
    require(
        (c.trace_id for group in candidates.values() for c in group if c.status in {"ok", "truncated"}), texts
    )
    return {
        key: tuple(
            replace(c, reasoning=texts[c.trace_id][0], answer=texts[c.trace_id][1] or "")
            if c.trace_id in texts
            else c
            for c in group
        )
        for key, group in candidates.items()
    }


# --- missing: wanted − stored, cut into shards -----------------------------------------------------


def missing_of(stage: Stage, problems: Sequence[Problem]) -> list[Plan]:
    """Plans of what can be made now, each with only the traces that are missing; none where all are stored."""
    return lacking_of(stage.index, plans_of(stage, problems))


def lacking_of(index: RecipeIndex, plans: Iterable[Plan]) -> list[Plan]:
    """The plans with only the traces that are missing; those that have some."""
    lacking = (plan._replace(wanted=missing_traces(index, plan.wanted)) for plan in plans)
    return [plan for plan in lacking if plan.wanted]


def shards_of(
    stage: Stage, problems: Sequence[Problem], unsettled: AbstractSet[str] = frozenset()
) -> list[Shard]:
    """Shards of the problems that lack traces; empty where all are stored.

    Args:
        stage: Whose traces.
        problems: All problems of the run, in order.
        unsettled: Digests of problems of which a stage it reads still makes traces in this run. Their
            references are decided by the shard, when those traces are there.
    """
    index, planned = stage.index, wanted_by_problem(plans_of(stage, problems))
    counts = {
        p.problem_digest: stage.num_samples
        if p.problem_digest in unsettled or p.problem_digest not in planned
        else len(missing_traces(index, planned[p.problem_digest]))
        for p in problems
    }
    lacking = [p for p in problems if counts[p.problem_digest]]
    pieces = cut(lacking, lambda p: counts[p.problem_digest], stage.shard_for(sum(counts.values())))
    ranks = {problem: rank for rank, problem in enumerate(problems)}
    return [
        Shard(
            f"{stage.name} {number}/{len(pieces)}",
            stage,
            tuple(piece),
            sum(counts[p.problem_digest] for p in piece),
            ranks[piece[0]],
        )
        for number, piece in enumerate(pieces, start=1)
    ]


def shards_by_stage(stages: Sequence[Stage], problems: Sequence[Problem]) -> list[list[Shard]]:
    """The shards of every stage that has some, in order."""
    unsettled: dict[str, set[str]] = {}
    planned = []
    with ExitStack() as stack:
        for stage in stages:
            stack.enter_context(stage.known.store.listed_once())
            waiting = set().union(*(unsettled.get(read.name, set()) for read in stage.reads))
            shards = shards_of(stage, problems, waiting)
            unsettled[stage.name] = {p.problem_digest for shard in shards for p in shard.problems}
            if shards:
                planned.append(shards)
    return planned


# --- jobs: the requests for what is missing ---------------------------------------------------------


def jobs_of(stage: Stage, lacking: Sequence[Plan]) -> Iterator[Job]:
    """The requests for missing traces, each sample with its own derived seed."""
    policy = stage.references
    texts = _with_texts(stage, {n: plan.references for n, plan in enumerate(lacking)}) if policy else {}
    for number, plan in enumerate(lacking):
        references = shown(texts[number], policy) if policy else ()
        job = job_of(stage, plan.problem.question, {"references": references}, plan.wanted)
        yield job._replace(read=reading_of(stage.recipe.stage, texts.get(number, ()), references))


def job_of(stage: Stage, question: str, values: Mapping[str, object], wanted: Sequence[Wanted]) -> Job:
    """The request that fills the stage's prompt with the question and further values."""
    request = Request(
        messages=stage.prompt.filled({"question": question, **values}),
        sampling=stage.sampling,
        seeds=tuple(sample_seed(stage.sampling.seed, w.problem_digest, w.sample_index) for w in wanted),
        question=question,
        sample_indexes=tuple(w.sample_index for w in wanted),
        trace_ids=tuple(w.trace_id for w in wanted),
    )
    return Job(request, tuple(wanted))


@lru_cache(maxsize=64)
def _index(root: str, recipe: Recipe) -> RecipeIndex:
    return RecipeIndex(Store(root), recipe)
