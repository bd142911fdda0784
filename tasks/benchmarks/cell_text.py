"""Cells of a data set as text: questions, gold answers, ids. A value that is not a text or a number is refused.

A problem's identity is the digest of its question's text, so what a question becomes here may never change.
"""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from tasks.benchmarks.json_text import LongNumber

_MOST_ZEROS = 60
"""Numbers up to 10^60, and down to its inverse, are written out."""
_THOUSANDS = re.compile(r"[^\d,()\[\]{}]*\d{1,3}(?:,\d{3})+(?:\.\d+)?[^\d,()\[\]{}]*")


def answer_text(value: object) -> str | None:
    """A gold answer or an id: numbers as people write them (27.0 becomes 27), the only answer of a list.

    None for what is absent: null, NaN, an empty text or list. Raises ValueError for several answers and for values
    that are no answer.
    """
    text: str | None
    match value:
        case bool():
            text = str(value)
        case int() | float() | Decimal():
            text = number_text(value)
        case None | []:
            text = None
        case [single]:
            text = answer_text(single)
        case bytes():
            text = _decoded(value)
        case [*several]:
            raise ValueError(f"has {len(several)} answers ({_short(several)}), not one")
        case dict():
            raise ValueError(f"has an object with {', '.join(map(str, value))}, not an answer")
        case _:
            text = str(value)
    return text.strip() or None if text else None


def question_text(value: object) -> str | None:
    """A question: a text, or the one user message of a chat. None for what is absent.

    Raises ValueError for a conversation of several turns, and for what is not a text.
    """
    match value:
        case [dict(), *_]:
            return _user_message(value)
        case [] | [_]:
            return question_text(value[0]) if value else None
        case [*several]:
            raise ValueError(f"has a list of {len(several)} values ({_short(several)}), not a text")
        case dict():
            raise ValueError(f"has an object with {', '.join(map(str, value))}, not a text")
        case bytes():
            return _decoded(value).strip() or None
        case float() if value.is_integer() and not isinstance(value, LongNumber):
            return str(int(value))
        case _:
            return None if value is None or is_nan(value) else str(value).strip() or None


def number_text(value: int | float | Decimal) -> str | None:  # noqa: PYI041 - an int is written as it is
    """A number without a needless point and without an exponent, unless it would be very long; None for NaN."""
    if isinstance(value, int | Decimal):
        return format(value, "d" if isinstance(value, int) else "f") if math.isfinite(value) else None
    exact = Decimal(value.text if isinstance(value, LongNumber) else repr(float(value)))
    if not exact.is_finite():
        return None if exact.is_nan() else (r"\infty" if exact > 0 else r"-\infty")
    if exact == 0:
        return "0"
    if abs(exact.adjusted()) > _MOST_ZEROS and exact.as_tuple().exponent not in range(-_MOST_ZEROS, 1):
        sign, digits, _ = exact.as_tuple()
        mantissa = format(Decimal((sign, digits, 1 - len(digits))), "f")
        return rf"{_unpadded(mantissa)} \cdot 10^{{{exact.adjusted()}}}"
    return _unpadded(format(exact, "f"))


def after_mark(mark: str | None, text: str) -> str | None:
    """The answer after the last `mark`, a number's thousands without their commas; None if it is not there."""
    if mark is None:
        return text
    _, found, answer = text.rpartition(mark)
    answer = answer.strip()
    return (answer.replace(",", "") if _THOUSANDS.fullmatch(answer) else answer) or None if found else None


def is_nan(value: object) -> bool:
    """Whether a value is the NaN with which data frames mark what is absent."""
    return isinstance(value, float) and math.isnan(value)


def _user_message(messages: Sequence[object]) -> str | None:
    turns = [message for message in messages if isinstance(message, Mapping)]
    asked = [turn for turn in turns if turn.get("role") == "user"]
    others = {str(turn.get("role")) for turn in turns} - {"user", "system", "developer"}
    if len(turns) < len(messages) or len(asked) != 1 or others:
        raise ValueError("has a chat that is not one message of a user, perhaps after a system message")
    content = asked[0].get("content")
    if not isinstance(content, list):
        return question_text(content)
    parts = [part if isinstance(part, Mapping) else {} for part in content]
    if any(part.get("type") not in {"text", "input_text"} for part in parts):
        raise ValueError("has a chat message with parts that are not text")
    return "\n".join(str(part.get("text") or "") for part in parts).strip() or None


def _unpadded(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"has bytes that are not UTF-8 ({error.reason})") from error


def _short(values: Sequence[object]) -> str:
    text = ", ".join(map(str, values))
    return text if len(text) <= 100 else text[:97] + "…"  # noqa: PLR2004 - what a line of a message bears
