"""Looking after a root: loading, verifying, compaction and pruning."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from configs.schema import UserError
from warehouse.compaction import FEWEST_PARTS, merge_parts, merges
from warehouse.integrity import Damage, verify
from warehouse.loader import LoadReport, load
from warehouse.locks import unused, upkeep
from warehouse.on_progress import OnProgress, silent
from warehouse.pruning import PrunePlan, RunRecord, Selection, plan_pruning, prune, recorded_runs, unfinished
from warehouse.store import Store

KINDS = ("traces", "grades", "problems")


@dataclass(frozen=True, slots=True)
class Census:
    """Parts of one kind, and their size."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class CompactionReport:
    """What became of a root's parts, by kind."""

    root: str
    before: dict[str, Census]
    after: dict[str, Census]
    superseded_rows_dropped: int
    complaints: tuple[str, ...]
    """Folders that had to be left alone, with the reason."""


@dataclass(frozen=True, slots=True)
class PruneReport:
    """The runs that go, or have gone, and what that frees."""

    root: str
    is_applied: bool
    runs: tuple[RunRecord, ...]
    plan: PrunePlan

    def as_dict(self) -> dict[str, object]:
        """The object of `a2r prune --json`."""
        return {
            "root": self.root,
            "is_applied": self.is_applied,
            "runs": [run.run_id for run in self.runs],
            "traces": self.plan.num_traces,
            "grades": self.plan.num_grades,
            "bytes": self.plan.num_bytes,
            "parts": len(self.plan.parts),
        }


def load_root(root: str) -> LoadReport:
    """Bring the catalog up to date. Raises UserError for a root without results."""
    store = Store(root)
    if not store.names("runs", suffix="") and not any(store.files("traces")):
        raise UserError(f"{store.root} holds no results; run an experiment first (`a2r run quickstart`).")
    return load(store)


def verify_root(root: str) -> Iterator[Damage]:
    """Read the whole root and yield every damage. Raises UserError for an empty root."""
    return verify(_existing(root))


def compact_root(
    root: str, fewest: int = FEWEST_PARTS, on_merge: Callable[[str], None] | None = None
) -> CompactionReport:
    """Compact a root that holds something; see `compact_store`. Raises UserError for an empty root."""
    return compact_store(_existing(root), fewest, on_merge)


def compact_store(
    store: Store, fewest: int = FEWEST_PARTS, on_merge: Callable[[str], None] | None = None
) -> CompactionReport:
    """Merge small parts and bring the catalog up to date; `on_merge` is called with a line about each merge.

    A damaged part holds up only its own folder. Raises UserError while another compaction or pruning is under way.
    """
    complaints: list[str] = []
    num_dropped = 0
    with upkeep(store):
        before = _census(store)
        for merge in merges(store, fewest):
            try:
                merged = merge_parts(store, merge)
            except UserError as error:
                complaints.append(str(error))
                continue
            num_dropped += merged.num_dropped
            if on_merge:
                on_merge(
                    f"{len(merge.parts)} parts, {merge.num_bytes:,} bytes → {merged.part}, "
                    f"{merged.num_bytes:,} bytes, {merged.num_rows:,} rows"
                )
        after = _census(store)
    if store.catalog_path.exists():
        load(store)
    return CompactionReport(store.root, before, after, num_dropped, tuple(complaints))


def prune_root(
    root: str, selection: Selection, *, is_applied: bool = False, on_progress: OnProgress = silent
) -> PruneReport:
    """What pruning would free, or the pruning itself. Raises UserError while a run is under way."""
    if selection.older_than is None and selection.experiment is None and selection.keep_last is None:
        raise UserError(
            "Say which runs go: --older-than 30d, --experiment 'sweep.*', --keep-last 5, or several."
        )
    store = _existing(root)
    if not is_applied:
        runs, plan = _planned(store, selection)
        return PruneReport(store.root, is_applied, runs, plan)
    with upkeep(store), unused(store):
        runs, plan = _planned(store, selection)
        if runs:
            for num_done, _ in enumerate(prune(store, runs, plan), start=1):
                on_progress(num_done, len(plan.parts))
    if runs and store.catalog_path.exists():
        load(store)
    return PruneReport(store.root, is_applied, runs, plan)


def _planned(store: Store, selection: Selection) -> tuple[tuple[RunRecord, ...], PrunePlan]:
    """The runs that go, those of an interrupted pruning first, and what that frees."""
    with store.listed_once():
        runs, begun = recorded_runs(store), unfinished(store)
        going = {run.run_id: run for run in [*begun, *selection.of(runs, datetime.now(UTC))]}
        staying = [run for run in runs if run.run_id not in going]
        return tuple(going.values()), plan_pruning(store, list(going.values()), staying)


def _census(store: Store) -> dict[str, Census]:
    census = {}
    for kind in KINDS:
        sizes = [file.size for file in store.files(kind) if file.path.endswith(".parquet")]
        census[kind] = Census(len(sizes), sum(sizes))
    return census


def _existing(root: str) -> Store:
    store = Store(root)
    if not any(True for _ in store.files()):
        raise UserError(f"{store.root} holds nothing; name the root of a run with --root.")
    return store
