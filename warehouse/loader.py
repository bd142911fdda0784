"""Loading: what is new in the store becomes visible to SQL, and nothing is loaded twice.

The loader works on a copy beside the published catalog and renames it into place, so readers never
see half a load and never hold it up. The ledger says which files the copy already knows. Rows whose
part compaction has merged into another are followed there. A catalog that is missing, unreadable, of
other SQL, or that knows runs or rows the store lost is built from nothing.
"""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import duckdb
import orjson

from configs.schema import UserError
from warehouse import inventory
from warehouse.catalog import (
    blank_catalog,
    enter_root,
    has_traces,
    known_files,
    open_for_loading,
    point_to_traces,
    refit_relations,
)
from warehouse.catalog_copy import fetch_copy, keep_copy
from warehouse.files import atomic_file, copy_file, leftovers
from warehouse.locks import publishing
from warehouse.manifest import Manifest, StageRecord, members_path, read_manifest
from warehouse.relations import statement
from warehouse.store import Store, StoredFile

T = TypeVar("T")

_KINDS = {
    "traces": re.compile(r"traces/stage=\w+/recipe=(?P<recipe>[0-9a-f]{16})/part-[0-9a-f]{16}\.parquet"),
    "grades": re.compile(r"grades/grader=[^/]+/part-(?P<recipe>[0-9a-f]{16})-[0-9a-f]{16}\.parquet"),
    "problems": re.compile(r"problems/part-[0-9a-f]{16}\.parquet"),
    "corrections": re.compile(r"corrections/part-[0-9a-f]{16}\.parquet"),
    "runs": re.compile(r"runs/[^/]+\.json"),
}
_STEPS = {
    "traces": ("found", "doubled", "known", "outranked", "traces", "failures", "resolved"),
    "grades": ("grades",),
    "problems": ("problems",),
    "corrections": ("corrections", "corrected"),
}
_FOLLOWED = {
    "traces": ("lost_traces", "lost_failures"),
    "grades": ("lost_grades",),
    "problems": ("lost_problems",),
}
"""What tells whether a row of vanished parts is in none of those there are: a statement that answers true."""
GATHERED = ("wanted", "shown", "judged")
"""What stale runs are about, out of a history of any length."""
REDUCED = ("samples", "cons_at_k", "stage_results", "problem_results", "left_to_vote", "member_metrics")
"""What is made of stale runs alone, each of those before it."""
_REMADE = tuple(table for table in REDUCED if table != "left_to_vote")
"""The tables of these; `left_to_vote` adds to one of them."""
_PRICES = ("price_input", "price_output", "price_cached_input", "price_reasoning", "price_batch")
_MOST_AT_ONCE = 512
_BYTES_AT_ONCE = {"traces": 2**26, "grades": 2**24, "problems": 2**26, "corrections": 2**26}
"""Of files of a kind: a million traces or verdicts at most, which take 60 and 20 bytes each without texts."""
_SAMPLES_AT_ONCE = 500_000


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load found new."""

    num_files: int
    num_rows: int
    """Rows of problems, answers, failures, grades and corrections."""
    is_rebuilt: bool
    """Whether the catalog was built from nothing."""


def load(store: Store) -> LoadReport:
    """Bring the catalog up to date. Raises UserError for a file that cannot be read."""
    path = store.catalog_path
    with publishing(store), store.listed_once():
        files = _files(store)
        found = {file.path: "" if file.path.endswith(".parquet") else file.stamp for file in files}
        known = known_files(store)
        if known is None and fetch_copy(store):
            known = known_files(store)
        if found == known:
            return LoadReport(0, 0, is_rebuilt=False)
        sizes = {file.path: file.size for file in files}
        try:
            report = _build(store, path, known or {}, found, sizes)
        except _Lost:
            report = _build(store, path, {}, found, sizes)
        _keep_inventory(store, known or {}, found)
        keep_copy(store, is_rebuilt=report.is_rebuilt)
        return report


class _Lost(Exception):
    """The store lacks what the catalog knows."""


def _files(store: Store) -> list[StoredFile]:
    """The store's files that a catalog holds, from the oldest on: what a run wants lies together then."""
    files = (file for kind in _KINDS for file in store.files(kind) if _KINDS[kind].fullmatch(file.path))
    return sorted(files, key=attrgetter("age", "path"))


