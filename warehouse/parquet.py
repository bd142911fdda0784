"""Rows in Parquet files: how parts are laid out, and how few of their row groups are read."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from warehouse.records import LAYOUTS

FEWEST_ROWS, MOST_ROWS = 256, 2**14
"""Of a row group."""
_GROUP_BYTES = 2**21
"""Of a row group's columns together: to read one problem's texts, so much is decompressed, and each group costs as much as some
hundred rows."""
_ROW_BYTES = 256
"""Of a row in memory at least: digests, ids, and what belongs to them."""


def layout_of(path: str) -> pa.Schema | None:
    """The present layout of the parts of a folder that had earlier ones; None for others."""
    return LAYOUTS.get(path.split("/", 1)[0])


def file_of(table: pa.Table) -> pa.Buffer:
    """The file that holds the rows.

    Zstd 3; the longer the texts, the fewer rows are in a group: a problem's samples are found by its minimum and maximum.
    """
    sink = pa.BufferOutputStream()
    rows = _GROUP_BYTES * table.num_rows // max(1, table.nbytes)
    rows = min(max(rows, FEWEST_ROWS), MOST_ROWS)
    pq.write_table(table, sink, compression="zstd", compression_level=3, row_group_size=rows, version="2.6")
    return sink.getvalue()


def opened(source: Any, encoded: Sequence[str] = ()) -> pq.ParquetFile:  # noqa: ANN401 - a file or an Arrow buffer, which share no type
    """A Parquet file that this thread alone will read, if it reads with `use_threads=False`.

    Nothing is read ahead: Arrow's own threads may still let go of Python's bytes when a short command
    exits, and that aborts it (apache/arrow#34314). Columns named in `encoded` are read as dictionaries.
    """
    return pq.ParquetFile(source, pre_buffer=False, read_dictionary=list(encoded))


def rows_of(
    source: Any,  # noqa: ANN401 - a file or an Arrow buffer, which share no type
    schema: pa.Schema | None = None,
    columns: Sequence[str] | None = None,
    trace_ids: Iterable[str] | None = None,
    problem_digests: Iterable[str] | None = None,
) -> pa.Table:
    """Rows of a Parquet file, all or those of some traces; columns of `schema` that it lacks are null."""
    groups = None if problem_digests is None else _groups_of_problems(source, problem_digests)
    with opened(source) as part:
        held = part.schema_arrow
        names = list(columns) if columns is not None else (schema or held).names
        present = [name for name in names if name in held.names]
        if trace_ids is None:
            table = part.read(columns=present, use_threads=False)
        else:
            table = _rows_of_traces(part, present, trace_ids, groups)
    return _completed(table, names, schema)


def batches_of(
    source: Any,  # noqa: ANN401 - as above
    schema: pa.Schema | None,
    columns: Sequence[str],
    trace_ids: Iterable[str],
) -> Iterator[pa.Table]:
    """Rows of some traces, a few at a time; columns of `schema` that the file lacks are null."""
    ids = pa.array(set(trace_ids), pa.string())
    part = opened(source)
    is_all = part.metadata.num_rows == len(ids)
    for batch in part.iter_batches(FEWEST_ROWS, columns=list(columns), use_threads=False):
        rows = _completed(pa.Table.from_batches([batch]), columns, schema)
        yield rows if is_all else rows.filter(_is_in(rows["trace_id"], ids))


def unpacked_bytes(source: Any) -> int:  # noqa: ANN401 - as above
    """About what the rows take in memory, from the footer, where what repeats is counted once."""
    footer = pq.read_metadata(source)
    held = sum(footer.row_group(place).total_byte_size for place in range(footer.num_row_groups))
    return max(held, footer.num_rows * _ROW_BYTES)


def _completed(table: pa.Table, columns: Sequence[str], schema: pa.Schema | None) -> pa.Table:
    """The table with these columns in their order; what an earlier layout lacks of `schema` is null."""
    for name in columns:
        if schema is not None and name not in table.column_names:
            table = table.append_column(schema.field(name), pa.nulls(table.num_rows, schema.field(name).type))
    return table.select(list(columns))


def _groups_of_problems(source: Any, problem_digests: Iterable[str]) -> list[int]:  # noqa: ANN401 - as above
    """The row groups with rows of some problems, by the distinct values in them, which are few."""
    wanted = pa.array(list(problem_digests), pa.string())
    part = opened(source, ["problem_digest"])
    return [
        place
        for place in range(part.num_row_groups)
        if any(
            _is_in(chunk.dictionary, wanted).true_count
            for chunk in part.read_row_group(place, columns=["problem_digest"], use_threads=False)[0].chunks
        )
    ]


def _rows_of_traces(
    part: pq.ParquetFile, columns: list[str], trace_ids: Iterable[str], among: Sequence[int] | None = None
) -> pa.Table:
    """Only the row groups that hold one of the traces are read, one at a time; of the others their ids alone."""
    among = range(part.num_row_groups) if among is None else among
    groups = [part.schema_arrow.empty_table().select(columns)]
    if among:
        ids = part.read_row_groups(among, columns=["trace_id"], use_threads=False)["trace_id"]
        wanted = np.flatnonzero(_is_in(ids, pa.array(list(trace_ids), pa.string())).to_numpy())
        if len(wanted) == part.metadata.num_rows:
            return part.read(columns=columns, use_threads=False)
        sizes = [part.metadata.row_group(place).num_rows for place in among]
        ends = np.cumsum(sizes)
        places = np.searchsorted(ends, wanted, side="right")
        for place in np.unique(places).tolist():
            group = part.read_row_group(among[place], columns=columns, use_threads=False)
            groups.append(group.take(wanted[places == place] - (ends[place] - sizes[place])))
    return pa.concat_tables(groups)


def _is_in(values: Any, wanted: pa.Array) -> Any:  # noqa: ANN401 - an array gives an array, chunks give chunks
    return pc.is_in(values, wanted)  # pyright: ignore[reportAttributeAccessIssue]
