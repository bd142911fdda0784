"""The value of an expression at a point, to 120 digits: numbers too large to be worth it are refused.

Two expressions are equal where they agree at points drawn by their names: at positive ones, at points of
either sign where both are real, or at whole numbers where they speak of whole numbers. Different
expressions agree there with a chance that is nobody's concern; equal ones always do.
"""

import random
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

from tasks.graders.algebra.expressions import Apply, Node, Number, Symbol

DIGITS = 120
MAX_BITS = 250_000
"""Of a number's size: 75,000 digits, and 9^{9^9} has 369 million."""

MAX_TERMS = 500
"""Of a sum or product that is worked out term by term."""

_SAME = 80
"""Digits that must agree."""

POINTS = 3
CONSTANTS = frozenset({r"\pi", "e", "i", r"\infty"})


class TooLargeError(Exception):
    """A number that would take more than it is worth."""


class UndefinedError(Exception):
    """No value at this point: a division by zero, a logarithm of it, a sum without an end."""


@cache
def _mp() -> Any:  # noqa: ANN401 - mpmath has no types
    import mpmath  # noqa: PLC0415 - a tenth of a second, and few answers need it

    context = mpmath.mp.clone()
    context.dps = DIGITS
    return context


def symbols(node: Node) -> frozenset[str]:
    """The names of the variables."""
    match node:
        case Symbol(name):
            return frozenset() if name in CONSTANTS else frozenset({name})
        case Apply((r"\sum" | r"\prod"), (Symbol(bound), low, high, body)):
            return symbols(low) | symbols(high) | (symbols(body) - {bound})
        case Apply(_, arguments):
            return frozenset().union(*map(symbols, arguments))
        case _:
            return frozenset()


def mentions(node: Node, name: str) -> bool:
    """Whether a symbol or operation of that name occurs."""
    match node:
        case Symbol(own):
            return own == name
        case Apply(own, arguments):
            return own == name or any(mentions(argument, name) for argument in arguments)
        case _:
            return False


def constant(node: Node) -> Any | None:  # noqa: ANN401 - a number of mpmath
    """The value of an expression without variables; None where it has none. Raises TooLargeError."""
    if symbols(node):
        return None
    try:
        return _Point({}).value(node)
    except UndefinedError:
        return None


def is_real(value: Any) -> bool:  # noqa: ANN401
    """Whether a number is real and finite."""
    return not _mp().im(value) and not _mp().isinf(value)


def equal(left: Node, right: Node) -> bool:
    """Whether both are the same function of their variables. Raises TooLargeError."""
    names = sorted(symbols(left) | symbols(right))
    if not names:
        return bool(_agree(left, right, {}, real=False))
    positive = [_agree(left, right, _drawn(names, number), real=False) for number in range(POINTS)]
    if True in positive and False not in positive:
        either = [_agree(left, right, _drawn(names, -number - 1), real=True) for number in range(POINTS)]
        return False not in either
    if any(
        mentions(node, kind)
        for node in (left, right)
        for kind in ("pow", "factorial", r"\sum", r"\prod", r"\cos")
    ):
        whole = [_agree(left, right, _counted(names, number), real=False) for number in range(2 * POINTS)]
        return True in whole and False not in whole
    return False


def quotient(left: Node, right: Node) -> float | None:
    """The constant that `left` is of `right`; None where their quotient depends on the variables."""
    names = sorted(symbols(left) | symbols(right))
    found = []
    for number in range(2 * POINTS):
        point = _drawn(names, number)
        try:
            above, below = _Point(point).value(left), _Point(point).value(right)
        except UndefinedError:
            return None
        if not below or not above or _mp().im(above) or _mp().im(below):
            return None
        found.append(above / below)
    return float(found[0]) if all(close(found[0], other) for other in found[1:]) else None


def close(left: Any, right: Any) -> bool:  # noqa: ANN401
    """Whether two numbers are the same but for rounding."""
    mp = _mp()
    if mp.isinf(left) or mp.isinf(right):
        return bool(left == right)
    scale = max(abs(left), abs(right))
    return bool(abs(left - right) <= max(scale * mp.mpf(10) ** -_SAME, mp.mpf(10) ** -(DIGITS - 10)))


def _agree(left: Node, right: Node, at: Mapping[str, Any], *, real: bool) -> bool | None:
    """Whether both have the same value there; None where one has none, or `real` and one is not real."""
    one, two = _Point(at), _Point(at)
    try:
        values = one.value(left), two.value(right)
    except UndefinedError:
        return None
    if real and not (one.is_real and two.is_real):
        return None
    return close(*values)


