"""Equality of expressions, by their values at points.

Two expressions are equal where they agree at points drawn by their names: at positive ones, at points of
either sign where both are real, or at whole numbers where their variables stand for such. Different
expressions agree there with a chance that is nobody's concern; equal ones always do.
"""

import random
from collections.abc import Mapping

from tasks.graders.algebra.functions import Real, UndefinedError, close, numbers
from tasks.graders.algebra.nodes import Node, mentions, symbols
from tasks.graders.algebra.substitution import Point

POINTS = 3

_WHOLE = frozenset("nkmjlNMK")
"""Variables that stand for whole numbers."""

_OF_WHOLE = ("pow", "factorial", "binom", "floor", "ceil", r"\sum", r"\prod", r"\cos", r"\sin")
_MOSTLY = 0.7
"""Share of negative numbers in a point of either sign."""


def equal(left: Node, right: Node) -> bool:
    """Whether both are the same function of their variables. Raises TooLargeError."""
    names = sorted(symbols(left) | symbols(right))
    if not names:
        return bool(_agree(left, right, {}, real=False))
    positive = [_agree(left, right, _drawn(names, number), real=False) for number in range(POINTS)]
    if True in positive and False not in positive:
        either = [_agree(left, right, _drawn(names, -number - 1), real=True) for number in range(POINTS)]
        return False not in either
    if _WHOLE.issuperset(names) and any(mentions(node, kind) for node in (left, right) for kind in _OF_WHOLE):
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
            above, below = Point(point).value(left), Point(point).value(right)
        except UndefinedError:
            return None
        if not below or not above or numbers().im(above) or numbers().im(below):
            return None
        found.append(above / below)
    return float(found[0]) if all(close(found[0], other) for other in found[1:]) else None


def _agree(left: Node, right: Node, at: Mapping[str, Real], *, real: bool) -> bool | None:
    """Whether both have the same value there; None where one has none, or `real` and one is not real."""
    one, two = Point(at), Point(at)
    try:
        values = one.value(left), two.value(right)
    except UndefinedError:
        return None
    if real and not (one.is_real and two.is_real):
        return None
    return close(*values)


def _drawn(names: list[str], number: int) -> dict[str, Real]:
    """A point: positive for numbers from 0, of either sign below."""
    mp, point = numbers(), {}
    for name in names:
        draw = random.Random(f"{name} {number}")  # noqa: S311 - a point, not a secret
        value = mp.mpf(draw.randrange(6_000_001, 29_999_999)) / 10_000_019
        point[name] = -value if number < 0 and draw.random() < _MOSTLY else value
    return point


def _counted(names: list[str], number: int) -> dict[str, Real]:
    return {
        name: numbers().mpf(random.Random(f"{name} {number} whole").randrange(1, 8))  # noqa: S311 - a point
        for name in names
    }
