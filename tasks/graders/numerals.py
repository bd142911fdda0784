"""Whole numbers in English words: forty-two, one hundred and five, minus three; two-thirds as 2/3."""

import re

_TO_NINETEEN = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_SMALL = {name: value for value, name in enumerate(_TO_NINETEEN)}
_BY_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_TENS = {name: 10 * value for value, name in enumerate(_BY_TENS, start=2)}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "fourth": 4, "quarter": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10,
}  # fmt: skip
_IN_WORDS = re.compile(r"[A-Za-z]+(?:[ -]+[A-Za-z]+){0,11}")
_BESIDE_DIGITS = re.compile(r"([A-Za-z][A-Za-z -]{1,80}?)\s*\((-?\d{1,15})\)")
"""Forty-two (42)."""


def in_digits(text: str) -> str:
    """42 for forty-two and for forty-two (42), 2/3 for two-thirds; a text that says more is left as it is."""
    if match := _BESIDE_DIGITS.fullmatch(text):
        return match[2] if in_digits(match[1].strip()) == match[2] else text
    if not _IN_WORDS.fullmatch(text):
        return text
    words = text.lower().replace("-", " ").split()
    sign = "-" if words[0] in {"minus", "negative"} else ""
    words = words[1:] if sign else words
    part = _PARTS.get(words[-1]) or _PARTS.get(words[-1].removesuffix("s")) if len(words) > 1 else None
    value = _value(words[:-1] if part else words)
    return text if value is None else f"{sign}{value}" + (f"/{part}" if part else "")


def _value(words: list[str]) -> int | None:
    """The number that words name; None where they name none, or several beside each other: two three."""
    total = group = 0
    room = 10**12
    """Below what the next word of a group has to be, so that ten twenty is no number."""
    if not words or words[0] == "and" or words[-1] == "and":
        return None
    for word in words:
        if word in _SMALL or word in _TENS:
            value = _SMALL.get(word) or _TENS.get(word, 0)
            if value >= room or (not value and len(words) > 1):
                return None
            group, room = group + value, 10 if word in _TENS else 0
        elif word == "hundred" and group < 100 and group % 10:  # noqa: PLR2004 - two hundred, fifteen hundred
            group, room = 100 * group, 100
        elif word in _LARGE and group and not total % (1000 * _LARGE[word]):
            total, group, room = total + group * _LARGE[word], 0, 10**12
        elif word != "and" or not (total or group >= 100):  # noqa: PLR2004 - one hundred and five
            return None
    return total + group