def _drawn(names: list[str], number: int) -> dict[str, Any]:
    """A point: positive for numbers from 0, of either sign below."""
    mp, point = _mp(), {}
    for name in names:
        draw = random.Random(f"{name} {number}")  # noqa: S311 - a point, not a secret
        value = mp.mpf(draw.randrange(6_000_001, 29_999_999)) / 10_000_019
        point[name] = -value if number < 0 and draw.random() < 0.7 else value  # noqa: PLR2004 - mostly negative
    return point


def _counted(names: list[str], number: int) -> dict[str, Any]:
    return {
        name: _mp().mpf(random.Random(f"{name} {number} whole").randrange(1, 8))  # noqa: S311 - a point
        for name in names
    }


class _Point:
    """Values of variables, and whether all numbers on the way were real."""

    def __init__(self, at: Mapping[str, Any]) -> None:
        self._at, self.is_real, self._angle = dict(at), True, False

    def value(self, node: Node) -> Any:  # noqa: ANN401
        mp = _mp()
        match node:
            case Number(value):
                return mp.mpf(value.numerator) / value.denominator
            case Symbol(r"\pi"):
                return +mp.pi
            case Symbol("e") if "e" not in self._at:
                return +mp.e
            case Symbol("i") if "i" not in self._at:
                return mp.mpc(0, 1)
            case Symbol(r"\infty"):
                return mp.inf
            case Symbol(name):
                return self._at[name]
            case Apply((r"\sum" | r"\prod") as name, (Symbol(bound), low, high, body)):
                return self._series(name, bound, self.value(low), self.value(high), body)
        return self._sized(self._applied(node.name, node.arguments))

    def _applied(self, name: str, arguments: tuple[Node, ...]) -> Any:  # noqa: ANN401
        outer, self._angle = self._angle, name in _ANGULAR or (self._angle and name not in _ANGULAR)
        values = [self.value(argument) for argument in arguments]
        self._angle = outer
        if name == "degree":
            return values[0] * _mp().pi / 180 if self._angle else values[0]
        if name == "root" and len(values) == 2:  # noqa: PLR2004 - radicand and degree
            return self._root(*values)
        if name == "pow":
            return self._power(values[0], values[1], _exact(arguments[1]))
        try:
            if name in _OPERATIONS:
                return _OPERATIONS[name](*values)
            return _unknown(name, values)
        except (ZeroDivisionError, ValueError, OverflowError, TypeError, NotImplementedError) as error:
            raise UndefinedError(name) from error

    def _power(self, base: Any, exponent: Any, exact: Fraction | None) -> Any:  # noqa: ANN401
        mp = _mp()
        if mp.isinf(base) or mp.isinf(exponent):
            raise UndefinedError("a power of infinity")
        if not base:
            if mp.re(exponent) > 0:
                return mp.mpf(0)
            if not exponent:
                return mp.mpf(1)
            raise UndefinedError("0 to a negative power")
        if abs(exponent) * (abs(mp.mag(base)) + 1) > MAX_BITS:
            raise TooLargeError
        if (
            exact is not None
            and exact.denominator % 2
            and exact.denominator > 1
            and not mp.im(base)
            and base < 0
        ):
            return mp.power(-base, exponent) * (-1 if exact.numerator % 2 else 1)  # the real root
        return mp.power(base, exponent)

    def _root(self, radicand: Any, degree: Any) -> Any:  # noqa: ANN401
        mp = _mp()
        if not degree or mp.im(degree):
            raise UndefinedError("a root of no degree")
        if mp.isinf(radicand):
            return radicand
        if not mp.im(radicand) and radicand < 0 and degree == int(degree) and int(degree) % 2:
            return -mp.power(-radicand, 1 / degree)
        return mp.power(radicand, 1 / degree) if radicand else mp.mpf(0)

    def _series(self, name: str, bound: str, low: Any, high: Any, body: Node) -> Any:  # noqa: ANN401
        mp = _mp()
        if mp.im(low) or mp.im(high) or mp.isinf(high) or low != int(low) or high != int(high):
            raise UndefinedError("a sum without whole bounds")
        if high - low > MAX_TERMS:
            raise TooLargeError
        total, before = mp.mpf(0 if name == r"\sum" else 1), self._at.get(bound)
        for number in range(int(low), int(high) + 1):
            self._at[bound] = mp.mpf(number)
            term = self.value(body)
            total = self._sized(total + term if name == r"\sum" else total * term)
        self._at.pop(bound, None)
        if before is not None:
            self._at[bound] = before
        return total

    def _sized(self, value: Any) -> Any:  # noqa: ANN401
        mp = _mp()
        if mp.isnan(value):
            raise UndefinedError("not a number")
        if not mp.isinf(value) and value and mp.mag(value) > MAX_BITS:
            raise TooLargeError
        if mp.im(value):
            if abs(mp.im(value)) > abs(value) * mp.mpf(10) ** -(DIGITS - 10):
                self.is_real = False
            else:
                value = mp.re(value)
        return value


