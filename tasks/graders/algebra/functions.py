"""Numbers of 120 digits and the functions of them; what would be too large to be worth it is refused."""

import math
import random
from collections.abc import Callable
from functools import cache
from typing import Any

Real = Any
"""A number of mpmath, real or complex; it has no types of its own."""

DIGITS = 120
MAX_BITS = 250_000
"""Of a number's size: 75,000 digits, and 9^{9^9} has 369 million."""

MAX_TERMS = 5000
"""Of sums and products that are worked out term by term, together."""

_SAME = 80
"""Digits that must agree."""


class TooLargeError(Exception):
    """A number that would take more than it is worth."""


class UndefinedError(Exception):
    """No value at this point: a division by zero, a logarithm of it, a sum without an end."""


@cache
def numbers() -> Any:  # noqa: ANN401 - a module
    """mpmath, at our number of digits."""
    import mpmath  # noqa: PLC0415 - a tenth of a second, and few answers need it

    context = mpmath.mp.clone()
    context.dps = DIGITS
    return context


def is_real(value: Real) -> bool:
    """Whether a number is real and finite."""
    return not numbers().im(value) and not numbers().isinf(value)


def close(left: Real, right: Real) -> bool:
    """Whether two numbers are the same but for rounding."""
    mp = numbers()
    if mp.isinf(left) or mp.isinf(right):
        return bool(left == right)
    scale = max(abs(left), abs(right))
    return bool(abs(left - right) <= max(scale * mp.mpf(10) ** -_SAME, mp.mpf(10) ** -(DIGITS - 10)))


def unknown(name: str, values: list[Real]) -> Real:
    """Some smooth function that nobody wrote down, the same for the same name."""
    mp, draw = numbers(), random.Random(name)  # noqa: S311 - a function, not a secret
    shift, scale = draw.uniform(1, 2), draw.uniform(1, 2)
    inner = sum((mp.mpf(draw.uniform(1, 2)) * value for value in values), mp.mpf(shift))
    return mp.sin(inner) * scale + inner * inner * mp.mpf(draw.uniform(1, 2))


def _bounded(function: str, limit: int) -> Callable[[Real], Real]:
    """A function of mpmath for arguments up to a size."""

    def apply(value: Real) -> Real:
        mp = numbers()
        if mp.isinf(value):
            raise ValueError(function)
        if abs(value) > limit:
            raise TooLargeError
        return getattr(mp, function)(value)

    return apply


def _factorial(value: Real) -> Real:
    return _bounded("gamma", 12_000)(value + 1)


def _binomial(above: Real, below: Real) -> Real:
    if abs(above) > MAX_BITS or abs(below) > MAX_BITS:
        raise TooLargeError
    return numbers().binomial(above, below)


def _logarithm(value: Real, base: Real = None) -> Real:
    mp = numbers()
    if not value:
        raise ValueError
    return mp.log(value) if base is None else mp.log(value) / mp.log(base)


def _divided(above: Real, below: Real) -> Real:
    if not below:
        raise ZeroDivisionError
    return above / below


def _real(values: tuple[Real, ...]) -> list[Real]:
    if any(numbers().im(value) for value in values):
        raise ValueError
    return list(values)


def _common_divisor(*values: Real) -> Real:
    if any(value != int(value) for value in _real(values)):
        raise ValueError
    return numbers().mpf(math.gcd(*map(int, values)))


_CIRCULAR = frozenset({r"\sin", r"\cos", r"\tan", r"\cot", r"\sec", r"\csc"})
ANGULAR = _CIRCULAR | {r"\cis"}
"""Functions of an angle, in which degrees count."""
OPERATIONS: dict[str, Callable[..., Real]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": _divided,
    "neg": lambda a: -a,
    "abs": abs,
    "factorial": _factorial,
    "binom": _binomial,
    "floor": lambda a: numbers().floor(_real((a,))[0]),
    "ceil": lambda a: numbers().ceil(_real((a,))[0]),
    r"\log": _logarithm,
    r"\ln": _logarithm,
    r"\lg": lambda a: _logarithm(a, numbers().mpf(10)),
    r"\exp": _bounded("exp", MAX_BITS // 2),
    r"\max": lambda *values: max(_real(values)),
    r"\min": lambda *values: min(_real(values)),
    r"\gcd": _common_divisor,
    r"\cis": lambda a: _bounded("cos", 10**60)(a) + numbers().mpc(0, 1) * _bounded("sin", 10**60)(a),
    r"\arcsin": _bounded("asin", 10**30),
    r"\arccos": _bounded("acos", 10**30),
    r"\arctan": _bounded("atan", 10**30),
    r"\arccot": lambda a: _bounded("atan", 10**30)(_divided(numbers().mpf(1), a)),
    r"\arcsec": lambda a: _bounded("acos", 10**30)(_divided(numbers().mpf(1), a)),
    r"\arccsc": lambda a: _bounded("asin", 10**30)(_divided(numbers().mpf(1), a)),
    r"\arsinh": _bounded("asinh", 10**30),
    r"\arcosh": _bounded("acosh", 10**30),
    r"\artanh": _bounded("atanh", 10**30),
    r"\sinh": _bounded("sinh", MAX_BITS // 2),
    r"\cosh": _bounded("cosh", MAX_BITS // 2),
    r"\tanh": _bounded("tanh", MAX_BITS // 2),
    **{name: _bounded(name[1:], 10**60) for name in _CIRCULAR},
}
