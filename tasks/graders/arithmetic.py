r"""Exact values of written numbers: 42, .5, -3/4, \frac{2^{10}}{3^5}, 1-2^{-99}, 6.02*10^{23}.

A parser of its own for + - * / ^ \frac and brackets over decimals, in fractions. It knows no names and
calls nothing, so what a model wrote is only ever read; what would grow beyond `MAX_BITS` has no value.
"""

import re
from fractions import Fraction

MAX_LENGTH = 400
"""Longer texts have no value here."""

MAX_BITS = 13_000
"""Of a numerator or denominator: about 3900 digits, which Python still prints (its limit is 4300)."""

MAX_DEPTH = 32
"""Brackets within brackets."""

_TOKEN = re.compile(r"\d+(?:\.\d*)?|\.\d+|\\[dtc]?frac|[-+*/^(){}]")
_DIGITS = re.compile(r"\d+(?:\.\d*)?|\.\d+")
_REPEATING = re.compile(r"([-+]?)(\d*)\.(\d*)\\overline\{(\d+)\}")
_MIXED = re.compile(r"([-+]?)(\d+)(\\frac\{\d+\}\{\d+\})")


_CLOSED = {"(": ")", "{": "}"}


class _NoValue(Exception):
    """The text is no arithmetic, or too large."""


def value_of(text: str) -> Fraction | None:
    r"""The exact value of a text without white space; a mixed number 3\frac{1}{2} is 7/2. None where there is none."""
    if not text or len(text) > MAX_LENGTH:
        return None
    if match := _MIXED.fullmatch(text):
        part = value_of(match[3])
        whole = None if part is None else int(match[2]) + part
        return -whole if whole is not None and match[1] == "-" else whole
    if match := _REPEATING.fullmatch(text):
        sign, whole, first, again = match.groups()
        nines = Fraction(int(again), (10 ** len(again) - 1) * 10 ** len(first))
        return (Fraction(int(whole + first or "0"), 10 ** len(first)) + nines) * (-1 if sign == "-" else 1)
    tokens = _TOKEN.findall(text)
    if sum(map(len, tokens)) != len(text):
        return None
    reader = _Reader(tokens)
    try:
        value = reader.sum()
    except (_NoValue, ZeroDivisionError):
        return None
    return value if reader.peek() == "" else None


class _Reader:
    """Recursive descent, no deeper than `MAX_DEPTH` brackets."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._place, self._depth = tokens, 0, 0

    def peek(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def sum(self) -> Fraction:
        value = self._product()
        while (sign := self.peek()) in {"+", "-"}:
            self._place += 1
            term = self._product()
            value = _bounded(value + term if sign == "+" else value - term)
        return value

    def _product(self) -> Fraction:
        value = self._signed()
        while (sign := self.peek()) in {"*", "/"}:
            self._place += 1
            factor = self._signed()
            value = _bounded(value * factor if sign == "*" else value / factor)
        return value

    def _signed(self) -> Fraction:
        """-2^2 is -(2^2)."""
        if self.peek() in {"+", "-"}:
            sign = self._next()
            value = self._power()
            return -value if sign == "-" else value
        return self._power()

    def _power(self) -> Fraction:
        base = self._atom()
        if self.peek() != "^":
            return base
        self._place += 1
        if self.peek() == "{":
            exponent = self._group("{")
        elif len(digit := self._next()) == 1 and digit.isdecimal():  # 2^10 without braces is unclear
            exponent = Fraction(digit)
        else:
            raise _NoValue
        if self.peek() == "^" or exponent.denominator != 1:
            raise _NoValue
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if size * abs(exponent.numerator) > MAX_BITS:
            raise _NoValue
        return base**exponent.numerator

    def _atom(self) -> Fraction:
        token = self.peek()
        if token in _CLOSED:
            return self._group(token)
        self._place += 1
        if _DIGITS.fullmatch(token):
            return Fraction(token)
        if token.endswith("frac"):
            above, below = self._group("{"), self._group("{")
            return _bounded(above / below)
        raise _NoValue

    def _group(self, opened: str) -> Fraction:
        self._depth += 1
        if self._next() != opened or self._depth > MAX_DEPTH:
            raise _NoValue
        value = self.sum()
        self._depth -= 1
        if self._next() != _CLOSED[opened]:
            raise _NoValue
        return value

    def _next(self) -> str:
        token = self.peek()
        self._place += 1
        return token


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise _NoValue
    return value
