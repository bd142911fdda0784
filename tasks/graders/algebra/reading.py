r"""From a normal form to what it means: 6,7 and \{6,7\} and x=6,y=7, -1<x<5, (-\infty,2)\cup(2,\infty), 4:7."""

import itertools
from collections.abc import Sequence
from functools import lru_cache

from tasks.graders.algebra.evaluation import symbols
from tasks.graders.algebra.expressions import Node, expression
from tasks.graders.algebra.forms import (
    Based,
    Chain,
    Constant,
    Equation,
    Form,
    Many,
    Matrix,
    Named,
    Quantity,
    Ratio,
    Region,
    Value,
    is_name,
)
from tasks.graders.algebra.regions import combined, conditions, interval, related, union, without
from tasks.graders.algebra.tokens import UnreadError, encloses, outside, split, tokens_of

_SEPARATORS = frozenset({",", ";"})
_ORDER = frozenset({"<", ">", r"\le", r"\ge"})
_RELATIONS = _ORDER | {"=", r"\ne", r"\in", r"\approx", r"\simeq", r"\sim"}
_SUCH_THAT = frozenset({"|", ":", r"\mid", r"\vert"})
_LITERALS = {r"\emptyset": "empty"}
_REALS = (["\\mathbb", "{", "R", "}"], ["\\mathbb", "R"], ["\\R"], ["\\Reals"])
MAX_SIGNS = 3
"""Of \\pm in one expression."""


@lru_cache(maxsize=4096)
def read(text: str) -> Form:
    """What a normal form means. Raises UnreadError unless every character of it was understood."""
    return form_of(tokens_of(text))


def form_of(tokens: Sequence[str]) -> Form:
    """What the tokens mean."""
    tokens = list(tokens)
    while tokens[:1] == ["{"] and encloses(tokens):
        tokens = tokens[1:-1]
    if not tokens:
        raise UnreadError("nothing between brackets")
    if outside(tokens, {";"}) and outside(tokens, {","}):  # p=5,q=2;p=7,q=2
        return Many("list", tuple(form_of(part) for part in split(tokens, {";"}) if part))
    if len(parts := split(tokens, _SEPARATORS)) > 1:
        return gathered([form_of(part) for part in (parts[:-1] if not parts[-1] else parts)])
    if outside(tokens, {r"\cup", r"\setminus"}) or (
        outside(tokens, {"\\"}) and tokens[0].startswith("\\mathbb")
    ):
        return _union(tokens)
    if outside(tokens, _RELATIONS):
        return _relation(tokens)
    if tokens in _REALS:
        return Region(interval(None, None))
    if len(tokens) == 1 and tokens[0] in _LITERALS:
        return Constant(_LITERALS[tokens[0]])
    if len(tokens) > 2 and tokens[0].isdecimal() and tokens[1] == "_":  # noqa: PLR2004 - digits, _, base
        return Based(tokens[0], _base(tokens[2:]))
    if tokens[0] == r"\mathbb":
        return Constant("".join(tokens))
    if tokens[0] == r"\begin":
        return _matrix(tokens)
    if encloses(tokens):
        return _bracketed(tokens)
    if outside(tokens, {":"}):
        return Ratio(tuple(expression(part) for part in split(tokens, {":"})))
    return _value(tokens)


def _value(tokens: list[str]) -> Form:
    r"""One expression, or one for each choice of its signs: 1\pm\sqrt{2}."""
    signs = [place for place, token in enumerate(tokens) if token in {r"\pm", r"\mp"}]
    if not signs:
        return Value(expression(tokens))
    if len(signs) > MAX_SIGNS:
        raise UnreadError("too many signs")
    together = r"\mp" in tokens
    found = []
    for choice in (
        [("+",) * len(signs), ("-",) * len(signs)] if together else itertools.product("+-", repeat=len(signs))
    ):
        chosen = list(tokens)
        for place, sign in zip(signs, choice, strict=True):
            opposite = {"+": "-", "-": "+"}[sign]
            chosen[place] = opposite if tokens[place] == r"\mp" else sign
        found.append(Value(expression(chosen)))
    return Many("list", tuple(found))


def _base(tokens: list[str]) -> str:
    base = "".join(tokens).strip("{}")
    if not base.isalnum():
        raise UnreadError(base)
    return base


def _union(tokens: list[str]) -> Form:
    removed = split(tokens, {r"\setminus", "\\"})
    if len(removed) == 2:  # noqa: PLR2004 - a set and what it lacks
        return without(form_of(removed[0]), form_of(removed[1]))
    named = split(tokens, {r"\in"})
    if len(named) == 2:  # noqa: PLR2004 - a name and its set
        return form_of(named[1])
    return union([form_of(part) for part in split(tokens, {r"\cup"})])


def _relation(tokens: list[str]) -> Form:
    kinds = outside(tokens, _RELATIONS)
    sides = split(tokens, _RELATIONS)
    if kinds == [r"\in"]:
        names = split(sides[0], _SEPARATORS)
        return form_of(sides[1]) if all(len(name) == 1 for name in names) else _refuse(r"\in")
    if r"\in" in kinds:
        raise UnreadError(r"\in")
    if set(kinds) <= _ORDER or kinds == [r"\ne"]:
        return related(kinds, [_one(side) for side in sides])
    if set(kinds) & (_ORDER | {r"\ne"}):
        raise UnreadError("relations of several kinds")
    return _equation(kinds, sides)