def _exact(node: Node) -> Fraction | None:
    """The exponent 1/3, whether written 1/3, \\frac{1}{3} or -1/3; None for others."""
    match node:
        case Number(value):
            return value
        case Apply("div", (above, below)):
            over, under = _exact(above), _exact(below)
            return over / under if over is not None and under else None
        case Apply("neg", (inner,)):
            value = _exact(inner)
            return None if value is None else -value
        case _:
            return None


def _unknown(name: str, values: list[Any]) -> Any:  # noqa: ANN401
    """Some smooth function that nobody wrote down, the same for the same name."""
    mp, draw = _mp(), random.Random(name)  # noqa: S311 - a function, not a secret
    shift, scale = draw.uniform(1, 2), draw.uniform(1, 2)
    inner = sum((mp.mpf(draw.uniform(1, 2)) * value for value in values), mp.mpf(shift))
    return mp.sin(inner) * scale + inner * inner * mp.mpf(draw.uniform(1, 2))


def _bounded(function: str, limit: int) -> Callable[[Any], Any]:
    """A function of mpmath for arguments up to a size."""

    def apply(value: Any) -> Any:  # noqa: ANN401
        mp = _mp()
        if mp.isinf(value):
            raise ValueError(function)
        if abs(value) > limit:
            raise TooLargeError
        return getattr(mp, function)(value)

    return apply


def _factorial(value: Any) -> Any:  # noqa: ANN401
    return _bounded("gamma", 12_000)(value + 1)


def _binomial(above: Any, below: Any) -> Any:  # noqa: ANN401
    if abs(above) > MAX_BITS or abs(below) > MAX_BITS:
        raise TooLargeError
    return _mp().binomial(above, below)


def _logarithm(value: Any, base: Any = None) -> Any:  # noqa: ANN401
    mp = _mp()
    if not value:
        raise ValueError
    return mp.log(value) if base is None else mp.log(value) / mp.log(base)


def _divided(above: Any, below: Any) -> Any:  # noqa: ANN401
    if not below:
        raise ZeroDivisionError
    return above / below


def _real(values: tuple[Any, ...]) -> list[Any]:
    if any(_mp().im(value) for value in values):
        raise ValueError
    return list(values)


def _common_divisor(*values: Any) -> Any:  # noqa: ANN401
    import math  # noqa: PLC0415 - beside its only use

    if any(value != int(value) for value in _real(values)):
        raise ValueError
    return _mp().mpf(math.gcd(*map(int, values)))


_ANGULAR = frozenset({r"\sin", r"\cos", r"\tan", r"\cot", r"\sec", r"\csc"})
_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": _divided,
    "neg": lambda a: -a,
    "abs": abs,
    "factorial": _factorial,
    "binom": _binomial,
    "floor": lambda a: _mp().floor(_real((a,))[0]),
    "ceil": lambda a: _mp().ceil(_real((a,))[0]),
    r"\log": _logarithm,
    r"\ln": _logarithm,
    r"\lg": lambda a: _logarithm(a, _mp().mpf(10)),
    r"\exp": _bounded("exp", MAX_BITS // 2),
    r"\max": lambda *values: max(_real(values)),
    r"\min": lambda *values: min(_real(values)),
    r"\gcd": _common_divisor,
    r"\arcsin": _bounded("asin", 10**30),
    r"\arccos": _bounded("acos", 10**30),
    r"\arctan": _bounded("atan", 10**30),
    r"\sinh": _bounded("sinh", MAX_BITS // 2),
    r"\cosh": _bounded("cosh", MAX_BITS // 2),
    r"\tanh": _bounded("tanh", MAX_BITS // 2),
    **{name: _bounded(name[1:], 10**60) for name in _ANGULAR},
}
