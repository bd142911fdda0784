"""Two numbers too large to be worked out, compared by their logarithms: 2^{1000000} is 4^{500000}, not 2^{1000001}."""

from collections.abc import Callable

from tasks.graders.algebra.functions import Real, TooLargeError, is_real, numbers
from tasks.graders.algebra.nodes import Apply, Node, symbols
from tasks.graders.algebra.points import equal
from tasks.graders.algebra.substitution import constant

_SAME = 60
"""Digits of the logarithms that must agree."""

_MOST = 10**12
"""The largest number whose factorial has a logarithm here."""


def equal_or_huge(left: Node, right: Node) -> bool:
    """Whether both are the same, by their logarithms where both are too large. Raises TooLargeError where one is."""
    try:
        return equal(left, right)
    except TooLargeError:
        if not (_is_huge(left) and _is_huge(right)):
            raise
        one, two = logarithm(left), logarithm(right)
        if one is None or two is None:
            raise
        return bool(abs(one - two) <= max(abs(one), abs(two)) * numbers().mpf(10) ** -_SAME)


def logarithm(node: Node) -> Real | None:
    """Of a positive number written as a power, product, quotient or factorial; None for others.

    Raises TooLargeError where even that is too large.
    """
    match node:
        case Apply("pow", (base, exponent)):
            return _combined(lambda low, value: low * value, logarithm(base), _real(exponent))
        case Apply("mul", (first, second)):
            return _combined(lambda one, two: one + two, logarithm(first), logarithm(second))
        case Apply("div", (above, below)):
            return _combined(lambda one, two: one - two, logarithm(above), logarithm(below))
        case Apply("factorial", (inner,)):
            value = _real(inner)
            return numbers().loggamma(value + 1) if value is not None and 0 <= value <= _MOST else None
        case _:
            value = _real(node)
            return numbers().log(value) if value is not None and value > 0 else None


def _is_huge(node: Node) -> bool:
    try:
        constant(node)
    except TooLargeError:
        return not symbols(node)
    return False


def _real(node: Node) -> Real | None:
    value = constant(node)
    return value if value is not None and is_real(value) else None


def _combined(how: Callable[[Real, Real], Real], one: Real | None, two: Real | None) -> Real | None:
    return None if one is None or two is None else how(one, two)
