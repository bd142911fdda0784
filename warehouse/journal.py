"""The write-ahead journal: a completion is on disk the moment it arrives.

One journal a shard attempt, on a local disk: a first line with the recipe, then one JSON line a
trace, each appended by a single write. At the shard's end the journal becomes a Parquet part and
is removed; for a root in an object store earlier, and another follows (see `rolling`). A process that
dies leaves its journals; the next run turns them into parts first. The first line says which writer
a journal belongs to (see `writers`), and it is that writer's until it is gone. The lock on the open
file says so too, where locks work.

One bad line costs that line, one bad journal that journal: it is set aside as `journal/….unreadable`, which
`a2r verify` names, and its traces are made again.
"""

import errno
import io
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.json as pj

from warehouse.files import lock
from warehouse.identity import Recipe
from warehouse.records import TRACES, UTC, TraceRow
from warehouse.storable import REQUIRED, storable
from warehouse.store import Store, traces_folder
from warehouse.winner import answer_digest, winners
from warehouse.writers import at_work, enter, forget_dead, is_alive, is_at_work, leave

_DYING_SECONDS = 5.0
_PIECE_BYTES = 2**26
"""Journal read at once and written as one part, which takes a few times as much memory; compaction leaves larger ones alone."""
_JSON_SCHEMA = pa.schema([(f.name, pa.int64() if f.type == UTC else f.type) for f in TRACES])


class JournalAnswer(NamedTuple):
    """An answer in an open journal, and where its line is."""

    status: str
    answer_digest: str
    start: int
    length: int
    num_tokens: int
    """Of the prompt as billed and the completion together, as far as they are known."""


class Journal:
    """An open journal; rows are mappings with the columns of `TRACES`, times in microseconds."""

    def __init__(self, store: Store, recipe: Recipe) -> None:
        self._store, self._recipe = store, recipe
        self.num_bytes, self._reading = 0, threading.Lock()
        self.answers: dict[str, JournalAnswer] = {}
        """What it holds of traces that are no failures, by trace id."""
        store.journal_folder.mkdir(parents=True, exist_ok=True)
        self.path = store.journal_folder / f"{recipe.key}-{uuid.uuid4().hex[:12]}.jsonl"
        unnamed = self.path.with_name(f".{self.path.name}.tmp")  # nobody looks at it before it has an owner
        owner = enter(store)
        try:
            self._file = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_RDWR, 0o666)
            lock(self._file)
            self._write({"recipe": recipe.content.decode(), "writer": owner.name})
            unnamed.rename(self.path)
        except OSError:
            unnamed.unlink(missing_ok=True)
            leave(store)
            raise

    def append(self, row: TraceRow) -> TraceRow:
        """Append one trace with one write, as far as it can be stored (see `storable`); returns what was stored.

        Raises ValueError for what is not a trace, OSError (disk full) with nothing half-counted.
        """
        checked = storable(row)
        digest = answer_digest(checked["status"], checked.get("answer"))
        stored = {**checked, "answer_digest": digest}
        start = self.num_bytes
        self._write(stored)
        if digest is not None:
            self.answers[checked["trace_id"]] = JournalAnswer(
                checked["status"],
                digest,
                start,
                self.num_bytes - start,
                (checked.get("num_billed_prompt_tokens") or 0) + (checked.get("num_completion_tokens") or 0),
            )
        return stored

    def rows(self, trace_ids: Sequence[str]) -> list[TraceRow] | None:
        """What was appended of these answers; None once the journal is closed, when they are in parts.

        They are on disk before they are returned: what is made of them must not outlive them.
        """
        with self._reading:
            if self._file < 0:
                return None
            os.fsync(self._file)
            entries = (self.answers[trace_id] for trace_id in trace_ids)
            return [orjson.loads(os.pread(self._file, entry.length, entry.start)) for entry in entries]

    def _write(self, content: Mapping[str, object]) -> None:
        line = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
        written = os.write(self._file, line)
        if written != len(line):
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self.num_bytes += written

    def seal(self) -> list[str]:
        """Turn the journal into parts of the store, remove it, and return the parts' paths; after an error it is as before.

        It is read by its open file: whoever took this process for dead may have recovered and removed it.
        """
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            parts, _, _ = _to_parts(self._store, self._recipe, file, self.path)
        self.path.unlink(missing_ok=True)
        self.close()
        return parts

    def close(self) -> None:
        """Let go of the file; what it holds is recovered by the next run."""
        with self._reading:
            file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
            leave(self._store)


_RECOVERING = threading.Lock()
"""Whoever returns from `recover` finds in the store what another thread had begun to recover."""


def recover(store: Store, say: Callable[[str], None] | None = None) -> int:
    """Turn the journals that dead processes left into parts; return how many traces they held.

    Args:
        store: Whose journals.
        say: Is given a sentence for each journal that had to be set aside, wholly or in lines.
    """
    found = 0
    if not store.is_local and not is_at_work(store) and not any(store.journal_folder.glob("*.jsonl")):
        return found  # to show oneself in an object store takes requests
    with at_work(store), _RECOVERING:
        for path in sorted(store.journal_folder.glob("*.jsonl")):
            try:
                num_traces, complaint = _recovered_if_left(store, path)
            except FileNotFoundError:  # its owner, or another run, was faster
                continue
            except PermissionError:
                num_traces, complaint = (
                    0,
                    (
                        f"{path} belongs to another user and is left; its traces are recovered by a run of theirs."
                    ),
                )
            found += num_traces
            if say and complaint:
                say(complaint)
        forget_dead(store)
    return found


