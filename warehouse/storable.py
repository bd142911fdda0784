"""What of a trace row can be stored: nothing that an engine or a server said reaches a journal unchecked.

A count that cannot be read is NULL, text is made valid Unicode; a row that does not say whose trace it is
is refused. So every line of a journal can become a row of a part.
"""

import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from warehouse.records import TRACES, UTC, TraceRow

REQUIRED = ("trace_id", "problem_id", "problem_digest", "sample_index", "status")
"""Columns without which a row is not a trace."""
_STATUSES = frozenset({"ok", "truncated", "error"})
_LAST_MICROSECOND = 253_402_300_799_999_999
"""The end of the year 9999, past which no reader of timestamps goes."""


def storable(row: TraceRow) -> TraceRow:
    """The row with the columns of `TRACES` that can be stored. Raises ValueError for one that is not a trace."""
    if _is_storable(row):
        return row
    checked = {name: _READ[name](value) for name, value in row.items() if name in _READ}
    if lacking := [name for name in REQUIRED if checked.get(name) is None]:
        raise ValueError(f"has no readable {', '.join(lacking)}")
    if checked["status"] not in _STATUSES:
        raise ValueError(f"has the status {checked['status']!r}")
    return checked


def storable_text(text: str) -> str:
    """The text with U+FFFD in place of what is not Unicode; two halves of one character become it."""
    if text.isascii():  # known of a text without looking through it
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def whole_number(value: object, low: int, high: int) -> int | None:
    """The whole number that a value is (12.0 is 12), within the bounds; None for anything else."""
    if type(value) is int:  # nearly always
        return value if low <= value <= high else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if low <= value <= high else None


def finite_number(value: object) -> float | None:
    """The number that a value is; None for anything else, and for what is not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _is_storable(row: TraceRow) -> bool:
    """Whether a row can be stored as it is, which is true of nearly every one and half the work of reading it anew."""
    for name, value in row.items():
        if value is None:
            fits = name in _OPTIONAL
        elif type(value) is not _KINDS.get(name):
            fits = False
        elif isinstance(value, str):
            fits = value.isascii() or storable_text(value) is value
        elif isinstance(value, int):
            fits = 0 <= value <= _HIGHEST[name]
        else:
            fits = math.isfinite(value) if isinstance(value, float) else _texts(value) == [*value]
        if not fits:
            return False
    return row.keys() >= _REQUIRED and row["status"] in _STATUSES


def _text(value: object) -> str | None:
    return storable_text(value) if isinstance(value, str) else None


def _texts(value: object) -> list[str] | None:
    if not isinstance(value, list | tuple):
        return None
    return [storable_text(text) for text in value if isinstance(text, str)]


def _reader(kind: pa.DataType) -> Callable[[object], Any]:
    if kind == pa.int32():
        return lambda value: whole_number(value, -(2**31), 2**31 - 1)
    if kind == pa.int64():
        return lambda value: whole_number(value, -(2**63), 2**63 - 1)
    if kind == UTC:
        return lambda value: whole_number(value, 0, _LAST_MICROSECOND)
    if kind == pa.float64():
        return finite_number
    return _text if kind == pa.string() else _texts


_REQUIRED = frozenset(REQUIRED)
_OPTIONAL = frozenset(TRACES.names) - _REQUIRED
_PYTHON: dict[pa.DataType, tuple[type, int]] = {
    pa.string(): (str, 0),
    pa.int32(): (int, 2**31 - 1),
    pa.int64(): (int, 2**63 - 1),
    UTC: (int, _LAST_MICROSECOND),
    pa.float64(): (float, 0),
}
_KINDS = {field.name: _PYTHON.get(field.type, (tuple, 0))[0] for field in TRACES}
"""The Python type of each column's values where they can be stored as they are."""
_HIGHEST = {field.name: _PYTHON.get(field.type, (tuple, 0))[1] for field in TRACES}
"""The highest number of each column of whole numbers."""
_READ = {field.name: _reader(field.type) for field in TRACES}
