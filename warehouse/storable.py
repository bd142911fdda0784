"""What of a trace row can be stored: nothing that an engine or a server said reaches a journal unchecked.

A count that cannot be read is NULL, text is made valid Unicode; a row that does not say whose trace it is
is refused. So every line of a journal can become a row of a part.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from operator import le
from types import NoneType
from typing import Any, NamedTuple

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


class _Shape(NamedTuple):
    """Rows whose columns have the same types, each of which can be stored: what is left to look at are their values."""

    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    highest: tuple[int, ...]
    """The highest of each of the whole numbers."""
    floats: tuple[str, ...]
    lists: tuple[str, ...]

    def fits(self, row: TraceRow) -> bool:
        """Whether every value of such a row can be stored as it is."""
        value_of = row.__getitem__
        numbers, texts = [*map(value_of, self.numbers)], [*map(value_of, self.texts)]
        return (
            row["status"] in _STATUSES
            and min(numbers) >= 0
            and all(map(le, numbers, self.highest))
            and all(map(math.isfinite, map(value_of, self.floats)))
            and (all(map(str.isascii, texts)) or [*map(storable_text, texts)] == texts)
            and all(_texts(value) == [*value] for value in map(value_of, self.lists) if value)
        )


def _is_storable(row: TraceRow) -> bool:
    """Whether a row can be stored as it is, which is true of nearly every one and much less work than reading it anew."""
    shape = _shape(tuple(row), tuple(map(type, row.values())))
    return shape is not None and shape.fits(row)


@lru_cache(maxsize=256)
def _shape(names: tuple[str, ...], kinds: tuple[type, ...]) -> _Shape | None:
    """The shape of rows with columns of these types; None where one is lacking, unknown, or of another type."""
    given = {name: kind for name, kind in zip(names, kinds, strict=True) if kind is not NoneType}
    if not given.keys() >= _REQUIRED or not set(names) <= _KINDS.keys():
        return None
    if any(kind is not _KINDS[name] for name, kind in given.items()):
        return None
    texts, numbers, floats, lists = (
        tuple(name for name, kind in given.items() if kind is wanted) for wanted in (str, int, float, tuple)
    )
    return _Shape(texts, numbers, tuple(_HIGHEST[name] for name in numbers), floats, lists)


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
