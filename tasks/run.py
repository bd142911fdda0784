"""One execution of an experiment: what it wants, what it found, what it leaves on record."""

import hashlib
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import orjson
import pyarrow as pa
from prefect.runtime import flow_run

from configs.experiment import Experiment
from configs.graders import JudgeGrader
from tasks.benchmarks.load import load_problems
from tasks.benchmarks.mapping import name_of
from tasks.engines.server.stats import SEEN
from tasks.executor import StageFailed
from tasks.generation.planning import SynthesisShard, plans_of
from tasks.generation.roles import Role, SynthesizerRole, judge_role, roles_of
from tasks.grading.verdicts import grader_of
from tasks.run_names import scheduled_at
from warehouse.identity import Stage
from warehouse.journal import recover
from warehouse.locks import in_use
from warehouse.planner import distinct, wanted_traces
from warehouse.records import MEMBERS, PROBLEMS, Member, Problem
from warehouse.store import Store


@dataclass(frozen=True, slots=True)
class Run:
    """A run under way."""

    run_id: str
    started_at: datetime
    experiment: Experiment
    store: Store
    listed: tuple[Problem, ...]
    """The benchmark's problems."""
    explorer: Role
    synthesizer: SynthesizerRole | None
    grader: str
    """The key of its grader."""
    found: frozenset[str]
    """Trace ids of both recipes that were stored before the run."""
    num_recovered: int
    """Traces taken over from the journals of runs that died."""

    @property
    def problems(self) -> list[Problem]:
        """The problems to generate for, one a question."""
        return distinct(self.listed)

    @property
    def num_explored(self) -> int:
        """Explorer samples a problem."""
        return self.experiment.explorer.sampling.n

    @property
    def num_synthesized(self) -> int:
        """Synthesizer samples a problem."""
        return self.experiment.synthesizer.sampling.n if self.experiment.synthesizer else 0


def run_identity(experiment: Experiment, limit: int | None) -> str:
    """Id of the run that the present flow run is; a retried flow run keeps it, also below a retried night."""
    asked = f"{flow_run.get_root_flow_run_id()}/{limit}/{experiment.model_dump_json()}"
    digest = hashlib.sha256(asked.encode()).hexdigest()
    return f"{scheduled_at():%Y%m%dT%H%M%S}-{experiment.name}-{digest[:8]}"


def default_root() -> str:
    """Where results live unless said otherwise."""
    return os.environ.get("A2R_ROOT") or "a2r-data"


@contextmanager
def root_in_use(root: str | None) -> Iterator[None]:
    """Keeps pruning away from a root until the run is on record."""
    store = Store(root or default_root())
    store.open_for_writing()
    with in_use(store):
        yield


def start_run(experiment: Experiment, root: str | None, limit: int | None = None) -> Run:
    """Read the problems, take over what dead runs left, and see what is stored. Raises UserError."""
    SEEN.take()
    problems = load_problems(experiment.benchmark, limit=limit)
    store = Store(root or default_root())
    explorer, synthesizer = roles_of(experiment, store.root)
    grader = grader_of(
        experiment.grader, store.root
    ).key  # one that cannot work is told before anything is made
    store.open_for_writing()
    num_recovered = recover(store)
    rows = pa.Table.from_pylist([asdict(problem) for problem in problems], schema=PROBLEMS)
    store.write_part("problems", rows)
    found = explorer.index.answers() | (synthesizer.index.answers() if synthesizer else frozenset())
    return Run(
        run_id=run_identity(experiment, limit),
        started_at=datetime.now(UTC),
        experiment=experiment,
        store=store,
        listed=tuple(problems),
        explorer=explorer,
        synthesizer=synthesizer,
        grader=grader,
        found=found,
        num_recovered=num_recovered,
    )


def members_of(run: Run) -> dict[str, list[Member]]:
    """Every trace the run wants, by stage; a synthesis still waiting for references has no id yet."""
    members = {
        "explore": [
            Member("explore", p.problem_id, p.problem_digest, w.sample_index, w.trace_id, p.gold)
            for p in run.listed
            for w in wanted_traces(run.explorer.recipe, p, run.num_explored)
        ]
    }
    if run.synthesizer:
        shard = SynthesisShard(
            "all", run.synthesizer, tuple(run.problems), run.num_synthesized, 0, run.num_explored
        )
        wanted = {plan.problem.problem_digest: plan.wanted for plan in plans_of(shard)}
        members["synthesize"] = [
            Member("synthesize", p.problem_id, p.problem_digest, w.sample_index, w.trace_id, p.gold)
            for p in run.listed
            for w in wanted.get(p.problem_digest, ())
        ]
    return members


