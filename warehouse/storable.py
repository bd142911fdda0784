"""What of a trace row can be stored: nothing that an engine or a server said reaches a journal unchecked.

A count that cannot be read is NULL, text is made valid Unicode; a row that does not say whose trace it is
is refused. So every line of a journal can become a row of a part.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
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


def _is_storable(row: TraceRow) -> bool:
    """Whether a row can be stored as it is, which is true of nearly every one and half the work of reading it anew."""
    checks = _checks_of(tuple(row), tuple(map(type, row.values())))
    return (
        checks is not None and all(fit(values(row)) for values, fit in checks) and row["status"] in _STATUSES
    )


@lru_cache(maxsize=256)  # rows are of few shapes
def _checks_of(
    names: tuple[str, ...], kinds: tuple[type, ...]
) -> Sequence[tuple[Callable[[TraceRow], Any], Callable[[Any], bool]]] | None:
    """What has to be true of the values of rows with these columns and types; None where none of them can be stored."""
    found = {name: kind for name, kind in zip(names, kinds, strict=True) if kind is not NoneType}
    if not (set(REQUIRED) <= found.keys() and set(names) <= _KINDS.keys()):
        return None
    if any(kind is not _KINDS[name].python for name, kind in found.items()):
        return None
    columns: dict[_Kind, list[str]] = {}
    for name in found:
        columns.setdefault(_KINDS[name], []).append(name)
    return [(itemgetter(*alike, alike[0]), kind.fit) for kind, alike in columns.items()]


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


class _Kind(NamedTuple):
    """How values of a column are where they can be stored as they are."""

    python: type
    fit: Callable[[Any], bool]
    """Whether all of some values of that type can be."""


def _are_whole(highest: int) -> Callable[[Sequence[int]], bool]:
    return lambda values: min(values) >= 0 and max(values) <= highest


def _are_unicode(values: Sequence[str]) -> bool:
    return all(map(str.isascii, values)) or all(storable_text(text) is text for text in values)


_PYTHON = {
    pa.string(): _Kind(str, _are_unicode),
    pa.int32(): _Kind(int, _are_whole(2**31 - 1)),
    pa.int64(): _Kind(int, _are_whole(2**63 - 1)),
    UTC: _Kind(int, _are_whole(_LAST_MICROSECOND)),
    pa.float64(): _Kind(float, lambda values: all(map(math.isfinite, values))),
}
_LISTS = _Kind(tuple, lambda values: all(_texts(value) == [*value] for value in values))
_KINDS = {field.name: _PYTHON.get(field.type, _LISTS) for field in TRACES}
_READ = {field.name: _reader(field.type) for field in TRACES}
