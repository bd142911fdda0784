"""A run: one execution of an experiment, resolved once. The steps are handed what they work with."""

import hashlib
import platform
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa

from configs.engines import OpenAISettings
from configs.experiment import Experiment
from configs.schema import UserError
from tasks.benchmarks.mapping import name_of
from tasks.benchmarks.problems import load_problems
from tasks.benchmarks.suites import members_of_suite
from tasks.engines.pool import ENGINES, open_engines
from tasks.engines.rendered import SEEN, changed_lengths, changed_templates
from tasks.engines.spending import COUNTED, Meter, Spending, set_meter
from tasks.explore import explore_stage
from tasks.grading.grader_of import AnyGrader, grader_of, judge_of
from tasks.progress import PROGRESS
from tasks.stage import (
    Stage,
    left_to_vote,
    num_wanted_of,
    plans_of,
    shards_by_stage,
    wanted_by_problem,
)
from tasks.synthesize import synthesize_stage
from warehouse.index import Known
from warehouse.journal import recover
from warehouse.locks import in_use
from warehouse.manifest import Manifest, RoleRecord, StageRecord, members_path, write_manifest
from warehouse.planner import distinct
from warehouse.records import MEMBERS, PROBLEMS, Member, Problem
from warehouse.servers import ServerStats
from warehouse.store import Store, default_root
from warehouse.summary import StageCounts, StageSummary
from warehouse.writers import at_work

if TYPE_CHECKING:
    from tasks.executor.flow_runs import ExperimentRequest


Stages = tuple[Stage, ...]
"""Some of a run's stages, in order."""


@dataclass(slots=True)
class Run:
    """A run under way: what it is, and what its steps have found so far."""

    run_id: str
    started_at: datetime
    experiment: Experiment
    store: Store
    listed: tuple[Problem, ...]
    """The benchmark's problems."""
    stages: Stages
    """Each reads only earlier ones."""
    grader: AnyGrader
    """Ready to work; its processes and engines start when they are needed."""
    found: dict[str, Known]
    """What was stored of each stage before the run."""
    members: dict[str, list[Member]] = field(default_factory=dict)
    """What the run wanted, by stage; also a judge's traces that its verdicts rest on. Known once it is graded."""
    complaints: list[str] = field(default_factory=list)
    """What could not be made or decided, in sentences for people."""
    again_seconds: float | None = None
    """After how long to look again, where all that was not made is under way elsewhere."""
    undecided: list[str] = field(default_factory=list)
    """Why the verdicts are too few for the run to be complete, in sentences; running it again does not add any."""
    warnings: list[str] = field(default_factory=list)
    """What a reader of the numbers has to know, in sentences."""
    spending: Spending = field(default_factory=Spending)
    """What its answers cost so far, and the budget."""
    servers: Sequence[ServerStats] = ()
    """What the servers of the run's engines told of themselves, each known once its engine is closed."""

    def add(self, stage: Stage) -> None:
        """One more stage, which reads earlier ones."""
        self.stages += (stage,)
        self.found |= {stage.name: stage.index.held}
        self.spending = measured(self)

    @property
    def explorers(self) -> Stages:
        """The stages that read no other."""
        return tuple(stage for stage in self.stages if not stage.reads)

    @property
    def readers(self) -> Stages:
        """The stages that read others."""
        return tuple(stage for stage in self.stages if stage.reads)

    @property
    def problems(self) -> list[Problem]:
        """The problems to generate for, one per question."""
        return distinct(self.listed)


def stages_of(experiment: Experiment, root: str) -> Stages:
    """The stages of an experiment, in order.

    Raises UserError for a missing model, recording or prompt, and for two stages that would be the same traces.
    """
    made, size = dict[str, Stage](), experiment.execution.shard_size
    for settings in experiment.stages:
        reads = tuple(made[name] for name in settings.reads)
        stage = synthesize_stage(settings, reads, size) if reads else explore_stage(settings, root, size)
        for other in made.values():
            if other.recipe == stage.recipe:
                raise UserError(
                    f"{stage.field} has model, prompt, sampling and references of {other.field}, so its samples would be "
                    f"the same; give {stage.field}.sampling.seed another value."
                )
        made[settings.name] = stage
    return tuple(made.values())


@contextmanager
def started(request: "ExperimentRequest", root: str | None, limit: int | None = None) -> Iterator[Run]:
    """A run of the present flow run, its root locked against pruning; engines and grader are closed at the end.

    What cannot work (a grader, a prompt, a model) is reported before anything is made. Raises UserError.
    """
    # a run of which everything is stored (`flows.commands.stored`) imports no Prefect
    from tasks.executor.artifacts import progress_artifacts  # noqa: PLC0415
    from tasks.executor.flow_runs import requested, root_flow_run_id, scheduled_at  # noqa: PLC0415

    store = Store(root or default_root())
    store.open_for_writing()
    with in_use(store), at_work(store), progress_artifacts(), open_engines() as engines:
        experiment = requested(request)
        run_id = run_id_of(experiment, limit, root_flow_run_id(), scheduled_at())
        with store.listed_once():
            run = resolve(experiment, store, limit, run_id)
            run.servers, run.spending = engines.servers, measured(run)
        with closing(run.grader):
            yield run


