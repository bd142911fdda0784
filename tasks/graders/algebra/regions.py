r"""Sets of real numbers: intervals, conditions on a variable, their unions, and what is taken out of them."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from tasks.graders.algebra.evaluation import constant, equal, is_real, symbols
from tasks.graders.algebra.expressions import Apply, Node, Number, Symbol
from tasks.graders.algebra.forms import (
    Form,
    Inequality,
    Many,
    Named,
    Piece,
    Region,
    Value,
    infinite,
    is_name,
    negated,
    replaced,
)
from tasks.graders.algebra.tokens import UnreadError

_ENDS = frozenset({"()", "[)", "(]", "[]"})
_FLIPPED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}


def interval(
    low: Node | None, high: Node | None, *, with_low: bool = False, with_high: bool = False
) -> tuple[Piece, ...]:
    """One interval, as the pieces of a region."""
    return (Piece(low, high, with_low, with_high),)


def is_interval(form: Form) -> bool:
    """Whether brackets around two values can mean an interval; (1,2) can also be a pair."""
    return (
        isinstance(form, Many)
        and form.kind == "tuple"
        and form.brackets in _ENDS
        and len(form.items) == 2  # noqa: PLR2004 - two ends
        and all(isinstance(item, Value) for item in form.items)
    )


def region_of(form: Form) -> Region | None:
    """The region that a form is or can be read as; None for others."""
    if isinstance(form, Region):
        return form
    if isinstance(form, Named):
        return region_of(form.value)
    if isinstance(form, Many) and form.kind == "set" and all(isinstance(item, Value) for item in form.items):
        nodes = [item.node for item in form.items if isinstance(item, Value)]
        return Region(tuple(Piece(node, node, with_low=True, with_high=True) for node in nodes))
    if not is_interval(form) or not isinstance(form, Many):
        return None
    low, high = (item.node for item in form.items if isinstance(item, Value))
    return Region(
        interval(
            None if infinite(low) < 0 else low,
            None if infinite(high) > 0 else high,
            with_low=form.brackets[0] == "[" and not infinite(low),
            with_high=form.brackets[1] == "]" and not infinite(high),
        )
    )


def union(forms: Sequence[Form]) -> Region:
    """All that lies in one of them."""
    regions = [region_of(form) for form in forms]
    pieces = [piece for region in regions if region for piece in region.pieces]
    if None in regions:
        raise UnreadError("a union of something else")
    return Region(merged(pieces))


def without(form: Form, removed: Form) -> Region:
    """A region less single points."""
    region, points = region_of(form), region_of(removed)
    if region is None or points is None or any(piece.low != piece.high for piece in points.pieces):
        raise UnreadError("a difference of something else")
    pieces = list(region.pieces)
    for point in points.pieces:
        pieces = [part for piece in pieces for part in _cut(piece, point.low)]
    return Region(merged(pieces))


def related(kinds: Sequence[str], sides: Sequence[Node]) -> Form:
    """A < x <= b, x > a, x \\ne a as regions where x is a name; other inequalities as they are."""
    if len(sides) == 2:  # noqa: PLR2004 - one relation
        left, right = sides
        kind = kinds[0]
        if (is_name(right) or _is_size(right)) and not is_name(left) and kind in _FLIPPED:
            left, right, kind = right, left, _FLIPPED[kind]
        name = is_name(left)
        if name and not symbols(left) & symbols(right) and not is_name(right):
            return Region(_half(kind, right), name)
        if kind == r"\ne":
            raise UnreadError(kind)
        if _is_size(left) and not symbols(left) & symbols(right):
            return Region(_within(kind, right), *symbols(left))
        if solved := _solved(kind, left, right):
            return solved
        low, high = (left, right) if kind in {"<", r"\le"} else (right, left)
        return Inequality(low, high, kind in {"<", ">"})
    if len(sides) == 3 and _is_size(sides[1]) and len(set(kinds)) == 1:  # noqa: PLR2004
        return combined([region for pair in pairwise(sides) if isinstance(region := related(kinds[:1], pair), Region)])
    if len(sides) == 3 and (name := is_name(sides[1])):  # noqa: PLR2004 - a < x < b
        low, high = kinds
        if {low, high} <= {"<", r"\le"}:
            return Region(
                interval(sides[0], sides[2], with_low=low == r"\le", with_high=high == r"\le"), name
            )
        if {low, high} <= {">", r"\ge"}:
            return Region(
                interval(sides[2], sides[0], with_low=high == r"\ge", with_high=low == r"\ge"), name
            )
    pairs = [
        related([kind], pair) for kind, pair in zip(kinds, pairwise(sides), strict=True)
    ]
    return Many("tuple", tuple(pairs), "<<")


def _is_size(node: Node) -> bool:
    """|x| of a variable."""
    return isinstance(node, Apply) and node.name == "abs" and isinstance(node.arguments[0], Symbol)


def _within(kind: str, size: Node) -> tuple[Piece, ...]:
    """|x| < a, |x| > a."""
    closed = kind in {r"\le", r"\ge"}
    if kind in {"<", r"\le"}:
        return interval(negated(size), size, with_low=closed, with_high=closed)
    return (*interval(None, negated(size), with_high=closed), *interval(size, None, with_low=closed))


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
    if steepness is None or not steepness or not is_real(steepness) or not equal(slope, Apply("sub", (at[2], at[1]))):
        return None
    for place in (Fraction(37, 5), Fraction(-23, 7)):  # no bend outside the points either
        line = Apply("add", (at[0], Apply("mul", (slope, Number(place)))))
        if not equal(replaced(difference, name, Number(place)), line):
            return None
    end = Apply("div", (negated(at[0]), slope))
    return Region(_half(kind if steepness > 0 else _FLIPPED[kind], end), name)


def conditions(form: Form) -> Region:
    """What a set-builder says of its variable."""
    if isinstance(form, Region):
        return form
    raise UnreadError("conditions that are no intervals")


def combined(regions: Sequence[Region]) -> Region:
    """Conditions side by side: both where that leaves anything, else either: x<2, x>5."""
    first = regions[0]
    for other in regions[1:]:
        common = [piece for one in first.pieces for two in other.pieces for piece in _both(one, two)]
        first = Region(merged(common or [*first.pieces, *other.pieces]), first.variable)
    return first


def merged(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """In order, and joined where they touch; left as they are where an end has variables."""
    if any(_number(end) is None for piece in pieces for end in (piece.low, piece.high) if end is not None):
        return tuple(pieces)
    found: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (_low(piece), not piece.with_low)):
        last = found[-1] if found else None
        if last and (
            _low(piece) < _high(last) or (_low(piece) == _high(last) and (piece.with_low or last.with_high))
        ):
            longer = piece if (_high(piece), piece.with_high) > (_high(last), last.with_high) else last
            found[-1] = Piece(last.low, longer.high, last.with_low, longer.with_high)
        else:
            found.append(piece)
    return tuple(found)


def _half(kind: str, end: Node) -> tuple[Piece, ...]:
    match kind:
        case "<" | r"\le":
            return interval(None, end, with_high=kind == r"\le")
        case ">" | r"\ge":
            return interval(end, None, with_low=kind == r"\ge")
        case _:
            return (*interval(None, end), *interval(end, None))


def _cut(piece: Piece, point: Node | None) -> list[Piece]:
    place = None if point is None else _number(point)
    if place is None or not _low(piece) <= place <= _high(piece):
        return [piece]
    parts = [
        Piece(piece.low, point, piece.with_low, with_high=False),
        Piece(point, piece.high, with_low=False, with_high=piece.with_high),
    ]
    return [part for part in parts if _low(part) < _high(part)]


def _both(one: Piece, two: Piece) -> list[Piece]:
    """What lies in both; nothing where that is empty or an end has variables."""
    if any(_number(end) is None for end in (one.low, one.high, two.low, two.high) if end is not None):
        return []
    low = max((one, two), key=lambda piece: (_low(piece), not piece.with_low))
    high = min((one, two), key=lambda piece: (_high(piece), piece.with_high))
    if _low(low) > _high(high) or (_low(low) == _high(high) and not (low.with_low and high.with_high)):
        return []
    return [Piece(low.low, high.high, low.with_low, high.with_high)]


def _number(node: Node) -> float | None:
    """An end as a number, exact enough to put ends in order."""
    value = constant(node)
    try:
        return None if value is None else float(value)
    except (TypeError, OverflowError):  # a complex number is no end
        return None


def _low(piece: Piece) -> float:
    return float("-inf") if piece.low is None else _number(piece.low) or 0.0


def _high(piece: Piece) -> float:
    return float("inf") if piece.high is None else _number(piece.high) or 0.0
