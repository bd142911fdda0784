"""Rows of local files: .jsonl, .parquet, .csv."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from configs.schema import UserError
from tasks.benchmarks.json_text import parse_json

Row = dict[str, Any]

_FIELD_LIMIT = 2**31 - 1
"""Characters in a field of a CSV file; Python's own limit of 131,072 is less than long reasoning has."""


def read_rows(path: str) -> list[Row]:
    """All rows of a file, whose suffix names the format. Raises UserError naming the file and line."""
    file = Path(path)
    readers = {".jsonl": _jsonl, ".parquet": _parquet, ".csv": _csv}
    if file.suffix not in readers:
        raise UserError(f"{file} is neither .jsonl, .parquet nor .csv; convert it to one of them.")
    try:
        return list(readers[file.suffix](file))
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}; correct its path.") from error


def _jsonl(file: Path) -> Iterator[Row]:
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise UserError(f"{file}, line {number} is not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise UserError(f"{file}, line {number} is {type(row).__name__}, not an object with columns.")
        yield row


def _parquet(file: Path) -> Iterator[Row]:
    try:
        for batch in pq.ParquetFile(file).iter_batches():
            yield from rows_of(batch)
    except pa.ArrowException as error:
        raise UserError(f"{file} is not readable as Parquet: {str(error).splitlines()[0]}") from error


def rows_of(batch: pa.RecordBatch) -> list[Row]:
    """A batch's rows. A number of 32 bits keeps its own shortest text: 0.1, not 0.10000000149011612."""
    short = [index for index, field in enumerate(batch.schema) if pa.types.is_float32(field.type)]
    for index in short:
        column = batch.column(index).cast(pa.string()).cast(pa.float64())
        batch = batch.set_column(index, batch.schema.field(index).name, column)
    return batch.to_pylist()


def _csv(file: Path) -> Iterator[Row]:
    csv.field_size_limit(_FIELD_LIMIT)
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.DictReader(text, strict=True)
            for row in reader:
                if None in row:
                    raise UserError(
                        f"{file}, line {reader.line_num} has more fields than the heading; put fields with commas "
                        "in quotation marks."
                    )
                yield row
    except csv.Error as error:
        raise UserError(f"{file} is not readable as CSV: {error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not readable as CSV: {error}; save it as UTF-8.") from error