def _build(
    store: Store,
    path: Path,
    known: Mapping[str, str],
    found: Mapping[str, str],
    sizes: Mapping[str, int],
) -> LoadReport:
    """Make the next catalog beside the published one and put it in its place."""
    _clear_leftovers(path)
    new = [file for file, content in found.items() if known.get(file) != content]
    try:
        with atomic_file(path) as beside:
            if known:
                copy_file(path, beside)
            else:
                beside.write_bytes(blank_catalog())
            with open_for_loading(
                beside, store, sum(map(sizes.__getitem__, new)), is_new=not known
            ) as connection:
                connection.begin()
                if not known:
                    enter_root(connection, store.root)
                had_traces = has_traces(connection)
                num_rows = _take_in(connection, store, new, sizes)
                _follow(connection, store, known.keys() - found.keys(), found, sizes)
                entered = {"paths": new, "contents": [found[file] for file in new]}
                connection.execute(statement("load/parts"), entered)
                if not known or had_traces != has_traces(connection):
                    point_to_traces(connection, store.root)
                refit_relations(connection, store.root)
                connection.commit()
                connection.execute("checkpoint")
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        if os.strerror(errno.ENOSPC) in reason:  # DuckDB passes on the system's words, without their number
            raise store.complaint(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) from error
        raise UserError(
            f"{store.root} cannot be loaded: {reason}. The catalog stays as it was; "
            f"`a2r verify --root {store.root}` names every damaged file."
        ) from error
    except OSError as error:
        raise store.complaint(error) from error
    finally:
        _clear_leftovers(path)
    return LoadReport(len(new), num_rows, is_rebuilt=not known)


