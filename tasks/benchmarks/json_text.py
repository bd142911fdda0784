"""JSON as tools write it: `NaN` and `Infinity`, a byte order mark, and numbers that no 64-bit value holds exactly.

orjson is fast and strict, and turns a long number into the nearest double. A gold answer must not change on its
way in, so what holds a float, or is not strict, is read by Python's own parser.
"""

import json
import re
from contextlib import suppress
from typing import Self

import orjson

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONGEST_INTEGER = len(str(2**64))
_EXACT_DIGITS = 17
"""Significant digits that a double can need; a longer number was written by someone who meant all of them."""


class LongNumber(float):
    """A number with its text: in calculations the nearest double, in writing what the file says."""

    text: str

    def __new__(cls, text: str) -> Self:
        """The number of a JSON token."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


def parse_json(data: bytes) -> object:
    """The value of a JSON text. Raises ValueError that says what is wrong and where.

    Integers beyond 64 bits and numbers of more than 17 digits become `LongNumber`.
    """
    data = data.removeprefix(BYTE_ORDER_MARK)
    if data.startswith(_UTF16):
        raise ValueError("it is encoded as UTF-16; save it as UTF-8")
    try:
        with suppress(orjson.JSONDecodeError):
            value = orjson.loads(data)
            if not _has_float(value):
                return value
        value = json.loads(data.decode(), parse_int=_integer, parse_float=_number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if _SURROGATE.search(data):
        json.dumps(value, ensure_ascii=False, default=str).encode()
    return value


def _has_float(value: object) -> bool:
    """Whether a value holds a float, as which orjson also reads integers beyond 64 bits."""
    if isinstance(value, dict):
        return any(map(_has_float, value.values()))
    return any(map(_has_float, value)) if isinstance(value, list) else isinstance(value, float)


def _integer(token: str) -> int | LongNumber:
    if len(token) <= _LONGEST_INTEGER and -(2**63) <= (number := int(token)) < 2**64:
        return number
    return LongNumber(token)


def _number(token: str) -> float:
    mantissa = token.lower().partition("e")[0]
    digits = mantissa.lstrip("-").replace(".", "").strip("0")
    number = float(token)
    lost = len(digits) > _EXACT_DIGITS or number in {float("inf"), float("-inf")} or (not number and digits)
    return LongNumber(token) if lost else number