def resolve(experiment: Experiment, store: Store, limit: int | None = None, run_id: str | None = None) -> Run:
    """Read the problems, take over what dead runs left, and see what is stored. Raises UserError."""
    problems = load_problems(experiment.benchmark, limit, store, keeps=True, say=PROGRESS.say)
    stages = stages_of(experiment, store.root)
    grader = grader_of(experiment.grader, store.root, problems)
    store.prepare()
    recover(store, PROGRESS.say)
    rows = pa.Table.from_pylist([asdict(problem) for problem in problems], schema=PROBLEMS)
    store.write_part("problems", rows)
    return Run(
        run_id=run_id or run_id_of(experiment, limit, uuid4().hex, datetime.now(UTC)),
        started_at=datetime.now(UTC),
        experiment=experiment,
        store=store,
        listed=tuple(problems),
        stages=stages,
        grader=grader,
        found={stage.name: stage.index.held for stage in stages},
    )


def run_id_of(experiment: Experiment, limit: int | None, flow_run_id: str, scheduled_at: datetime) -> str:
    """Id of the run that the flow run of that id is; a flow run that is retried keeps both."""
    content = f"{flow_run_id}/{limit}/{experiment.model_dump_json()}"
    digest = hashlib.sha256(content.encode()).hexdigest()
    return f"{scheduled_at:%Y%m%dT%H%M%S}-{experiment.name}-{digest[:8]}"


def is_unmade(run: Run, stages: Sequence[Stage]) -> bool:
    """Whether a trace of these stages is to be made."""
    return bool(shards_by_stage(stages, run.problems))


def check_grader(experiment: Experiment, root: str) -> None:
    """Raise UserError for a grader that cannot work."""
    grader_of(experiment.grader, root).close()


def generate(run: Run, stages: Sequence[Stage] | None = None) -> None:
    """Make what is missing of the stages, all or these; their engines are gone when it returns."""
    from tasks.executor.submit import generate_stages  # noqa: PLC0415 - imports Prefect

    chosen = run.stages if stages is None else stages
    complaints = generate_stages(chosen, run.problems, run.experiment.execution)
    run.complaints += complaints.sentences
    run.again_seconds = complaints.again_seconds
    if run.spending.is_reached and any(num_unmade(run, stage) for stage in chosen):
        run.complaints.append(
            f"The budget is spent ({run.spending.shown()}): nothing more was requested. Raise budget and run again to "
            "continue; nothing is made twice."
        )
    ENGINES.close_engines()


def measured(run: Run) -> Spending:
    """The run's spending with what is stored of its stages, and a meter for each of them and for a judge."""
    spending, judge = Spending(run.experiment.budget), judge_of(run.grader)
    for stage in (*run.stages, *([judge.stage] if judge else ())):
        meter = Meter(stage.model.price, stage.sampling.max_tokens, spending)
        set_meter(stage.root, stage.recipe, meter)
        if run.experiment.budget and stage.name != "judge":
            wanted = [trace.trace_id for plan in plans_of(stage, run.problems) for trace in plan.wanted]
            stored = [trace_id for trace_id in wanted if stage.index.has(trace_id)]
            for rows in stage.index.batches(stored, [*COUNTED, "reasoning", "answer"]):
                meter.count_stored(rows.to_pylist())
    return spending


def members_of(run: Run) -> dict[str, list[Member]]:
    """Every trace the run wants, by stage; one still waiting for references has no id yet."""
    members = {}
    for stage in run.stages:
        wanted = wanted_by_problem(plans_of(stage, run.problems))
        members[stage.name] = [
            Member(stage.name, p.problem_id, p.problem_digest, w.sample_index, w.trace_id, p.gold)
            for p in run.listed
            for w in wanted.get(p.problem_digest, ())
        ]
    return members


def record(run: Run) -> None:
    """Leave the run on record: its members first, its manifest last."""
    ENGINES.close_engines()  # a judge's too, so that all servers have told of themselves
    with run.store.listed_once():
        manifest = _manifest(run)
    rows = [member for members in run.members.values() for member in members]
    columns = zip(*rows, strict=True) if rows else ([] for _ in MEMBERS)
    run.store.write_table(members_path(run.run_id), pa.table(list(columns), schema=MEMBERS))
    write_manifest(run.store, manifest)


