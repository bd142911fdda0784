"""The inventory: what many parts hold, in few small files, so that nobody has to open the parts to know.

`<root>/inventory/recipe=<hash16>/<hash16>.parquet` says of the parts that it names which traces they hold (see
`entries`), 29 bytes a trace. A part never changes, so what is said of it stays true; whether a part is there, only
the listing of its folder says. So an inventory can be old, lacking or gone, and no reader is misled: what it says of parts
that are not listed is ignored, and listed parts that it does not name are opened.

A load writes it for the recipes that it takes something in of, and so do a compaction and a shard that leaves parts in an
object store while it goes on (see `rolling`): one file of the parts that none names yet, together with the files that are
not much larger, so that there are few and each row is written anew only a few times.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.schema import UserError
from warehouse.entries import READ, Entries, entries_of, joined
from warehouse.parquet import opened
from warehouse.store import LostPart, Store, content_hash

FEWEST_PARTS = 4
"""Fewer parts are opened as fast on a disk; from an object store their texts would come along."""
_NAMES = ("high", "low", "digest", "kind", "part", "tokens")
_NUMPY_KINDS = (np.uint64, np.uint64, np.uint64, np.uint8, np.uint32, np.uint32)
_PARTS, _SPANS = b"parts", b"problems"
"""Keys of the file's metadata: the parts, and between which problems each lies."""
_GROUP_ROWS = 2**20


Span = tuple[str, str]
"""The first and the last problem of a part, as strings are ordered."""


class _File(NamedTuple):
    """One file of an inventory."""

    path: str
    num_rows: int
    parts: tuple[str, ...]
    spans: Mapping[str, Span]
    """Of its parts; a file of an earlier version has none."""


def known_entries(store: Store, recipe: str, parts: Sequence[str]) -> list[Entries]:
    """What the inventory says of some parts of a recipe, file by file; of those that it does not name, nothing.

    It says nothing of a part either that another loader's file, which is gone in this moment, named.
    """
    if len(parts) < _fewest(store):
        return []
    wanted, found = set(parts), list[Entries]()
    for path in store.names(_folder(recipe)):
        if entries := _read(store, path):
            found.append(entries.of_parts(wanted))
            wanted.difference_update(entries.parts)
    return [entries for entries in found if entries.parts]


def known_spans(store: Store, recipe: str) -> dict[str, Span]:
    """Between which problems parts of a recipe lie, as far as the inventory says so."""
    spans: dict[str, Span] = {}
    for path in store.names(_folder(recipe)):
        spans |= _described(store, path).spans
    return spans


def keep_up(store: Store, recipe: str, parts: Iterable[str]) -> None:
    """Let the inventory of a recipe name its parts, those that are there now. Raises UserError where it cannot be written."""
    present = set(parts)
    files = [_described(store, path) for path in store.names(_folder(recipe))]
    of_no_use = [file for file in files if 2 * len(present.intersection(file.parts)) <= len(file.parts)]
    files = [file for file in files if file not in of_no_use]
    unnamed = sorted(present.difference(*(file.parts for file in files)))
    if len(unnamed) >= _fewest(store):
        spans: dict[str, Span] = {}
        entries = [entries for part in unnamed if (entries := _opened(store, part, spans))]
        num_rows, left = sum(map(len, entries)), present.difference(unnamed)
        for file in sorted(files, key=lambda file: file.num_rows):
            if file.num_rows <= 2 * num_rows and (held := _read(store, file.path)):
                entries.append(held.of_parts(left))  # two loaders at once may have named the same parts
                left.difference_update(held.parts)
                spans |= file.spans
                of_no_use.append(file)
                num_rows += file.num_rows
        written = _write(store, recipe, joined(entries), spans)
        of_no_use = [file for file in of_no_use if file.path != written]
    for file in of_no_use:
        store.remove(file.path)


def _fewest(store: Store) -> int:
    return FEWEST_PARTS if store.is_local else 1


def _folder(recipe: str) -> str:
    return f"inventory/recipe={recipe}"


def _opened(store: Store, part: str, spans: dict[str, Span]) -> Entries | None:
    """The entries of a part, and its span; None where compaction has merged it meanwhile."""
    try:
        rows = store.read_part(part, [*READ, "problem_id"])
    except LostPart:
        return None
    if rows.num_rows:
        ends = pc.min_max(rows["problem_id"])  # pyright: ignore[reportAttributeAccessIssue]
        spans[part] = ends["min"].as_py(), ends["max"].as_py()
    return entries_of(part, rows)


def _described(store: Store, path: str) -> _File:
    """What a file names, from its footer; nothing of one that cannot be read or has an earlier layout."""
    try:
        with store.opened_file(path) as file:
            footer = opened(file).metadata
            if footer.schema.names == list(_NAMES):
                parts = tuple(orjson.loads(footer.metadata[_PARTS]))
                return _File(path, footer.num_rows, parts, _spans(footer.metadata.get(_SPANS, b"")))
    except (UserError, ValueError):
        pass
    return _File(path, 0, (), {})


def _spans(data: bytes) -> dict[str, Span]:
    """Spans behind their own hash, since a footer is read without the rest of its file; none where they are damaged."""
    said, spans = data[:16], data[16:]
    if not spans or content_hash(spans).encode() != said:
        return {}
    return {part: (first, last) for part, (first, last) in orjson.loads(spans).items()}


def _read(store: Store, path: str) -> Entries | None:
    """The entries of a file; None for one that is gone, damaged or of an earlier layout, whose parts are opened then."""
    try:
        data = store.read_unchanged(path)
    except OSError:
        return None
    if content_hash(data) != path[-24:-8]:
        return None
    with opened(pa.BufferReader(data)) as file:
        if file.schema_arrow.names != list(_NAMES):
            return None
        parts = tuple(orjson.loads(file.metadata.metadata[_PARTS]))
        columns: list[Any] = [np.empty(file.metadata.num_rows, kind) for kind in _NUMPY_KINDS]
        first = 0
        for place in range(file.num_row_groups):  # one at a time: no row stands in memory twice
            rows = file.read_row_group(place, use_threads=False)
            for column, name in zip(columns, _NAMES, strict=True):
                column[first : first + rows.num_rows] = rows[name].to_numpy()
            first += rows.num_rows
    return Entries(parts, *columns)


def _write(store: Store, recipe: str, entries: Entries, spans: Mapping[str, Span]) -> str:
    columns = (entries.high, entries.low, entries.digests, entries.kinds, entries.places, entries.tokens)
    table = pa.table(dict(zip(_NAMES, columns, strict=True)))
    named = orjson.dumps({part: spans[part] for part in entries.parts if part in spans})
    table = table.replace_schema_metadata(
        {_PARTS: orjson.dumps(entries.parts), _SPANS: content_hash(named).encode() + named}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
        row_group_size=_GROUP_ROWS,
    )
    data = sink.getvalue()
    path = f"{_folder(recipe)}/{content_hash(data)}.parquet"
    store.write_bytes(path, data)
    return path
