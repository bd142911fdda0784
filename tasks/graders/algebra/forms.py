"""What an answer can be: a value, a list, a set of real numbers, a named value, an equation, a matrix."""

from dataclasses import dataclass
from typing import Literal

from tasks.graders.algebra.evaluation import symbols
from tasks.graders.algebra.expressions import Apply, Node, Number, Symbol


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
    """2/3 = 0.66 or 2\\sqrt{2} \\approx 2.83: one value in several spellings, or nothing at all."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Constant:
    """Something that only its own spelling means: \\mathbb{Z}, \\emptyset."""

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


def infinite(node: Node) -> int:
    """1 for infinity, -1 for minus infinity, 0 for others."""
    match node:
        case Symbol(r"\infty"):
            return 1
        case Apply("neg", (Symbol(r"\infty"),)):
            return -1
        case _:
            return 0


def negated(node: Node) -> Node:
    """The expression's opposite."""
    return Number(-node.value) if isinstance(node, Number) else Apply("neg", (node,))


def replaced(node: Node, name: str, by: Node) -> Node:
    """The expression with a variable replaced."""
    match node:
        case Symbol(own):
            return by if own == name else node
        case Apply(own, arguments):
            return Apply(own, tuple(replaced(argument, name, by) for argument in arguments))
        case _:
            return node


def is_name(node: Node) -> str | None:
    """The name that a left side is: x, x_1, f(x), AB, S_{ABC}; None for an expression to be solved."""
    match node:
        case Symbol(name) if name not in {"i", "e", r"\pi", r"\infty"}:
            return name
        case Apply("abs", (inner,)) if len(symbols(inner)) > 1:
            return "|" + (is_name(inner) or "")
        case Apply("mul", (Symbol(name), inner)) if isinstance(inner, Number | Symbol):  # P(A), f(3), AB
            return name + (inner.name if isinstance(inner, Symbol) else f"({inner.value})")
        case Apply("mul", (Apply("mul") as first, Symbol(name))) if start := is_name(first):
            return start + name
        case Apply("div", (above, below)) if (one := is_name(above)) and (two := is_name(below)) and (one + two).isupper():
            return f"{one}/{two}"  # lengths, \\frac{NO}{BO}
        case Apply(name, arguments) if name[0] in "fghFG" or name.endswith("'"):
            return f"{name}{arguments}"
        case _:
            return None