def _recovered_if_left(store: Store, path: Path) -> tuple[int, str | None]:
    """The same as `_recovered` of a journal whose owner is gone; nothing of one in use."""
    file = os.open(path, os.O_RDWR)
    try:
        with path.open("rb") as journal:
            owner = journal_owner(journal.readline())
        if (
            (owner and is_alive(store, owner))
            or not _locked(file, is_dead=owner is not None)
            or not path.exists()
        ):
            return 0, None
        return _recovered(store, path)
    finally:
        os.close(file)


def _locked(file: int, *, is_dead: bool) -> bool:
    """Lock an open journal; a killed process counts as dead a moment before its last thread lets go of its files."""
    until = time.monotonic() + (_DYING_SECONDS if is_dead else 0.0)
    while not lock(file, wait=False):
        if time.monotonic() >= until:
            return False
        time.sleep(0.01)
    return True


def unreadable_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a journal that cannot become traces: number and reason; line 1 says what it is a journal of."""
    with path.open("rb") as file:
        head = file.readline()
        if head.endswith(b"\n") and journal_recipe(head, path) is None:
            yield 1, "does not say of which recipe it is a journal"
        for number, line in enumerate(file, start=2):
            if line.endswith(b"\n"):
                try:
                    journal_row(line)
                except ValueError as error:
                    yield number, str(error)


def set_aside_path(path: Path) -> Path:
    """Where what cannot be read of a journal is put."""
    return path.with_suffix(".unreadable")


def _recovered(store: Store, path: Path) -> tuple[int, str | None]:
    """The traces taken from a journal, which is gone then, and what to say of what could not be read of it."""
    aside = set_aside_path(path)
    with path.open("rb") as file:
        head, has_rows = file.readline(), bool(file.readline())
    recipe = journal_recipe(head, path)
    if recipe is None and has_rows:
        path.replace(aside)
        return (
            0,
            f"A journal that does not say its recipe is set aside as {aside}; its traces are made again.",
        )
    if recipe is None:
        path.unlink(missing_ok=True)
        return 0, None
    store.write_recipe(recipe)
    with path.open("rb") as file:
        _, num_traces, num_bad = _to_parts(store, recipe, file, path)
    path.unlink(missing_ok=True)
    if num_bad:
        return num_traces, (
            f"{num_bad} unreadable lines of a journal are set aside as {aside}; their traces are made again."
        )
    return num_traces, None


def journal_recipe(head: bytes, path: Path) -> Recipe | None:
    """The recipe in a journal's first line, which its name repeats; None after a kill before it was written."""
    try:
        recipe = Recipe.read(orjson.loads(head)["recipe"].encode())
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return recipe if path.name.startswith(f"{recipe.key}-") else None


def journal_owner(head: bytes) -> str | None:
    """The writer in a journal's first line; None in one of a version that named none."""
    try:
        owner = orjson.loads(head)["writer"]
    except (ValueError, LookupError, TypeError):
        return None
    return owner if isinstance(owner, str) and owner.isalnum() else None


def journal_row(line: bytes) -> TraceRow:
    """The row that a line holds. Raises ValueError."""
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is not JSON ({error})") from None
    if not isinstance(content, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - one error for whatever the line is
    return storable(content)


def _to_parts(store: Store, recipe: Recipe, file: BinaryIO, path: Path) -> tuple[list[str], int, int]:
    """Write a journal's whole lines as parts, what cannot be read of it aside; parts, traces and bad lines."""
    parts: list[str] = []
    num_traces = num_bad = 0
    file.readline()
    while piece := file.read(_PIECE_BYTES) + file.readline():
        table, bad = _table_of(piece)
        if bad:
            num_bad += len(bad)
            with set_aside_path(path).open("ab") as aside:
                aside.writelines(bad)
        if table.num_rows:
            parts.append(store.write_part(traces_folder(recipe), table))
            num_traces += table.num_rows
    return parts, num_traces, num_bad


def _table_of(lines: bytes) -> tuple[pa.Table, list[bytes]]:
    """Lines as a table of schema `TRACES`; and those that cannot be read, for which each is read alone.

    A line cut short by a kill or a full disk is not an answer.
    """
    whole = lines[: lines.rfind(b"\n") + 1]
    if not whole:
        return traces_table([]), []
    try:
        table = pj.read_json(
            pa.BufferReader(whole),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(whole)),
            parse_options=pj.ParseOptions(explicit_schema=_JSON_SCHEMA, unexpected_field_behavior="ignore"),
        )
        table = table.select(_JSON_SCHEMA.names).cast(TRACES)
    except (pa.ArrowException, OverflowError):
        return _table_by_line(io.BytesIO(whole))
    if table.num_rows != whole.count(b"\n") or any(table[name].null_count for name in REQUIRED):
        return _table_by_line(io.BytesIO(whole))
    return finalized(table), []


def _table_by_line(lines: Iterable[bytes]) -> tuple[pa.Table, list[bytes]]:
    rows: list[TraceRow] = []
    bad: list[bytes] = []
    for line in lines:
        try:
            rows.append(journal_row(line))
        except ValueError:
            bad.append(line)
    return traces_table(rows), bad


def traces_table(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Trace rows (times in microseconds) as a table of schema `TRACES`, sorted, one row an id."""
    return finalized(rows_table(rows))


def rows_table(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """The same with every row, in their order."""
    return pa.Table.from_pylist(rows, schema=_JSON_SCHEMA).cast(TRACES)


def finalized(table: pa.Table) -> pa.Table:
    """One row per trace, the one that counts, sorted by problem and sample."""
    chosen = winners(table)
    if len(chosen) < table.num_rows:
        table = table.take(chosen)
    return table.sort_by([("problem_id", "ascending"), ("sample_index", "ascending")])
