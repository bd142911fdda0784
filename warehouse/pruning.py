"""Pruning: old runs go, and with them the traces and verdicts that only they wanted.

What goes is decided by the members of the runs alone: a trace that a kept run wanted stays, and so
does one that no run ever recorded (a stage made by itself, a run that was killed). The plan is
written down first; then the manifests go, so that no relation shows a run with holes; then the
parts are rewritten without their doomed rows; the members, from which the plan can be computed
again, go last. A pruning that was cut short is ended by the next one.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatch
from typing import NamedTuple

import orjson
import pyarrow.compute as pc

from configs.schema import UserError
from warehouse.manifest import manifest_path, manifests, members_path
from warehouse.store import Store

PLAN = "pruning.json"
"""Which runs a pruning under way takes away, with their recipes."""


class RunRecord(NamedTuple):
    """What of a run's manifest decides whether it goes."""

    run_id: str
    experiment: str
    started_at: datetime
    recipes: dict[str, str]
    """Stage to recipe."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs go: those that every given rule names."""

    older_than: timedelta | None = None
    experiment: str | None = None
    """A name or a pattern such as `sweep.*`."""
    keep_last: int | None = None
    """The newest so many of each experiment stay, whatever else is said."""

    def of(self, runs: Sequence[RunRecord], now: datetime) -> list[RunRecord]:
        """The runs that go, from the oldest to the newest; none where no rule is given."""
        if self == Selection():
            return []
        newest: dict[str, int] = {}
        chosen = []
        for run in sorted(runs, key=lambda run: run.started_at, reverse=True):
            newest[run.experiment] = newest.get(run.experiment, 0) + 1
            if (
                (self.older_than is None or run.started_at < now - self.older_than)
                and (self.experiment is None or fnmatch(run.experiment, self.experiment))
                and (self.keep_last is None or newest[run.experiment] > self.keep_last)
            ):
                chosen.append(run)
        return chosen[::-1]


@dataclass(slots=True)
class PrunePlan:
    """What a pruning frees, or would free."""

    num_traces: int = 0
    num_grades: int = 0
    num_bytes: int = 0
    """Of a part that is rewritten, its rows' share."""
    parts: dict[str, frozenset[str]] = field(default_factory=dict)
    """Parts that hold doomed rows, with the doomed trace ids of their recipe."""


def age_of(text: str) -> timedelta:
    """An age such as 12h, 30d or 8w. Raises UserError."""
    units = {"h": "hours", "d": "days", "w": "weeks"}
    if not (match := re.fullmatch(r"(\d{1,5})([hdw])", text)):
        raise UserError(f"{text} is not an age; give hours, days or weeks: 12h, 30d, 8w.")
    return timedelta(**{units[match[2]]: int(match[1])})


def recorded_runs(store: Store) -> list[RunRecord]:
    """The runs on record. Raises UserError for a damaged manifest."""
    return [RunRecord(m.run_id, m.experiment, m.started_at, m.recipes) for m in manifests(store)]


def unfinished(store: Store) -> list[RunRecord]:
    """Runs that a pruning which was cut short has still to take away."""
    if not store.exists(PLAN):
        return []
    plan = orjson.loads(store.read_bytes(PLAN))
    return [RunRecord(r[0], r[1], datetime.fromisoformat(r[2]), r[3]) for r in plan]


def plan_pruning(store: Store, going: Sequence[RunRecord], staying: Iterable[RunRecord]) -> PrunePlan:
    """What of the store only the `going` runs want."""
    plan = PrunePlan()
    kept = list(staying)
    folders = {folder.rsplit("recipe=", 1)[-1]: folder for folder in _folders(store, "traces")}
    for recipe in sorted({recipe for run in going for recipe in run.recipes.values()}):
        doomed = _members(store, going, recipe) - _members(store, kept, recipe)
        if doomed:
            if folder := folders.get(recipe):
                _count(store, plan, folder, "part-", doomed)
            for grader in _folders(store, "grades"):
                _count(store, plan, grader, f"part-{recipe}-", doomed)
    for run in going:
        paths = (manifest_path(run.run_id), members_path(run.run_id))
        plan.num_bytes += sum(store.size(path) for path in paths if store.exists(path))
    return plan


def prune(store: Store, going: Sequence[RunRecord], plan: PrunePlan) -> Iterator[str]:
    """Take the runs away, part after part; yields each part done. To be called under both locks of upkeep."""
    written = [(run.run_id, run.experiment, run.started_at.isoformat(), run.recipes) for run in going]
    store.write_bytes(PLAN, orjson.dumps(written))
    for run in going:
        store.remove(manifest_path(run.run_id))
    for part, doomed in plan.parts.items():
        _without(store, part, doomed)
        yield part
    for run in going:
        store.remove(members_path(run.run_id))
    store.remove(PLAN)


def _members(store: Store, runs: Iterable[RunRecord], recipe: str) -> set[str]:
    """Trace ids of a recipe that these runs wanted, whatever each calls the stage."""
    ids: set[str] = set()
    for run in runs:
        path, stages = (
            members_path(run.run_id),
            [stage for stage, key in run.recipes.items() if key == recipe],
        )
        if stages and store.exists(path):
            members = store.read_part(path, ["stage", "trace_id"])
            ids.update(members.filter(pc.field("stage").isin(stages))["trace_id"].to_pylist())
    return ids


def _folders(store: Store, kind: str) -> list[str]:
    return sorted({file.path.rsplit("/", 1)[0] for file in store.files(kind)})


def _count(store: Store, plan: PrunePlan, folder: str, prefix: str, doomed: set[str]) -> None:
    ids = frozenset(doomed)
    for part in store.names(folder, prefix=prefix):
        held = store.read_part(part, ["trace_id"])
        num_doomed = held.filter(pc.field("trace_id").isin(list(ids))).num_rows
        if num_doomed:
            plan.parts[part] = ids
            plan.num_bytes += round(store.size(part) * num_doomed / held.num_rows)
            if folder.startswith("traces/"):
                plan.num_traces += num_doomed
            else:
                plan.num_grades += num_doomed


def _without(store: Store, part: str, doomed: frozenset[str]) -> None:
    """Put a part without its doomed rows in its place: the new one first."""
    table = store.read_part(part)
    kept = table.filter(~pc.field("trace_id").isin(list(doomed)))
    if kept.num_rows:
        folder, name = part.rsplit("/", 1)
        store.write_part(folder, kept, name[: -len("0123456789abcdef.parquet")])
    store.remove(part)
