"""The write-ahead journal: a completion is on disk the moment it arrives.

One journal a shard attempt, on a local disk: a first line with the recipe, then one JSON line a
trace, each appended by a single write. At the shard's end the journal becomes a Parquet part and
is removed. A process that dies leaves its journals; the next run turns them into parts first. A
lock on the open file tells a journal in use from one left behind, and the kernel drops it with
the process.
"""

import errno
import fcntl
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.identity import Recipe
from warehouse.records import TRACES, UTC
from warehouse.store import Store, traces_folder

_JSON_SCHEMA = pa.schema([(f.name, pa.int64() if f.type == UTC else f.type) for f in TRACES])


class Journal:
    """An open journal; rows are mappings with the columns of `TRACES`, times in microseconds."""

    def __init__(self, store: Store, recipe: Recipe) -> None:
        self._store, self._recipe = store, recipe
        store.journal_folder.mkdir(parents=True, exist_ok=True)
        self.path = store.journal_folder / f"{recipe.key}-{uuid.uuid4().hex[:12]}.jsonl"
        self._file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_RDWR, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.append({"recipe": recipe.content.decode()})

    def append(self, row: Mapping[str, Any]) -> None:
        """Append one row with one write. Raises OSError (disk full) with nothing half-counted."""
        line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
        if os.write(self._file, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def seal(self) -> list[str]:
        """Turn the journal into parts of the store, remove it, and return the parts' paths."""
        try:
            parts = _to_parts(self._store, self._recipe, self.path)
            self.path.unlink()
        finally:
            self.close()
        return parts

    def close(self) -> None:
        """Let go of the file; what it holds is recovered by the next run."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def recover(store: Store) -> int:
    """Turn the journals that dead processes left into parts; return how many traces they held."""
    found = 0
    for path in sorted(store.journal_folder.glob("*.jsonl")):
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        try:
            lines = _lines(path)
            if lines and "recipe" in lines[0]:
                recipe = Recipe.read(lines[0]["recipe"].encode())
                store.write_recipe(recipe)
                _to_parts(store, recipe, path)
                found += len(lines) - 1
            path.unlink(missing_ok=True)
        finally:
            os.close(file)
    return found


def _to_parts(store: Store, recipe: Recipe, path: Path) -> list[str]:
    rows = _lines(path)[1:]
    return [store.write_part(traces_folder(recipe), traces_table(rows))] if rows else []


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines; a last one cut short by a kill or a full disk is not an answer."""
    rows = []
    for line in path.read_bytes().splitlines():
        try:
            rows.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            continue
    return rows


def traces_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Trace rows (times in microseconds) as a table of schema `TRACES`, sorted, one row an id.

    A trace that arrived twice keeps its first answer, or its last failure if there is none.
    """
    best: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        held = best.get(row["trace_id"])
        if held is None or held["status"] == "error":
            best[row["trace_id"]] = row
    table = pa.Table.from_pylist(list(best.values()), schema=_JSON_SCHEMA).cast(TRACES)
    order = pc.sort_indices(table, sort_keys=[("problem_id", "ascending"), ("sample_index", "ascending")])
    return table.take(order)
