"""Compaction: a folder's many small parts become few big ones, and every row that a relation shows stays.

A big part is written, synced and read back before the small ones go, so a crash at any moment
leaves each row in one part or in two, and readers count a trace once either way. The same rows give
the same part, so a compaction that was cut short is finished by the next. What is dropped: the
second copy of a trace (see `winner`), of a verdict, of a problem; failures that were followed by an answer or by a
later failure; gold answers of a wording that were corrected later. The catalog shows none of these.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

import pyarrow as pa

from configs.schema import UserError
from warehouse.inventory import keep_up
from warehouse.journal import finalized
from warehouse.parquet import layout_of, rows_of
from warehouse.store import Store, StoredFile, content_hash

SMALL_BYTES = 64 * 2**20
"""In memory; a part of this size is left as it is, so each row is written anew only a few times."""
BIG_BYTES = 128 * 2**20
"""In memory; what one big part holds at most, which bounds the memory of compaction to a few times this."""
FEWEST_PARTS = 4
"""Fewer small parts of one kind are not worth a rewrite."""

_PART = re.compile(
    r"(?P<place>(?P<kind>traces|grades|problems)/(?:[^/]+/)*part-(?:[0-9a-f]{16}-)?)(?P<hash>[0-9a-f]{16})\.parquet"
)
_RECIPE = re.compile(r"traces/.*/recipe=(?P<recipe>[0-9a-f]{16})/")


@dataclass(frozen=True, slots=True)
class Merge:
    """Small parts that become one."""

    place: str
    """Folder and beginning of the name that the parts share."""
    parts: tuple[StoredFile, ...]
    """From the oldest to the newest."""

    @property
    def num_bytes(self) -> int:
        """On disk."""
        return sum(part.size for part in self.parts)


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of a merge."""

    merge: Merge
    part: str
    num_bytes: int
    num_rows: int
    num_dropped: int
    """Rows that the catalog does not show."""


def merges(store: Store, fewest: int = FEWEST_PARTS) -> list[Merge]:
    """What is worth merging now."""
    places: dict[str, list[StoredFile]] = {}
    for kind in ("traces", "grades", "problems"):
        for file in store.files(kind):
            if (match := _PART.fullmatch(file.path)) and file.size < SMALL_BYTES:
                places.setdefault(match["place"], []).append(file)
    return [
        Merge(place, tuple(group))
        for place, files in sorted(places.items())
        if len(files) >= fewest
        for group in _groups(store, files)
        if len(group) > 1
    ]


def merge_parts(store: Store, merge: Merge) -> Merged:
    """Write the big part, read it back, remove the small ones. Raises LostPart, UserError for a damaged part."""
    table = pa.concat_tables(_sound(store, part.path) for part in merge.parts)
    whole = _WHOLE[merge.place.split("/", 1)[0]](table)
    folder, prefix = merge.place.rsplit("/", 1)
    written = store.write_part(folder, whole, prefix)
    data = store.read_bytes(written)
    if content_hash(data) != written[-24:-8]:
        raise UserError(
            f"{store.root}/{written} is not what was written; nothing was removed. Check the disk."
        )
    for part in merge.parts:
        if part.path != written:
            store.remove(part.path)
    if match := _RECIPE.match(merge.place):
        keep_up(store, match["recipe"], store.names(folder, prefix="part-"))
    return Merged(merge, written, len(data), whole.num_rows, table.num_rows - whole.num_rows)


def _groups(store: Store, files: Sequence[StoredFile]) -> Iterator[list[StoredFile]]:
    """The small ones among `files`, oldest first, in groups of at most `BIG_BYTES`."""
    group: list[StoredFile] = []
    held = 0
    for file in sorted(files, key=attrgetter("age", "path")):
        num_bytes = store.unpacked_bytes(file.path)
        if num_bytes >= SMALL_BYTES:
            continue
        if group and held + num_bytes > BIG_BYTES:
            yield group
            group, held = [], 0
        group.append(file)
        held += num_bytes
    if group:
        yield group


def _sound(store: Store, path: str) -> pa.Table:
    """A part whose bytes are what was written: damage must not be sealed under a new name."""
    data = store.read_bytes(path)
    if content_hash(data) != path[-24:-8]:
        raise UserError(
            f"{store.root}/{path} is damaged, so its folder is left as it is; "
            f"`a2r verify --root {store.root}` says what to do."
        )
    return rows_of(pa.BufferReader(data), layout_of(path))  # earlier layouts lack columns, which are null


def _distinct(table: pa.Table, keys: list[str], keep: str) -> pa.Table:
    """One row for each value of `keys`, sorted by them: the first (`min`) or the last (`max`) place."""
    placed = table.append_column("place", pa.array(range(table.num_rows), pa.int64()))
    kept = placed.group_by(keys).aggregate([("place", keep)])
    return table.take(kept.sort_by([(key, "ascending") for key in keys])[f"place_{keep}"])


_WHOLE: dict[str, Callable[[pa.Table], pa.Table]] = {
    "traces": finalized,
    "grades": lambda table: _distinct(table, ["problem_digest", "trace_id", "gold", "answer_digest"], "min"),
    "problems": lambda table: _distinct(table, ["benchmark", "problem_id", "problem_digest"], "max"),
}
