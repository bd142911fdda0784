"""What the store already holds of one recipe: read once a part, since parts never change, or from the inventory.

What is still in this process's open journals is known too, from the moment it arrives, so that what reads it need
not wait until a shard has ended.
"""

import math
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import filterfalse

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from warehouse.entries import (
    READ,
    Entries,
    Stored,
    doubled,
    entries_by_id,
    entries_of,
    in_few_pieces,
    stored_by_id,
)
from warehouse.identity import Recipe
from warehouse.inventory import known_entries
from warehouse.journal import Journal, traces_table
from warehouse.records import Wanted
from warehouse.store import LostPart, Store, retry_if_compacted, traces_folder
from warehouse.winner import RANKED, winners

_RECENT_ROWS = 100_000
"""More are kept as sorted numbers, which take a tenth of the memory and ten times as long to look up."""
_FOUND_ROWS = 500_000
"""Of a long history, that are kept as objects because they were asked for."""
_SECOND = 1_000_000_000
_COARSE_NANOSECONDS, _FINE_NANOSECONDS = 2 * _SECOND, _SECOND // 10
"""After which a later change has another time: on disks that keep whole seconds, and on others, which keep milliseconds."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of a recipe, one row per trace: a long history as sorted numbers, and what came since by trace id."""

    history: tuple[Entries, ...] = ()
    """In pieces, of which no two hold the same trace."""
    recent: Mapping[str, Stored] = field(default_factory=dict)
    """These rows count, also where the history has others of the same trace."""

    _found: dict[str, Stored] = field(default_factory=dict)
    """Rows of the history that were asked for, which are asked for again."""

    def get(self, trace_id: str) -> Stored | None:
        """The stored trace or failure, if there is either."""
        held = self.recent.get(trace_id) or self._found.get(trace_id)
        if held is None and self.history:
            held = next(filter(None, (piece.get(trace_id) for piece in self.history)), None)
            if held and len(self._found) < _FOUND_ROWS:
                self._found[trace_id] = held
        return held

    def __contains__(self, trace_id: object) -> bool:
        """Whether an answer is stored; a failure is none."""
        held = self.get(trace_id) if isinstance(trace_id, str) else None
        return held is not None and held.status != "error"

    def answers(self) -> Iterator[str]:
        """The id of every stored answer."""
        yield from (trace_id for trace_id, held in self.recent.items() if held.status != "error")
        for piece in self.history:
            yield from (trace_id for trace_id in piece.answers() if trace_id not in self.recent)


