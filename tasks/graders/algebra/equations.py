"""What sides joined by signs of equality mean: a named value, a quantity, an equation, a chain of spellings."""

from fractions import Fraction

from tasks.graders.algebra.forms import Chain, Equation, Form, Named, Quantity, Value, is_name
from tasks.graders.algebra.functions import TooLargeError
from tasks.graders.algebra.nodes import Node, Number, has_numbers, replaced, symbols
from tasks.graders.algebra.substitution import constant
from tasks.graders.algebra.tokens import UnreadError

_ZERO = Number(Fraction(0))


def named_chain(kinds: list[str], nodes: list[Node]) -> Form:
    r"""S = 5+6 = 11, x = 1/3 \approx 0.33: the last exact value is meant, and what is near it."""
    if is_name(nodes[-1]) and not is_name(nodes[0]):
        nodes, kinds = nodes[::-1], kinds[::-1]
    name = is_name(nodes[0])
    if name is None and len(symbols(nodes[0])) < 2:  # noqa: PLR2004 - an equation that is not solved
        raise UnreadError("a chain without a name")
    exact = next((place for place, kind in enumerate(kinds) if kind != "=" and place), len(kinds))
    return Named(name or "", Chain((nodes[exact], *nodes[exact + 1 :])))


def two_sides(kind: str, left: Node, right: Node) -> Form:
    """X = 6, 6 = x, m+n = 204, y-9 = 0."""
    if not symbols(left) and not symbols(right):
        return Chain((left, right))
    if (name := is_name(right)) and name not in symbols(left) and not is_name(left):
        return Named(name, Value(left))
    if name := is_name(left):
        return Named(name, Value(right))
    if kind != "=":
        return Chain((left, right))
    for asked, value in ((left, right), (right, left)):
        if len(symbols(asked)) > 1 and not symbols(value) and _is_asked_for(asked, value):
            return Quantity(asked, value)
    return Equation(left, right)


def _is_asked_for(node: Node, value: Node) -> bool:
    """Whether an expression can be what a problem asks for: m+n, but neither x+y+4 nor 5x-7y, of which is said that it is 0."""
    if value == _ZERO and has_numbers(node):
        return False
    at_zero = node
    for name in symbols(node):
        at_zero = replaced(at_zero, name, _ZERO)
    try:
        return not constant(at_zero)
    except TooLargeError:
        return False
