r"""Sets of real numbers: intervals, conditions on a variable, their unions, and what is taken out of them."""

from collections.abc import Sequence

from tasks.graders.algebra.forms import (
    Form,
    Many,
    Named,
    Piece,
    Region,
    Value,
)
from tasks.graders.algebra.nodes import Node, infinite
from tasks.graders.algebra.points import equal
from tasks.graders.algebra.substitution import constant
from tasks.graders.algebra.tokens import UnreadError

_ENDS = frozenset({"()", "[)", "(]", "[]"})


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
    if (
        isinstance(form, Many)
        and form.kind in {"set", "list"}
        and all(isinstance(item, Value) for item in form.items)
    ):
        nodes = [item.node for item in form.items if isinstance(item, Value)]
        return Region(tuple(Piece(node, node, with_low=True, with_high=True) for node in nodes))
    if isinstance(form, Many) and form.kind == "list" and all(map(_is_part, form.items)):
        return union(form.items)
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


def _is_part(form: Form) -> bool:
    """Whether a form beside others can be a part of one region: (1,2], [4,5)."""
    return isinstance(form, Region) or is_interval(form)


def union(forms: Sequence[Form]) -> Region:
    """All that lies in one of them."""
    regions = [region_of(form) for form in forms]
    pieces = [piece for region in regions if region for piece in region.pieces]
    if None in regions:
        raise UnreadError("a union of something else")
    return Region(merged(pieces))


def without(form: Form, removed: Form) -> Region:
    """A region less points and intervals."""
    region, others = region_of(form), region_of(removed)
    if region is None or others is None:
        raise UnreadError("a difference of something else")
    pieces = list(region.pieces)
    for other in others.pieces:
        outside = _around(other)
        pieces = [part for piece in pieces for side in outside for part in _both(piece, side)]
    return Region(merged(pieces), region.variable)


def _around(piece: Piece) -> list[Piece]:
    """What lies below and above an interval. Raises UnreadError where an end is no number."""
    if any(end is not None and _number(end) is None for end in (piece.low, piece.high)):
        raise UnreadError("a difference of something with variables")
    below = [] if piece.low is None else interval(None, piece.low, with_high=not piece.with_low)
    above = [] if piece.high is None else interval(piece.high, None, with_low=not piece.with_high)
    return [*below, *above]


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


def same_region(gold: Form, answer: Form) -> bool:
    """Whether both are, or can be read as, the same set of real numbers."""
    one, two = region_of(gold), region_of(answer)
    if one is None or two is None:
        return False
    pieces, others = merged(one.pieces), merged(two.pieces)
    return len(pieces) == len(others) and all(_same_piece(*pair) for pair in zip(pieces, others, strict=True))


def _same_piece(one: Piece, two: Piece) -> bool:
    return (
        (one.with_low, one.with_high) == (two.with_low, two.with_high)
        and _same_end(one.low, two.low)
        and _same_end(one.high, two.high)
    )


def _same_end(one: Node | None, two: Node | None) -> bool:
    return one is two if one is None or two is None else equal(one, two)