def _clear_leftovers(path: Path) -> None:
    """Remove what loads that were given up left beside the catalog: copies, logs, folders of what was not in memory."""
    for left in leftovers(path):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _keep_inventory(store: Store, known: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Let the inventory name the parts of the recipes that a load was about."""
    changed = {path for path, _ in known.items() ^ found.items()}
    recipes = {match["recipe"] for match in map(_KINDS["traces"].fullmatch, changed) if match}
    for path in changed:
        if path.startswith("runs/") and path in found:  # parts of earlier versions were never named
            recipes.update(read_manifest(store, Path(path).stem).recipes.values())
    parts: dict[str, list[str]] = {recipe: [] for recipe in recipes}
    for match in map(_KINDS["traces"].fullmatch, found):
        if match and match["recipe"] in parts:
            parts[match["recipe"]].append(match.string)
    for recipe, paths in parts.items():
        inventory.keep_up(store, recipe, paths)


def _take_in(
    connection: duckdb.DuckDBPyConnection, store: Store, new: Iterable[str], sizes: Mapping[str, int]
) -> int:
    """Load new files kind by kind, then bring the samples of the runs they touch up to date."""
    by_kind: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    recipes: set[str] = set()
    for file in new:
        kind = file.split("/", 1)[0]
        by_kind[kind].append(file)
        match = _KINDS[kind].fullmatch(file)
        if match and "recipe" in match.groupdict():
            recipes.add(match["recipe"])
    before = _num_rows(connection)
    for kind, steps in _STEPS.items():
        for number, group in enumerate(_groups(by_kind[kind], sizes.__getitem__, _BYTES_AT_ONCE[kind])):
            if number:
                _let_go(connection)
            files = [f"{store.root}/{file}" for file in group]
            for step in steps:
                sentence = statement(f"load/{step}")
                connection.execute(sentence, {"files": files} if "$files" in sentence else {})
    num_rows = _num_rows(connection) - before
    _take_in_runs(connection, store, [Path(file).stem for file in by_kind["runs"]])
    connection.execute(statement("load/stale"), {"recipes": sorted(recipes)})
    reduce_stale(connection)
    return num_rows


def _follow(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    vanished: AbstractSet[str],
    found: Mapping[str, str],
    sizes: Mapping[str, int],
) -> None:
    """Find the rows of vanished parts in the parts there are. Raises _Lost where one is missing."""
    names = [file.rsplit("/", 1)[-1] for file in vanished]
    for kind, steps in _FOLLOWED.items():
        groups = {_group(file) for file in vanished if file.startswith(f"{kind}/")}
        files = [file for file in found if _group(file) in groups]
        if groups and not files:
            raise _Lost
        if kind == "traces" and groups:
            _move(connection, store, names, sorted(files), sizes)
        values = {
            "gone": names,
            "files": [f"{store.root}/{file}" for file in files],
            "recipes": [group[-16:] for group in groups],
        }
        for step in steps if groups else ():
            sentence = statement(f"load/{step}")
            given = {name: value for name, value in values.items() if f"${name}" in sentence}
            if connection.execute(sentence, given).fetchone() == (True,):
                raise _Lost
    if any(file.startswith(("runs/", "corrections/")) for file in vanished):
        raise _Lost
    connection.execute(statement("load/forget_parts"), {"paths": sorted(vanished)})


def _move(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    gone: Sequence[str],
    files: Sequence[str],
    sizes: Mapping[str, int],
) -> None:
    """Follow texts into the parts that hold them now; a trace that several hold, into the first by name.

    So many parts are looked through at once that what is changed fits into memory, where it stays until a checkpoint.
    """
    for number, group in enumerate(_groups(files, sizes.__getitem__, _BYTES_AT_ONCE["traces"])):
        if number:
            connection.commit()
            connection.execute("checkpoint")
            connection.begin()
        moved = {"gone": gone, "files": [f"{store.root}/{file}" for file in group]}
        connection.execute(statement("load/moved"), moved)


def _group(file: str) -> str:
    """What parts that may be merged share: kind, and the recipe where they have one."""
    kind = file.split("/", 1)[0]
    match = _KINDS[kind].fullmatch(file)
    return f"{kind} {match['recipe']}" if match and "recipe" in match.groupdict() else kind


def reduce_stale(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the samples of stale runs anew, and what they come to by problem and stage.

    What people look at is read from these reductions, so that its time depends on runs and problems,
    not on samples. So many runs are taken at once that their samples fit into memory.
    """
    stale = connection.execute(statement("load/stale_runs")).fetchall()
    groups = list(_groups(stale, lambda run: run[1], _SAMPLES_AT_ONCE))
    for group in groups:
        if len(groups) > 1:
            _let_go(connection)
            connection.execute(statement("load/in_work"), {"run_ids": [run_id for run_id, *_ in group]})
        for table in _REMADE if any(is_reduced for *_, is_reduced in group) else ():
            connection.execute(statement(f"load/outdated_{table}"))
        for step in (*GATHERED, *REDUCED, "finalized"):
            connection.execute(statement(f"load/{step}"))


def _let_go(connection: duckdb.DuckDBPyConnection) -> None:
    """Keep what was taken in so far: temporary tables of one transaction stay until it ends, replaced or not."""
    connection.commit()
    connection.begin()


def _take_in_runs(connection: duckdb.DuckDBPyConnection, store: Store, run_ids: Sequence[str]) -> None:
    recorded = connection.execute(statement("load/recorded"), {"run_ids": run_ids}).fetchall()
    for table in ("runs", "suites", "roles", "judges", "members", "samples") if recorded else ():
        connection.execute(statement(f"load/forget_{table}"), {"run_ids": run_ids})
    for run_id in run_ids:
        manifest = read_manifest(store, run_id)
        connection.execute(statement("load/run"), _run_values(manifest))
        for place, (name, member) in enumerate(manifest.suite.items()):
            connection.execute(
                statement("load/suite"), {"run_id": run_id, "member": name, "place": place, **member}
            )
        for place, (name, stage) in enumerate(manifest.stages.items()):
            connection.execute(statement("load/role"), _role_values(run_id, name, stage) | {"place": place})
        if judge := manifest.judge:
            fields = judge.model_dump(include={"model", "params", "recipe", *_PRICES})
            connection.execute(statement("load/judge"), {"run_id": run_id} | fields)
        members = f"{store.root}/{members_path(run_id)}"
        connection.execute(statement("load/members"), {"run_id": run_id, "file": members})


def _run_values(manifest: Manifest) -> dict[str, object]:
    given: dict[str, object] = manifest.model_dump(exclude={"stages", "judge", "suite", "complaints"})
    texts = {
        name: orjson.dumps(given[name]).decode() for name in ("config", "versions", "servers", "warnings")
    }
    return given | texts


def _role_values(run_id: str, name: str, stage: StageRecord) -> dict[str, object]:
    counts = {f"num_{count}": stage.counts[count] for count in ("wanted", "blocked")}
    role = stage.role.model_dump(mode="json")
    return {"run_id": run_id, "stage": name, **role, **counts}


def _num_rows(connection: duckdb.DuckDBPyConnection) -> int:
    tables = ("problems", "traces", "failures", "grades", "corrections")
    counts = [connection.table(f"store.{table}").count("*").fetchone() for table in tables]
    return sum(count[0] for count in counts if count)


def _groups(items: Iterable[T], size_of: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """The items in order, in groups that together are not larger than `most` unless one alone is, and not many."""
    group, size = list[T](), 0
    for item in items:
        if group and (size + size_of(item) > most or len(group) == _MOST_AT_ONCE):
            yield group
            group, size = [], 0
        group.append(item)
        size += size_of(item)
    if group:
        yield group
