"""The write-ahead journal: a completion is on disk the moment it arrives.

One journal a shard attempt, on a local disk: a first line with the recipe, then one JSON line a
trace, each appended by a single write. At the shard's end the journal becomes a Parquet part and
is removed. A process that dies leaves its journals; the next run turns them into parts first. A
lock on the open file tells a journal in use from one left behind, and the kernel drops it with
the process.
"""

import errno
import os
import uuid
from collections.abc import Mapping, Sequence

import orjson
import pyarrow as pa
import pyarrow.json as pj

from warehouse.files import lock
from warehouse.identity import Recipe
from warehouse.records import TRACES, UTC
from warehouse.store import Store, traces_folder

_LONGEST_LINE = 2**30
_JSON_SCHEMA = pa.schema([(f.name, pa.int64() if f.type == UTC else f.type) for f in TRACES])


class Journal:
    """An open journal; rows are mappings with the columns of `TRACES`, times in microseconds."""

    def __init__(self, store: Store, recipe: Recipe) -> None:
        self._store, self._recipe = store, recipe
        store.journal_folder.mkdir(parents=True, exist_ok=True)
        self.path = store.journal_folder / f"{recipe.key}-{uuid.uuid4().hex[:12]}.jsonl"
        self._file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_RDWR, 0o644)
        lock(self._file)
        self.append({"recipe": recipe.content.decode()})

    def append(self, row: Mapping[str, object]) -> None:
        """Append one row with one write. Raises OSError (disk full) with nothing half-counted."""
        line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
        if os.write(self._file, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def seal(self) -> list[str]:
        """Turn the journal into parts of the store, remove it, and return the parts' paths."""
        try:
            _, _, rows = self.path.read_bytes().partition(b"\n")
            parts, _ = _to_part(self._store, self._recipe, rows)
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
        if not lock(file, wait=False):
            os.close(file)
            continue
        try:
            head, _, rows = path.read_bytes().partition(b"\n")
            if recipe := _recipe_of(head):
                store.write_recipe(recipe)
                found += _to_part(store, recipe, rows)[1]
            path.unlink(missing_ok=True)
        finally:
            os.close(file)
    return found


def _recipe_of(head: bytes) -> Recipe | None:
    """The recipe in a journal's first line; None where a kill came before even that was written."""
    try:
        return Recipe.read(orjson.loads(head)["recipe"].encode())
    except orjson.JSONDecodeError:
        return None


def _to_part(store: Store, recipe: Recipe, rows: bytes) -> tuple[list[str], int]:
    """Write a journal's whole lines as a part; one cut short by a kill or a full disk is no answer."""
    whole = rows[: rows.rfind(b"\n") + 1]
    if not whole:
        return [], 0
    table = pj.read_json(
        pa.BufferReader(whole),
        read_options=pj.ReadOptions(use_threads=False, block_size=min(len(whole), _LONGEST_LINE)),
        parse_options=pj.ParseOptions(explicit_schema=_JSON_SCHEMA),
    )
    table = finalized(table.select(_JSON_SCHEMA.names).cast(TRACES))
    return [store.write_part(traces_folder(recipe), table)], table.num_rows


def traces_table(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Trace rows (times in microseconds) as a table of schema `TRACES`, sorted, one row an id."""
    return finalized(pa.Table.from_pylist(rows, schema=_JSON_SCHEMA).cast(TRACES))


def finalized(table: pa.Table) -> pa.Table:
    """Sorted by problem and sample. A trace that arrived twice keeps its first answer, else its last failure."""
    if len(table["trace_id"].unique()) < table.num_rows:
        best: dict[str, int] = {}
        statuses = table["status"].to_pylist()
        for place, trace_id in enumerate(table["trace_id"].to_pylist()):
            if trace_id not in best or statuses[best[trace_id]] == "error":
                best[trace_id] = place
        table = table.take(list(best.values()))
    return table.sort_by([("problem_id", "ascending"), ("sample_index", "ascending")])
