"""A run's traces and problems as Parquet, CSV, or the files of a Hugging Face data set."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from tasks.exchange.exports.card import card
from tasks.exchange.exports.source import Source

FILE_BYTES = 256 * 2**20
"""A file of a data set is closed once it holds so much text; readers fetch files side by side."""
Advance = Callable[[int], None]


class PartedWriter:
    """Parquet files `<prefix>-00000.parquet` and on, each of about FILE_BYTES; a first one also without rows."""

    def __init__(self, prefix: Path, schema: pa.Schema) -> None:
        self._prefix, self._schema = prefix, schema
        self._number = self.num_rows = self._num_bytes = 0
        prefix.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._open()

    def write(self, table: pa.Table) -> None:
        """Write rows; a table goes into one file."""
        if self._num_bytes > FILE_BYTES:
            self._file.close()
            self._number, self._num_bytes = self._number + 1, 0
            self._file = self._open()
        self._file.write_table(table)
        self._num_bytes += table.nbytes
        self.num_rows += table.num_rows

    def close(self) -> None:
        """Finish the last file."""
        self._file.close()

    def _open(self) -> pq.ParquetWriter:
        path = f"{self._prefix}-{self._number:05}.parquet"
        return pq.ParquetWriter(path, self._schema, compression="zstd", compression_level=3)


def write_parquet(source: Source, folder: Path, batches: pa.RecordBatchReader, advance: Advance) -> int:
    """traces.parquet and problems.parquet; returns the number of traces."""
    with pq.ParquetWriter(
        folder / "traces.parquet", batches.schema, compression="zstd", compression_level=3
    ) as writer:
        num_rows = _each(batches, writer.write_table, advance)
    pq.write_table(source.problems().read_all(), folder / "problems.parquet", compression="zstd")
    return num_rows


def write_csv(source: Source, folder: Path, batches: pa.RecordBatchReader, advance: Advance) -> int:
    """traces.csv and problems.csv, UTF-8 with a heading; reference ids are joined by spaces."""
    plain = pa.schema(
        [pa.field(f.name, pa.string() if pa.types.is_list(f.type) else f.type) for f in batches.schema]
    )

    def flat(table: pa.Table) -> pa.Table:
        columns = [
            pc.call_function("binary_join", [column, " "]) if pa.types.is_list(column.type) else column
            for column in table.columns
        ]
        return pa.table(dict(zip(table.column_names, columns, strict=True)), schema=plain)

    with pc_csv.CSVWriter(folder / "traces.csv", plain) as writer:
        num_rows = _each(batches, lambda table: writer.write_table(flat(table)), advance)
    pc_csv.write_csv(source.problems().read_all(), folder / "problems.csv")
    return num_rows


def write_dataset(
    source: Source, folder: Path, stages: Sequence[str], advance: Advance, *, only_correct: bool
) -> int:
    """A data set with the configurations `traces` (a split a stage) and `problems`, and its card."""
    num_rows = 0
    for stage in stages:
        batches = source.traces((stage,), only_correct=only_correct)
        writer = PartedWriter(folder / "traces" / stage, batches.schema)
        num_rows += _each(batches, writer.write, advance)
        writer.close()
    problems = source.problems()
    writer = PartedWriter(folder / "problems" / "test", problems.schema)
    _each(problems, writer.write, lambda _: None)
    writer.close()
    configs = [
        {
            "config_name": "traces",
            "default": True,
            "data_files": [{"split": stage, "path": f"traces/{stage}-*.parquet"} for stage in stages],
        },
        {"config_name": "problems", "data_files": [{"split": "test", "path": "problems/test-*.parquet"}]},
    ]
    about = (
        "Every trace of one run of a two-stage pipeline: an explorer answers each problem several times, "
        "a synthesizer reads its answers."
    )
    columns = (
        f'`load_dataset(FOLDER, "traces", split="{stages[-1]}")` has one row per trace: `question`, `gold`, `reasoning`, '
        "`answer`, `verdict`, `is_correct` (null: no attempt), `extracted`, `status` (ok, truncated, error), tokens, latency; "
        "`reference_ids` are the explorer's traces a synthesizer was shown, in order.\n"
        '`load_dataset(FOLDER, "problems", split="test")` has one row per problem with the accuracy of each stage.'
    )
    (folder / "README.md").write_text(card(source, configs, about, columns), encoding="utf-8")
    return num_rows


def _each(batches: Iterable[pa.RecordBatch], write: Callable[[pa.Table], None], advance: Advance) -> int:
    num_rows = 0
    for batch in batches:
        write(pa.Table.from_batches([batch]))
        num_rows += batch.num_rows
        advance(batch.num_rows)
    return num_rows
