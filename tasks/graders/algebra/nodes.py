"""The nodes of an expression's tree, and what they mention."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Number:
    """An exact number."""

    value: Fraction


@dataclass(frozen=True)
class Symbol:
    r"""A variable or constant: x, x_1, g', \alpha, \pi, e, i, \infty."""

    name: str


@dataclass(frozen=True)
class Apply:
    """An operation or function on its arguments."""

    name: str
    arguments: "tuple[Node, ...]"


Node = Number | Symbol | Apply


def folded(name: str, parts: Sequence[Node]) -> Node:
    """One tree of an associative operation on many parts, no deeper than it has to be."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return Apply(name, (folded(name, parts[:middle]), folded(name, parts[middle:])))


def factors(node: Node) -> list[Node]:
    """What a product multiplies, in order."""
    match node:
        case Apply("mul", (left, right)):
            return factors(left) + factors(right)
        case _:
            return [node]


CONSTANTS = frozenset({r"\pi", "e", "i", r"\infty"})


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


def has_numbers(node: Node) -> bool:
    """Whether a number stands anywhere in an expression."""
    match node:
        case Number():
            return True
        case Apply(_, arguments):
            return any(map(has_numbers, arguments))
        case _:
            return False


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
