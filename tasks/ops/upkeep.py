"""Looking after a root: loading, verifying, compaction and pruning, and what they say they did."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.progress import track
from rich.table import Table

from configs.schema import UserError
from tasks.terminal import print_json, table_console
from warehouse.compaction import FEWEST_PARTS, merge_parts, merges
from warehouse.integrity import verify
from warehouse.loading import load
from warehouse.locks import unused, upkeep
from warehouse.pruning import PrunePlan, RunRecord, Selection, plan_pruning, prune, recorded_runs, unfinished
from warehouse.store import Store

Report = dict[str, Any]
_KINDS = ("traces", "grades", "problems")


def load_root(root: str) -> None:
    """Bring the catalog up to date and say what came in."""
    store = Store(root)
    if not store.names("runs", suffix="") and not any(store.files("traces")):
        raise UserError(f"{store.root} holds no results; run an experiment first (`a2r run quickstart`).")
    report = load(store)
    Console().print(
        f"{'rebuilt from' if report.is_rebuilt else 'new:'} {report.num_files:,} files, {report.num_rows:,} rows "
        f"→ {store.catalog_path}",
        soft_wrap=True,
        highlight=False,
    )


def verify_root(root: str) -> None:
    """Read the whole root, name every damage, exit 1 if there is any."""
    store, console = _existing(root), Console()
    progress = Console(stderr=True)
    damages = list(track(verify(store), description="verifying", console=progress, transient=True))
    for damage in damages:
        console.print(f"{damage.path}: {damage.kind}: {damage.detail}", markup=False, soft_wrap=True)
    if damages:
        raise SystemExit(1)
    console.print(f"{store.root}: no damage found.", soft_wrap=True)


def compact_store(store: Store, fewest: int = FEWEST_PARTS, tell: Callable[[str], None] = print) -> Report:
    """Merge small parts and bring the catalog after them; `tell` hears of each merge.

    A damaged part holds up its own folder alone. Raises UserError while another is at it.
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
            tell(
                f"{len(merge.parts)} parts, {decimal(merge.num_bytes)} → {merged.part}, "
                f"{decimal(merged.num_bytes)}, {merged.num_rows:,} rows"
            )
        after = _census(store)
    if store.catalog_path.exists():
        load(store)
    return {
        "root": store.root,
        "before": before,
        "after": after,
        "superseded_rows_dropped": num_dropped,
        "complaints": complaints,
    }


def compact_root(root: str, fewest: int, *, as_json: bool) -> None:
    """`a2r compact`: compact, print what became of the files, exit 1 if a folder had to be left alone."""
    store, errors = _existing(root), Console(stderr=True)
    report = compact_store(store, fewest, lambda text: errors.print(text, highlight=False, soft_wrap=True))
    if as_json:
        print_json(report)
    else:
        table = Table(title=f"compacted {store.root}", title_justify="left")
        for heading in ("kind", "files before", "after", "bytes before", "after"):
            table.add_column(heading, justify="left" if heading == "kind" else "right")
        for kind in _KINDS:
            old, new = report["before"][kind], report["after"][kind]
            table.add_row(
                kind, f"{old['files']:,}", f"{new['files']:,}", decimal(old["bytes"]), decimal(new["bytes"])
            )
        table_console().print(table)
    for complaint in report["complaints"]:
        errors.print(complaint, markup=False, highlight=False, soft_wrap=True)
    if report["complaints"]:
        raise SystemExit(1)


def prune_root(root: str, selection: Selection, *, is_applied: bool, as_json: bool) -> None:
    """`a2r prune`: say what would go, or take it away. Raises UserError while a run is under way."""
    if selection.older_than is None and selection.experiment is None and selection.keep_last is None:
        raise UserError(
            "Say which runs go: --older-than 30d, --experiment 'sweep.*', --keep-last 5, or several."
        )
    store = _existing(root)
    if not is_applied:
        _tell_pruning(store, *_planned(store, selection), is_applied=False, as_json=as_json)
        return
    with upkeep(store), unused(store):
        going, plan = _planned(store, selection)
        if going:
            progress = Console(stderr=True)
            steps = prune(store, going, plan)
            list(track(steps, "pruning", len(plan.parts), console=progress, transient=True))
    if going and store.catalog_path.exists():
        load(store)
    _tell_pruning(store, going, plan, is_applied=True, as_json=as_json)


def _planned(store: Store, selection: Selection) -> tuple[list[RunRecord], PrunePlan]:
    """The runs that go, those of an interrupted pruning first, and what that frees."""
    runs, begun = recorded_runs(store), unfinished(store)
    going = {run.run_id: run for run in [*begun, *selection.of(runs, datetime.now(UTC))]}
    staying = [run for run in runs if run.run_id not in going]
    return list(going.values()), plan_pruning(store, list(going.values()), staying)


def _tell_pruning(
    store: Store, going: list[RunRecord], plan: PrunePlan, *, is_applied: bool, as_json: bool
) -> None:
    if as_json:
        print_json(
            {
                "root": store.root,
                "is_applied": is_applied,
                "runs": [run.run_id for run in going],
                "traces": plan.num_traces,
                "grades": plan.num_grades,
                "bytes": plan.num_bytes,
                "parts": len(plan.parts),
            }
        )
        return
    console = table_console()
    if not going:
        console.print(
            "No run matches; nothing would go." if not is_applied else "No run matches; nothing went."
        )
        return
    table = Table(title=f"{'pruned' if is_applied else 'would go from'} {store.root}", title_justify="left")
    for heading in ("run", "experiment", "started (UTC)"):
        table.add_column(heading)
    for run in going:
        table.add_row(run.run_id, run.experiment, f"{run.started_at.astimezone(UTC):%Y-%m-%d %H:%M}")
    console.print(table)
    console.print(
        f"{len(going):,} runs; {plan.num_traces:,} traces and {plan.num_grades:,} verdicts that no other run "
        f"wants, in {len(plan.parts):,} parts; {'freed' if is_applied else 'frees about'} "
        f"{decimal(plan.num_bytes)} beside the catalog.",
        highlight=False,
        soft_wrap=True,
    )
    if not is_applied:
        console.print("Nothing was removed; the same command with --apply removes it for good.")


def _census(store: Store) -> dict[str, dict[str, int]]:
    """Parts and their bytes by kind."""
    census = {}
    for kind in _KINDS:
        sizes = [file.size for file in store.files(kind) if file.path.endswith(".parquet")]
        census[kind] = {"files": len(sizes), "bytes": sum(sizes)}
    return census


def _existing(root: str) -> Store:
    store = Store(root)
    if not any(True for _ in store.files()):
        raise UserError(f"{store.root} holds nothing; give the root of a run with --root.")
    return store
