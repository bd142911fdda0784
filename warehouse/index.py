"""What the store already holds of one recipe: read once a part, since parts never change.

What is still in this process's open journals is known too, from the moment it arrives, so that what reads it need
not wait until a shard has ended.
"""

import math
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from warehouse.failures import is_permanent
from warehouse.identity import Recipe
from warehouse.journal import Journal, traces_table
from warehouse.store import LostPart, Store, retry_if_compacted, traces_folder
from warehouse.winner import RANKED, winners

_LISTED_SECONDS = 10.0
"""An object store is not listed more often than this to see what others made."""
_COARSEST_NANOSECONDS = 2_000_000_000
"""Some disks keep the time of a change to the second."""


class Stored(NamedTuple):
    """One stored trace, or the last failure to make it."""

    status: str
    part: str
    """Empty while it is in an open journal."""
    is_permanent: bool
    """Whether a failure is a refusal of its prompt."""
    answer_digest: str | None = None
    """Of the answer, by which its verdicts are found; rows of earlier layouts have none."""


@dataclass
class RecipeIndex:
    """Trace ids of one recipe with their status and part; `refresh` reads only parts it has not seen."""

    store: Store
    recipe: Recipe
    _seen: set[str] = field(default_factory=set)
    _traces: dict[str, Stored] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _listed: float = -math.inf
    _changed_at: int | None = None
    """When the folder had changed as it was last listed; None where another change would not be seen by its time."""
    _journals: tuple[Journal, ...] = ()
    _watchers: tuple[Callable[[str], None], ...] = ()

    def refresh(self) -> "RecipeIndex":
        """Take in the parts that have come since."""
        with self._lock:
            retry_if_compacted(self._refresh)
        return self

    @property
    def is_behind(self) -> bool:
        """Whether parts may have come since `refresh`; nearly free to ask."""
        if not self.store.is_local:
            return time.monotonic() - self._listed > _LISTED_SECONDS
        if self._changed_at is None:
            return True
        return self.store.changed_at(traces_folder(self.recipe)) != self._changed_at

    def _refresh(self) -> None:
        listed, changed_at = time.monotonic(), _settled(self.store.changed_at(traces_folder(self.recipe)))
        parts = self.store.names(traces_folder(self.recipe), prefix="part-")
        if self._seen.difference(parts):  # a part was taken away: what it held is not stored any more
            self._seen, self._traces = set(), {}
        for part in parts:
            if part not in self._seen:
                found = self._found(part)
                doubled = {trace_id for trace_id in found if trace_id in self._traces}
                outranked = self._outranked(doubled, part) if doubled else ()
                self._traces.update((i, s) for i, s in found.items() if i not in doubled or i in outranked)
                self._seen.add(part)
        # only now, so that no other thread takes the index for up to date before it is
        self._listed, self._changed_at = listed, changed_at

    def _found(self, part: str) -> dict[str, Stored]:
        columns = self.store.read_part(part, ["trace_id", "status", "error_code", "answer_digest"])
        return {
            trace_id: Stored(status, part, is_permanent(code), digest)
            for trace_id, status, code, digest in zip(*columns.to_pydict().values(), strict=True)
        }

    def _outranked(self, trace_ids: AbstractSet[str], part: str) -> set[str]:
        """Those of which the row in `part` counts, and not the one that is held."""
        groups: dict[str, set[str]] = {part: set(trace_ids)}
        for trace_id in trace_ids:
            groups.setdefault(self._traces[trace_id].part, set()).add(trace_id)
        names, rows = [], []
        for name, ids in groups.items():
            try:
                rows.append(self.store.read_part(name, ["trace_id", "status", *RANKED], ids))
            except LostPart:
                if name == part:
                    raise
                continue  # merged meanwhile: its rows are in a part that the next refresh lists
            names += [name] * rows[-1].num_rows
        table = pa.concat_tables(rows)
        ids = table["trace_id"].to_pylist()
        return {ids[place] for place in winners(table) if names[place] == part}

    def opened(self) -> Journal:
        """A new journal of the recipe, whose answers are known from now on. Raises OSError."""
        journal = Journal(self.store, self.recipe)
        with self._lock:
            self._journals += (journal,)
        return journal

    def forget(self, journal: Journal) -> None:
        """A journal is sealed, or could not be; what it held is looked for among the parts first."""
        try:
            self.refresh()
        finally:
            with self._lock:
                self._journals = tuple(other for other in self._journals if other is not journal)

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Call it with the digest of each problem of which an answer arrives, on the thread on which it does."""
        with self._lock:
            self._watchers += (watcher,)

    def unwatch(self, watcher: Callable[[str], None]) -> None:
        """Undo one `watch`."""
        with self._lock:
            self._watchers = tuple(other for other in self._watchers if other != watcher)

    def arrived(self, problem_digest: str) -> None:
        """An answer to that problem is in a journal now."""
        for watcher in self._watchers:
            watcher(problem_digest)

    def get(self, trace_id: str) -> Stored | None:
        """The stored trace or failure, if there is either."""
        held = self._traces.get(trace_id)
        if held is None or held.status == "error":
            for journal in self._journals:
                if entry := journal.answers.get(trace_id):
                    return Stored(entry.status, "", is_permanent=False, answer_digest=entry.answer_digest)
        return held

    def has(self, trace_id: str) -> bool:
        """Whether an answer is stored; a failure is none."""
        held = self.get(trace_id)
        return held is not None and held.status != "error"

    def answer_digest(self, trace_id: str) -> str | None:
        """The digest of the stored answer, where both are known."""
        held = self.get(trace_id)
        return held.answer_digest if held else None

    def answers(self) -> frozenset[str]:
        """Ids of every stored answer."""
        return frozenset(trace_id for trace_id, held in self._traces.items() if held.status != "error")

    def by_part(self, trace_ids: Iterable[str]) -> dict[str, list[str]]:
        """The answers among `trace_ids` that are in parts, grouped by the part that holds them."""
        groups: dict[str, list[str]] = {}
        for trace_id in trace_ids:
            held = self._traces.get(trace_id)
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
    """The time of a change that is long enough ago for a later change to have another time, on any disk."""
    is_settled = changed_at is not None and time.time_ns() - changed_at > _COARSEST_NANOSECONDS
    return changed_at if is_settled else None
