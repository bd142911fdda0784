r"""Inequalities as the sets of real numbers they leave: x<7, -1<x<5, |x|<3, -x>-1, x \ne 2."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from tasks.graders.algebra.forms import Form, Inequality, Many, Piece, Region, is_name
from tasks.graders.algebra.functions import is_real
from tasks.graders.algebra.nodes import Apply, Node, Number, negated, replaced, symbols
from tasks.graders.algebra.points import equal
from tasks.graders.algebra.regions import combined, interval, union
from tasks.graders.algebra.substitution import constant
from tasks.graders.algebra.tokens import UnreadError

_FLIPPED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}


def related(kinds: Sequence[str], sides: Sequence[Node]) -> Form:
    r"""The region of a < x <= b, x > a, x \ne a where x is a name; other inequalities as they are."""
    if len(kinds) == 1:
        return _one(kinds[0], *sides)
    if len(kinds) == 2 and (between := _between(kinds[0], kinds[1], sides)):  # noqa: PLR2004 - a < x < b
        return between
    pairs = [_one(kind, *pair) for kind, pair in zip(kinds, pairwise(sides), strict=True)]
    return Many("tuple", tuple(pairs), "<<")


def _between(first: str, second: str, sides: Sequence[Node]) -> Form | None:
    """A < x < b, or a < |x| < b; None where the middle is something else."""
    low, middle, high = sides
    if first in {">", r"\ge"}:
        first, second, low, high = _FLIPPED[second], _FLIPPED[first], high, low
    if not {first, second} <= {"<", r"\le"}:
        return None
    if name := is_name(middle):
        return Region(interval(low, high, with_low=first == r"\le", with_high=second == r"\le"), name)
    if _is_size(middle):
        halves = [_one(first, low, middle), _one(second, middle, high)]
        return combined([half for half in halves if isinstance(half, Region)])
    return None


def _one(kind: str, left: Node, right: Node) -> Form:
    if (is_name(right) or _is_size(right)) and not is_name(left):
        left, right, kind = right, left, _FLIPPED.get(kind, kind)
    if not symbols(left) & symbols(right):
        if (name := is_name(left)) and not is_name(right):
            return Region(_half(kind, right), name)
        if (
            isinstance(left, Apply)
            and _is_size(left)
            and kind in _FLIPPED
            and (region := _within(kind, left, right))
        ):
            return region
    if kind not in _FLIPPED:
        raise UnreadError(kind)
    if solved := _solved(kind, left, right):
        return solved
    low, high = (left, right) if kind in {"<", r"\le"} else (right, left)
    return Inequality(low, high, kind in {"<", ">"})


def _is_size(node: Node) -> bool:
    """|x| or |x-3|, of one variable."""
    return isinstance(node, Apply) and node.name == "abs" and len(symbols(node)) == 1


def _within(kind: str, left: Apply, size: Node) -> Region | None:
    """|x| < a, |2x-3| > a; None where what is between the bars is not linear."""
    inner = left.arguments[0]
    halves = _one(kind, inner, size), _one(_FLIPPED[kind], inner, negated(size))
    regions = [half for half in halves if isinstance(half, Region)]
    if len(regions) < len(halves):
        return None
    return combined(regions) if kind in {"<", r"\le"} else Region(union(regions).pieces, regions[0].variable)


def _solved(kind: str, left: Node, right: Node) -> Region | None:
    """A linear inequality in one variable, -x > -1, as the region it is; None for others."""
    difference = Apply("sub", (left, right))
    names = symbols(difference)
    if len(names) != 1:
        return None
    (name,) = names
    at = [replaced(difference, name, Number(Fraction(place))) for place in range(3)]
    slope = Apply("sub", (at[1], at[0]))
    steepness = constant(slope)
    if (
        steepness is None
        or not steepness
        or not is_real(steepness)
        or not equal(slope, Apply("sub", (at[2], at[1])))
    ):
        return None
    for place in (Fraction(37, 5), Fraction(-23, 7)):  # no bend outside the points either
        line = Apply("add", (at[0], Apply("mul", (slope, Number(place)))))
        if not equal(replaced(difference, name, Number(place)), line):
            return None
    end = Apply("div", (negated(at[0]), slope))
    return Region(_half(kind if steepness > 0 else _FLIPPED[kind], end), name)


def _half(kind: str, end: Node) -> tuple[Piece, ...]:
    match kind:
        case "<" | r"\le":
            return interval(None, end, with_high=kind == r"\le")
        case ">" | r"\ge":
            return interval(end, None, with_low=kind == r"\ge")
        case _:
            return (*interval(None, end), *interval(end, None))