def _manifest(run: Run) -> Manifest:
    counts = {stage.name: counts_of(run, stage) for stage in run.stages}
    run.warnings += changed_templates(run.store, run.servers)
    run.warnings += filter(None, (_changed_lengths(run, stage) for stage in run.stages))
    run.warnings += filter(None, (_fallbacks(run, stage) for stage in run.stages))
    has_all = not run.complaints and not run.undecided and all(map(is_whole, counts.values()))
    judge = judge_of(run.grader)
    return Manifest(
        run_id=run.run_id,
        experiment=run.experiment.name,
        description=run.experiment.description,
        status="complete" if has_all else "incomplete",
        started_at=run.started_at,
        finished_at=datetime.now(UTC),
        benchmark=name_of(run.experiment.benchmark),
        num_problems=len(run.listed),
        suite=members_of_suite(run.experiment.benchmark, run.listed),
        grader=run.grader.key,
        stages={
            s.name: StageRecord(role=_role_record(s, run.listed), counts=counts[s.name]) for s in run.stages
        },
        judge=_role_record(judge.stage) if judge else None,
        complaints=(*run.complaints, *run.undecided),
        warnings=tuple(run.warnings),
        servers=tuple(run.servers),
        config=run.experiment.model_dump(mode="json"),
        versions={
            "a2r": version("a2r"),
            "python": platform.python_version(),
            **{name: version(name) for name in ("prefect", "duckdb", "pyarrow", "onnxruntime")},
        },
    )


def _changed_lengths(run: Run, stage: Stage) -> str | None:
    """Of an endpoint; other engines' models are known by their files, and recordings have prompts of their own."""
    if not isinstance(stage.engine, OpenAISettings):
        return None
    members = run.members.get(stage.name) or members_of(run)[stage.name]
    return changed_lengths(stage.name, stage.index.rows({m.trace_id for m in members}, list(SEEN)))


def _fallbacks(run: Run, stage: Stage) -> str | None:
    """How many of a stage's replies named no candidate, where they should."""
    if not stage.is_selection:
        return None
    members = run.members.get(stage.name) or members_of(run)[stage.name]
    chosen = stage.index.rows({m.trace_id for m in members}, ["selected_id"])
    number = chosen.column("selected_id").null_count if chosen.num_rows else 0
    if not number:
        return None
    return (
        f"{stage.name}: {number:,} of {chosen.num_rows:,} replies name no candidate; the vote of the candidates was taken "
        "instead. `a2r show` prints what they say (as reasoning)."
    )


def counts_of(run: Run, stage: Stage) -> StageCounts:
    """Counts of one stage. `tokens`: prompts as billed and completions of all the run's traces."""
    index = stage.index.refresh()
    members = run.members.get(stage.name) or members_of(run)[stage.name]
    ids = {member.trace_id for member in members}
    held = ((trace_id, index.get(trace_id)) for trace_id in ids)
    stored = {trace_id: row for trace_id, row in held if row and row.status != "error"}
    wanted = num_wanted_of(stage, run.problems)
    found = run.found[stage.name]
    num_made = sum(trace_id in index.made and trace_id not in found for trace_id in stored)
    return {
        "wanted": wanted,
        "generated": num_made,
        "reused": len(stored) - num_made,
        "errors": len(ids) - len(stored),
        "blocked": wanted - len(ids),
        "truncated": sum(row.status == "truncated" for row in stored.values()),
        "tokens": sum(row.num_tokens for row in stored.values()),
    }


def stage_summary(run: Run, stages: Stages) -> StageSummary:
    """What became of single stages, which leave no run on record."""
    counts = {stage.name: counts_of(run, stage) for stage in stages}
    status = "complete" if all(map(is_whole, counts.values())) else "incomplete"
    return StageSummary(run_id=run.run_id, status=status, stages=counts)


def num_unmade(run: Run, stage: Stage) -> int:
    """Wanted traces of a stage that are not stored, those that wait for their references too."""
    members = run.members.get(stage.name) or members_of(run)[stage.name]
    stored = sum(map(stage.index.has, {member.trace_id for member in members}))
    return num_wanted_of(stage, run.problems) - stored


def is_whole(counts: StageCounts) -> bool:
    """Whether every wanted trace of a stage is stored."""
    return counts["wanted"] == counts["generated"] + counts["reused"]


def _role_record(stage: Stage, problems: Sequence[Problem] = ()) -> RoleRecord:
    """A stage as it is recorded, with those of the problems that it leaves to the vote."""
    price, left = stage.model.price, left_to_vote(stage, distinct(problems))
    return RoleRecord(
        model=stage.model.id,
        revision=stage.model.revision,
        params=stage.model.params,
        price_input=price.input if price else None,
        price_output=price.output if price else None,
        price_cached_input=price.cached_input if price else None,
        price_reasoning=price.reasoning if price else None,
        price_batch=price.batch if price else None,
        recipe=stage.recipe.key,
        engine=stage.engine.kind,
        prompt=stage.prompt.name,
        n=stage.num_samples,
        temperature=stage.sampling.temperature,
        max_tokens=stage.sampling.max_tokens,
        num_references=stage.references.count if stage.references else None,
        stored_as=stage.recipe.stage,
        settings=stage.field,
        round=stage.round,
        reads=tuple(read.name for read in stage.reads),
        num_fixed=stage.stop.after if stage.stop else None,
        left_to_vote=tuple(p.problem_id for p in problems if p.problem_digest in left),
    )
