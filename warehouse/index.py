"""What the store already holds of one recipe: read once a part, since parts never change."""

import threading
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from warehouse.failures import is_permanent
from warehouse.identity import Recipe
from warehouse.store import Store, retry_if_compacted, traces_folder
from warehouse.winner import RANKED, winners


class Stored(NamedTuple):
    """One stored trace, or the last failure to make it."""

    status: str
    part: str
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

    def refresh(self) -> "RecipeIndex":
        """Take in the parts that have come since."""
        with self._lock:
            retry_if_compacted(self._refresh)
        return self

    def _refresh(self) -> None:
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
            rows.append(self.store.read_part(name, ["trace_id", "status", *RANKED], ids))
            names += [name] * rows[-1].num_rows
        table = pa.concat_tables(rows)
        ids = table["trace_id"].to_pylist()
        return {ids[place] for place in winners(table) if names[place] == part}

    def get(self, trace_id: str) -> Stored | None:
        """The stored trace or failure, if there is either."""
        return self._traces.get(trace_id)

    def has(self, trace_id: str) -> bool:
        """Whether an answer is stored; a failure is none."""
        held = self._traces.get(trace_id)
        return held is not None and held.status != "error"

    def answer_digest(self, trace_id: str) -> str | None:
        """The digest of the stored answer, where both are known."""
        held = self._traces.get(trace_id)
        return held.answer_digest if held else None

    def answers(self) -> frozenset[str]:
        """Ids of every stored answer."""
        return frozenset(trace_id for trace_id, held in self._traces.items() if held.status != "error")

    def by_part(self, trace_ids: Iterable[str]) -> dict[str, list[str]]:
        """The stored answers among `trace_ids`, grouped by the part that holds them."""
        groups: dict[str, list[str]] = {}
        for trace_id in trace_ids:
            if self.has(trace_id):
                groups.setdefault(self._traces[trace_id].part, []).append(trace_id)
        return groups

    def batches(self, trace_ids: Iterable[str], columns: list[str]) -> Iterator[pa.Table]:
        """The same as `rows`, a few at a time: what texts there are never stand in memory together. Raises LostPart."""
        for part, ids in self.by_part(trace_ids).items():
            yield from self.store.batches(part, ["trace_id", *columns], ids)

    def rows(self, trace_ids: Iterable[str], columns: list[str]) -> pa.Table:
        """The stored answers among `trace_ids`: `trace_id` and the given columns, from their parts alone."""
        wanted = list(trace_ids)

        def read() -> list[pa.Table]:
            by_part = self.refresh().by_part(wanted)
            return [self.store.read_part(part, ["trace_id", *columns], ids) for part, ids in by_part.items()]

        tables = retry_if_compacted(read)
        return pa.concat_tables(tables) if tables else pa.table({})
