"""What an answer can be: a value, a list, a set of real numbers, a named value, an equation, a matrix."""

from dataclasses import dataclass
from typing import Literal

from tasks.graders.algebra.nodes import CONSTANTS, Apply, Node, Number, Symbol, factors, symbols


@dataclass(frozen=True)
class Value:
    """One expression."""

    node: Node


@dataclass(frozen=True)
class Many:
    """Several answers: bare and with no order, an ordered tuple, or a set; with the brackets as written."""

    kind: Literal["list", "tuple", "set"]
    items: "tuple[Form, ...]"
    brackets: str = ""


@dataclass(frozen=True)
class Named:
    """x = 6, f(x) = 2x, (x,y) = (1,2): a value and whose it is; a name is letters, indexes and brackets."""

    name: str
    value: "Form"


@dataclass(frozen=True)
class Quantity:
    """m+n = 204: a value of an expression in several variables, which nothing is left to solve for."""

    left: Node
    value: Node


@dataclass(frozen=True)
class Equation:
    """Both sides; equal to another whose difference of sides is a multiple of this one's."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Inequality:
    """left < right or left <= right."""

    left: Node
    right: Node
    is_strict: bool


@dataclass(frozen=True)
class Piece:
    """An interval; a side without an end has none."""

    low: Node | None
    high: Node | None
    with_low: bool
    with_high: bool


@dataclass(frozen=True)
class Region:
    """A set of real numbers: intervals side by side, and whether it was written as conditions on a variable."""

    pieces: tuple[Piece, ...]
    variable: str = ""


@dataclass(frozen=True)
class Matrix:
    """Rows of values."""

    rows: "tuple[tuple[Form, ...], ...]"


@dataclass(frozen=True)
class Ratio:
    """4:7, 1:2:3."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Chain:
    r"""2/3 = 0.66 or 2\sqrt{2} \approx 2.83: one value in several spellings, or nothing at all."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Constant:
    r"""Something that only its own spelling means: \mathbb{Z}, \emptyset."""

    name: str


@dataclass(frozen=True)
class Based:
    """28_9: digits in a base."""

    digits: str
    base: str


Form = (
    Value
    | Many
    | Named
    | Quantity
    | Equation
    | Inequality
    | Region
    | Matrix
    | Ratio
    | Chain
    | Constant
    | Based
)


def is_name(node: Node) -> str | None:
    """The name that a left side is: x, x_1, f(x), AB, S_{ABC}; None for an expression to be solved."""
    match node:
        case Symbol(name):
            return name if name not in CONSTANTS else None
        case Apply("abs", (inner,)) if len(symbols(inner)) > 1 or _is_set(inner):
            return "|" + (is_name(inner) or "")
        case Apply("mul"):
            return _side_by_side(factors(node))
        case Apply("div", (above, below)):  # lengths, \\frac{NO}{BO}
            name = (is_name(above) or "x") + (is_name(below) or "x")
            return name if name.isupper() else None
        case Apply(name, arguments) if name[0] in "fghFG" or name.endswith("'"):
            return f"{name}{arguments}"
        case _:
            return None


def _is_set(node: Node) -> bool:
    """Whether bars around it say how many it has: |S|."""
    return isinstance(node, Symbol) and node.name.isupper()


def _side_by_side(parts: list[Node]) -> str | None:
    """AB, xyz, P(3): names, or a name and the number it is asked of."""
    first, *rest = parts
    if not isinstance(first, Symbol):
        return None
    if len(rest) == 1 and isinstance(rest[0], Number):
        return f"{first.name}({rest[0].value})"
    names = [part.name for part in rest if isinstance(part, Symbol)]
    return first.name + "".join(names) if len(names) == len(rest) else None