@dataclass
class RecipeIndex:
    """Trace ids of one recipe with their status and part; `refresh` reads only what it has not seen."""

    store: Store
    recipe: Recipe
    made: set[str] = field(default_factory=set)
    """Ids of the answers that this process has made, whichever run of it wanted them."""
    _seen: frozenset[str] = frozenset()
    _known: Known = field(default_factory=Known)
    """Replaced as a whole and never changed, so that it is read without the lock."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _listed: float = -math.inf
    _changed_at: int | None = None
    """When the folder had changed as it was last listed; None where another change would not be seen by its time."""
    _journals: tuple[Journal, ...] = ()
    _watchers: tuple[Callable[[str], None], ...] = ()
    _changing: threading.Lock = field(default_factory=threading.Lock)
    """Held while one comes or goes, which waits for no listing."""

    def refresh(self) -> "RecipeIndex":
        """Take in the parts that have come since."""
        with self._lock:
            retry_if_compacted(self._refresh)
        return self

    def catch_up(self, moment: float) -> None:
        """Take in the parts that had come by a moment of `time.monotonic`, unless they were listed later already."""
        with self._lock:
            if self._listed < moment:
                retry_if_compacted(self._refresh)

    @property
    def is_behind(self) -> bool:
        """Whether parts may have come since `refresh`; free to ask, and an object store's may always have."""
        if self._changed_at is None:
            return True
        return self.store.changed_at(traces_folder(self.recipe)) != self._changed_at

    def _refresh(self) -> None:
        listed, changed_at = time.monotonic(), _settled(self.store.changed_at(traces_folder(self.recipe)))
        parts = self.store.names(traces_folder(self.recipe), prefix="part-")
        known, seen = self._known, self._seen
        if seen.difference(parts):  # a part was taken away: what it held is not stored any more
            known, seen = Known(), frozenset()
        if new := [part for part in parts if part not in seen]:
            known = self._with_parts(known, new)
        self._known, self._seen = known, frozenset(parts)
        # only now, so that no other thread takes the index for up to date before it is
        self._listed, self._changed_at = listed, changed_at

    def _with_parts(self, known: Known, parts: Sequence[str]) -> Known:
        """What is known with the rows of more parts. Raises LostPart."""
        recent, history = dict(known.recent), list(known.history)
        named = known_entries(self.store, self.recipe.key, parts)
        history += named
        is_named = frozenset(part for piece in named for part in piece.parts).__contains__
        for part in filterfalse(is_named, parts):
            rows = self.store.read_part(part, READ)
            if len(recent) + rows.num_rows > _RECENT_ROWS:
                history.append(entries_of(part, rows))
            else:
                self._add(Known(known.history, recent), recent, stored_by_id(part, rows))
        if len(history) == len(known.history):
            return Known(known.history, recent)
        return Known(self._counting([*history, entries_by_id(recent)]))

    def _add(self, known: Known, recent: dict[str, Stored], found: Mapping[str, Stored]) -> None:
        """Add the rows of a part to the recent ones, as far as they count."""
        doubled = {trace_id: held for trace_id in found if (held := known.get(trace_id))}
        if doubled:
            by_part: dict[str, set[str]] = {}
            for trace_id, held in doubled.items():
                by_part.setdefault(held.part, set()).add(trace_id)
                by_part.setdefault(found[trace_id].part, set()).add(trace_id)
            counts = self._part_that_counts(by_part)
            found = {i: row for i, row in found.items() if i not in doubled or counts[i] == row.part}
        recent.update(found)

    def _counting(self, several: Sequence[Entries]) -> tuple[Entries, ...]:
        """The rows of all that count, in few pieces."""
        pieces = in_few_pieces(several)
        is_doubled = doubled(pieces)
        by_part: dict[str, set[str]] = {}
        for trace_id, part in _held(pieces, is_doubled):
            by_part.setdefault(part, set()).add(trace_id)
        if not by_part:
            return pieces
        counts = self._part_that_counts(by_part)
        kept: list[Entries] = []
        for piece, rows in zip(pieces, is_doubled, strict=True):
            is_kept = ~rows
            is_kept[rows] = [counts[trace_id] == part for trace_id, part in _held((piece,), (rows,))]
            kept.append(piece.kept(is_kept))
        return tuple(kept)

    def _part_that_counts(self, by_part: Mapping[str, AbstractSet[str]]) -> dict[str, str]:
        """Of traces with rows in several parts, the part whose row counts. Raises LostPart."""
        rows, names = [], []
        for name, trace_ids in by_part.items():
            rows.append(self.store.read_part(name, ["trace_id", "status", *RANKED], trace_ids))
            names += [name] * rows[-1].num_rows
        table = pa.concat_tables(rows)
        ids = table["trace_id"].to_pylist()
        return {ids[place]: names[place] for place in winners(table)}

    def opened(self) -> Journal:
        """A new journal of the recipe, whose answers are known from now on. Raises OSError."""
        journal = Journal(self.store, self.recipe)
        with self._changing:
            self._journals += (journal,)
        return journal

    def forget(self, journal: Journal) -> None:
        """A journal is sealed, or could not be; what it held is looked for among the parts first."""
        try:
            self.refresh()
        finally:
            with self._changing:
                self._journals = tuple(other for other in self._journals if other is not journal)

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Call it with the digest of each problem of which an answer arrives, on the thread on which it does."""
        with self._changing:
            self._watchers += (watcher,)

    def unwatch(self, watcher: Callable[[str], None]) -> None:
        """Undo one `watch`."""
        with self._changing:
            self._watchers = tuple(other for other in self._watchers if other != watcher)

    def arrived(self, trace: Wanted) -> None:
        """An answer that this process has made is in a journal now."""
        self.made.add(trace.trace_id)
        for watcher in self._watchers:
            watcher(trace.problem_digest)

    def get(self, trace_id: str) -> Stored | None:
        """The stored trace or failure, if there is either."""
        journals = self._journals  # before the parts: what is sealed meanwhile is in one of both
        held = self._known.get(trace_id)
        if held is None or held.status == "error":
            for journal in journals:
                if entry := journal.answers.get(trace_id):
                    return Stored(entry.status, "", False, entry.answer_digest, entry.num_tokens)
        return held

    def has(self, trace_id: str) -> bool:
        """Whether an answer is stored; a failure is none."""
        held = self.get(trace_id)
        return held is not None and held.status != "error"

    def answer_digest(self, trace_id: str) -> str | None:
        """The digest of the stored answer, where both are known."""
        held = self.get(trace_id)
        return held.answer_digest if held else None

    @property
    def parts(self) -> frozenset[str]:
        """Those that were there at the last `refresh`."""
        return self._seen

    @property
    def held(self) -> Known:
        """What the parts held at the last `refresh`; it does not change."""
        return self._known

    def answers(self) -> Iterator[str]:
        """The id of every answer in the parts."""
        return self._known.answers()

    def by_part(self, trace_ids: Iterable[str]) -> dict[str, list[str]]:
        """The answers among `trace_ids` that are in parts, grouped by the part that holds them."""
        groups: dict[str, list[str]] = {}
        for trace_id in trace_ids:
            held = self._known.get(trace_id)
            if held is not None and held.status != "error":
                groups.setdefault(held.part, []).append(trace_id)
        return groups

    def batches(self, trace_ids: Iterable[str], columns: list[str]) -> Iterator[pa.Table]:
        """The same as `rows`, a few at a time: what texts there are never stand in memory together. Raises LostPart."""
        for part, ids in self.by_part(trace_ids).items():
            yield from self.store.batches(part, ["trace_id", *columns], ids)

    def rows(self, trace_ids: Iterable[str], columns: list[str]) -> pa.Table:
        """The stored answers among `trace_ids`: `trace_id` and the given columns, from the files that hold them alone."""
        wanted, names = list(trace_ids), ["trace_id", *columns]

        def read() -> list[pa.Table]:
            journals = self._journals  # before parts are listed: what is sealed meanwhile is in one of both
            by_part = self.refresh().by_part(wanted)
            lacking = set(wanted).difference(*by_part.values())
            tables = [self.store.read_part(part, names, ids) for part, ids in by_part.items()]
            for journal in journals:
                if ids := [trace_id for trace_id in lacking if trace_id in journal.answers]:
                    lacking.difference_update(ids)
                    tables.append(_table_of(journal, ids, names))
            return tables

        tables = retry_if_compacted(read)
        return pa.concat_tables(tables) if tables else pa.table({})


def _held(pieces: Iterable[Entries], rows: Iterable[npt.NDArray[np.bool_]]) -> Iterator[tuple[str, str]]:
    """Trace and part of some rows of each piece."""
    for piece, chosen in zip(pieces, rows, strict=True):
        places = np.flatnonzero(chosen)
        yield from zip(piece.ids(places), (piece.parts[place] for place in piece.places[places]), strict=True)


def require(trace_ids: Iterable[str], found: Container[str]) -> None:
    """Raise LostPart for an answer that was known and cannot be read: its journal could not become a part."""
    for trace_id in trace_ids:
        if trace_id not in found:
            raise LostPart(
                f"The answer of trace {trace_id} was known and is not stored any more; run the same command again, "
                "which makes what is missing."
            )


def _table_of(journal: Journal, trace_ids: list[str], columns: list[str]) -> pa.Table:
    """Columns of answers in an open journal. Raises LostPart."""
    rows = journal.rows(trace_ids)
    if rows is None:
        raise LostPart(f"{journal.path} is sealed.")
    return traces_table(rows).select(columns)


def _settled(changed_at: int | None) -> int | None:
    """The time of a change that is long enough ago for a later change to have another time."""
    if changed_at is None:
        return None
    enough = _FINE_NANOSECONDS if changed_at % _SECOND else _COARSE_NANOSECONDS
    return changed_at if time.time_ns() - changed_at > enough else None