def record_run(run: Run, members: dict[str, list[Member]], complaints: list[str]) -> dict[str, Any]:
    """Leave the run on record: its members first, its manifest last. Returns the manifest.

    `members` may hold a judge's traces beside those of the stages.
    """
    stages, grader = _stages(run, members), run.experiment.grader
    is_whole = not complaints and all(s["wanted"] == s["generated"] + s["reused"] for s in stages.values())
    manifest = {
        "run_id": run.run_id,
        "experiment": run.experiment.name,
        "description": run.experiment.description,
        "status": "complete" if is_whole else "incomplete",
        "started_at": run.started_at.isoformat(),
        "finished_at": datetime.now(UTC).isoformat(),
        "benchmark": name_of(run.experiment.benchmark),
        "num_problems": len(run.listed),
        "grader": run.grader,
        "explorer": _role_record(run.explorer, run.num_explored),
        "synthesizer": _role_record(run.synthesizer, run.num_synthesized) if run.synthesizer else None,
        "judge": _role_record(judge_role(grader, run.store.root), 1)
        if isinstance(grader, JudgeGrader)
        else None,
        "stages": {"explore": stages["explore"], "synthesize": stages.get("synthesize")},
        "complaints": complaints,
        "servers": SEEN.take(),
        "config": run.experiment.model_dump(mode="json"),
        "versions": {
            "a2r": version("a2r"),
            "python": platform.python_version(),
            **{name: version(name) for name in ("prefect", "duckdb", "pyarrow", "onnxruntime")},
        },
    }
    rows = [member._asdict() for stage in members.values() for member in stage]
    table = pa.Table.from_pylist(rows, schema=MEMBERS)
    run.store.write_table(f"runs/{run.run_id}.parquet", table)
    run.store.write_bytes(f"runs/{run.run_id}.json", orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    return manifest


def stage_summary(run: Run, stage: Stage) -> dict[str, Any]:
    """What a run of one stage alone has to say."""
    counts = _stages(run, members_of(run))[stage]
    return {
        "run_id": run.run_id,
        "status": "complete" if counts["wanted"] == counts["generated"] + counts["reused"] else "incomplete",
        "stages": {stage: counts},
    }


def raise_if_incomplete(summary: dict[str, Any], complaints: Sequence[str]) -> dict[str, Any]:
    """The summary of work that is whole; else fail the flow loudly, after all that could be done is done."""
    if not complaints:
        return summary
    wanting = ", ".join(
        f"{missing} of {counts['wanted']} {stage}"
        for stage, counts in summary["stages"].items()
        if counts and (missing := counts["wanted"] - counts["generated"] - counts["reused"])
    )
    lost = f"Not made: {wanting} traces. All others are" if wanting else "All traces are"
    raise StageFailed(
        summary,
        "\n".join(complaints) + f"\n{lost} stored; run the same command again, or press Retry on the flow "
        "run, to make only what is missing.",
    )


def _stages(run: Run, members: dict[str, list[Member]]) -> dict[str, dict[str, int]]:
    stages = {"explore": _summary(run, run.explorer, members["explore"], run.num_explored)}
    if run.synthesizer:
        stages["synthesize"] = _summary(run, run.synthesizer, members["synthesize"], run.num_synthesized)
    return stages


def _summary(run: Run, role: Role, members: list[Member], num_samples: int) -> dict[str, int]:
    """Counts of one stage. `tokens`: prompts as billed and completions of all the run's traces."""
    index = role.index
    ids = {member.trace_id for member in members}
    have = {trace_id for trace_id in ids if index.has(trace_id)}
    rows = index.rows(have, ["status", "num_billed_prompt_tokens", "num_completion_tokens"])
    wanted = len(run.problems) * num_samples
    return {
        "wanted": wanted,
        "generated": len(have - run.found),
        "reused": len(have & run.found),
        "errors": len(ids) - len(have),
        "blocked": wanted - len(ids),
        "truncated": rows.column("status").to_pylist().count("truncated") if have else 0,
        "tokens": _sum(rows, "num_billed_prompt_tokens") + _sum(rows, "num_completion_tokens") if have else 0,
    }


def _sum(rows: pa.Table, column: str) -> int:
    return sum(value or 0 for value in rows.column(column).to_pylist())


def _role_record(role: Role, num_samples: int) -> dict[str, Any]:
    price = role.model.price
    record = {
        "model": role.model.id,
        "revision": role.model.revision,
        "params": role.model.params,
        "price_input": price.input if price else None,
        "price_output": price.output if price else None,
        "recipe": role.recipe.key,
        "engine": role.engine.kind,
        "prompt": role.prompt.name,
        "n": num_samples,
        "temperature": role.sampling.temperature,
        "max_tokens": role.sampling.max_tokens,
    }
    if isinstance(role, SynthesizerRole):
        record["num_references"] = role.references.count
    return record