def _equation(kinds: list[str], sides: list[list[str]]) -> Form:
    if len(sides) == 2 and (encloses(sides[0]) and "," in sides[0]):  # noqa: PLR2004 - (x,y)=(1,2)
        names = "".join(token for token in sides[0] if token.isalpha() or token == ",")
        return Named(names, form_of(sides[1]))
    if len(sides) == 2 and outside(sides[0], {":"}):  # noqa: PLR2004 - A:B=7:32
        return Named("".join(sides[0]), form_of(sides[1]))
    if len(sides) == 2 and (name := _name(sides[0])):  # noqa: PLR2004 - x=…
        value = form_of(sides[1])
        if not isinstance(value, Value) or name not in symbols(value.node):
            return Named(name, value)
    nodes = [_one(side) for side in sides]
    if len(nodes) == 2:  # noqa: PLR2004 - an equation
        return _two_sides(kinds[0], *nodes)
    if (name := is_name(nodes[0])) or any(map(symbols, nodes[:-1])):
        return _named_chain(name or "", kinds, nodes)
    return Chain(tuple(nodes))


def _named_chain(name: str, kinds: list[str], nodes: list[Node]) -> Form:
    r"""x = 5+6 = 11, x = 1/3 \approx 0.33: the last exact value is meant, and what is near it."""
    if is_name(nodes[-1]) and not name:
        name, nodes, kinds = is_name(nodes[-1]) or "", nodes[::-1], kinds[::-1]
    exact = next((place for place, kind in enumerate(kinds) if kind != "=" and place), len(kinds))
    return Named(name, Chain((nodes[exact], *nodes[exact + 1 :])))


def _two_sides(kind: str, left: Node, right: Node) -> Form:
    if not symbols(left) and not symbols(right):
        return Chain((left, right))
    if (name := is_name(right)) and name not in symbols(left) and not is_name(left):
        return Named(name, Value(left))
    if name := is_name(left):
        return Named(name, Value(right))
    if kind != "=":
        return Chain((left, right))
    if len(symbols(left)) > 1 and not symbols(right):
        return Quantity(left, right)
    if len(symbols(right)) > 1 and not symbols(left):
        return Quantity(right, left)
    return Equation(left, right)


def _name(tokens: list[str]) -> str | None:
    try:
        return is_name(expression(tokens))
    except UnreadError:
        return None


def _one(tokens: list[str]) -> Node:
    form = form_of(tokens)
    if not isinstance(form, Value):
        raise UnreadError("".join(tokens))
    return form.node


def _bracketed(tokens: list[str]) -> Form:
    opened, inner, closed = tokens[0], tokens[1:-1], tokens[-1]
    if opened == r"\{" and closed == r"\}":
        if not inner:
            return Constant("empty")
        if outside(inner, _SUCH_THAT):
            return _such_that(inner)
        form = form_of(inner)
        return Many("set", form.items if isinstance(form, Many) and form.kind == "list" else (form,), "{}")
    parts = split(inner, _SEPARATORS)
    if len(parts) == 1:
        if (opened, closed) in {("(", ")"), ("[", "]")}:
            return form_of(inner)
        return _value(tokens)
    items = tuple(form_of(part) for part in parts if part)
    if opened in {r"\lfloor", r"\lceil", r"\lvert"} or closed in {r"\rfloor", r"\rceil", r"\rvert"}:
        raise UnreadError(opened)
    brackets = "()" if opened == r"\langle" else opened + closed
    return Many("tuple", items, brackets)


def _such_that(inner: list[str]) -> Form:
    r"""\{x : x<7\}, \{x \in \mathbb{R} \mid x \ne 2\}."""
    split_at = next(kind for kind in (r"\mid", "|", ":", r"\vert") if outside(inner, {kind}))
    head, *rest = split(inner, {split_at})
    if len(rest) != 1 or not head or not head[0].isalpha():
        raise UnreadError("a set that is not understood")
    if len(head) > 1 and head[1] != r"\in":
        raise UnreadError("".join(head))
    if r"\in" in head and head[2:] not in _REALS:
        raise UnreadError("".join(head))
    return conditions(form_of(rest[0]))


def _matrix(tokens: list[str]) -> Form:
    kind = "".join(tokens[2 : 5 + 6]).partition("}")[0]
    size = 3 + len(kind)
    inner, end = list(tokens[size:-size]), "".join(tokens[-size:])
    if end != rf"\end{{{kind}}}" or kind not in {"pmatrix", "array"}:
        raise UnreadError(kind)
    if kind == "array" and inner[:1] == ["{"]:
        inner = inner[inner.index("}") + 1 :]
    rows = [split(row, {"&"}) for row in split(inner, {"\\\\"}) if row]
    if len({len(row) for row in rows}) != 1:
        raise UnreadError("rows of several lengths")
    return Matrix(tuple(tuple(form_of(cell) for cell in row) for row in rows))


def gathered(items: list[Form]) -> Form:
    """Several answers beside each other: one list, or one region where all are conditions on a variable."""
    if all(isinstance(item, Region) and item.variable for item in items):
        return combined([item for item in items if isinstance(item, Region)])
    flat: list[Form] = []
    name = ""
    for item in items:
        if isinstance(item, Named) and isinstance(item.value, Many) and item.value.kind == "list":
            flat += [Named(item.name, value) for value in item.value.items]
        elif isinstance(item, Many) and item.kind == "list":
            flat += item.items
        else:
            flat.append(item)
    if isinstance(flat[0], Named) and not any(isinstance(item, Named) for item in flat[1:]):
        name = flat[0].name  # a=4,-8,-10 and (x,y)=(5,8),(8,5)
        flat = [Named(name, item) if not isinstance(item, Named) else item for item in flat]
    return Many("list", tuple(flat))


def _refuse(what: str) -> Form:
    raise UnreadError(what)
