"""Rows of local files: .jsonl, .json, .parquet, .csv, and all but Parquet also compressed (.gz, .zst, .bz2)."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from configs.schema import UserError
from tasks.benchmarks.json_text import parse_json

Row = dict[str, Any]

_COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
_FIELD_LIMIT = 2**31 - 1
"""Characters in a field of a CSV file; Python's own limit of 131,072 is less than long reasoning has."""


def read_rows(path: str) -> list[Row]:
    """All rows of a file, whose suffix names the format. Raises UserError naming the file and line."""
    file = Path(path)
    kind = (file.with_suffix("") if file.suffix in _COMPRESSED else file).suffix
    readers = {".jsonl": _jsonl, ".json": _json, ".parquet": _parquet, ".csv": _csv}
    if kind not in readers:
        raise UserError(f"{file} is neither .jsonl, .json, .parquet nor .csv; convert it to one of them.")
    try:
        return list(readers[kind](file))
    except OSError as error:
        if error.errno is None:
            raise UserError(
                f"{file} is not a whole {file.suffix} file: {error}; fetch it again, or correct its name."
            ) from error
        raise UserError(f"{file} cannot be read: {error.strerror or error}; correct its path.") from error


def _content(file: Path) -> bytes:
    """A file's bytes, decompressed as its suffix says."""
    with file.open("rb") as packed:
        compression = _COMPRESSED.get(file.suffix)
        return pa.input_stream(packed, compression=compression).read() if compression else packed.read()


def _json(file: Path) -> Iterator[Row]:
    """The rows of a list of objects, also where it is the only list in an object, and of an object a line."""
    content = _content(file)
    try:
        held = parse_json(content)
    except ValueError as error:
        if _is_object(content.lstrip().partition(b"\n")[0]):
            yield from _lines(file, content)
            return
        raise UserError(f"{file} is not JSON: {error}.") from error
    if isinstance(held, dict):
        lists = [value for value in cast("Row", held).values() if isinstance(value, list)]
        held = lists[0] if len(lists) == 1 else None
    if not isinstance(held, list) or not all(isinstance(row, dict) for row in cast("list[Any]", held)):
        raise UserError(
            f"{file} is not one list of objects with columns; write it as .jsonl, an object a line."
        )
    yield from cast("list[Row]", held)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(parse_json(line), dict)
    except ValueError:
        return False


def _jsonl(file: Path) -> Iterator[Row]:
    yield from _lines(file, _content(file))


def _lines(file: Path, content: bytes) -> Iterator[Row]:
    for number, line in enumerate(content.splitlines(), start=1):
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
    for index, field in enumerate(batch.schema):
        if pa.types.is_float32(field.type):
            text, double = pa.string(), pa.float64()
        elif _is_list(field.type) and pa.types.is_float32(field.type.value_type):
            text, double = pa.list_(pa.string()), pa.list_(pa.float64())
        else:
            continue
        batch = batch.set_column(index, field.name, batch.column(index).cast(text).cast(double))
    return batch.to_pylist()


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _csv(file: Path) -> Iterator[Row]:
    csv.field_size_limit(_FIELD_LIMIT)
    try:
        with io.StringIO(_content(file).decode("utf-8-sig"), newline="") as text:
            reader = csv.DictReader(text, strict=True)
            _check_heading(file, reader.fieldnames or ())
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


def _check_heading(file: Path, names: Sequence[str]) -> None:
    """That each column has a name of its own, and that commas separate them."""
    if twice := next((name for name in names if name and names.count(name) > 1), None):
        raise UserError(f"{file} has two columns {twice}; rename one, or remove it.")
    if len(names) == 1 and (other := next((mark for mark in ";\t|" if mark in names[0]), None)):
        raise UserError(f"{file} has its columns separated by {other!r}, not by commas; save it with commas.")
