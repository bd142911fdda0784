r"""From a normal form to what it means: 6,7 and \{6,7\} and x=6,y=7, -1<x<5, (-\infty,2)\cup(2,\infty), 4:7."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from tasks.graders.algebra.equations import named_chain, two_sides
from tasks.graders.algebra.expressions import expression
from tasks.graders.algebra.forms import (
    Based,
    Chain,
    Constant,
    Form,
    Inequality,
    Many,
    Matrix,
    Named,
    Ratio,
    Region,
    Value,
    is_name,
)
from tasks.graders.algebra.inequalities import related
from tasks.graders.algebra.nodes import Apply, Node, Number, symbols
from tasks.graders.algebra.regions import combined, interval, union, without
from tasks.graders.algebra.tokens import UnreadError, encloses, outside, split, tokens_of

_SEPARATORS = frozenset({",", ";"})
_ORDER = frozenset({"<", ">", r"\le", r"\ge"})
_RELATIONS = _ORDER | {"=", r"\ne", r"\in", r"\notin", r"\approx", r"\simeq", r"\sim"}
_SYSTEMS = frozenset({"cases", "aligned", "gathered", "split"})
_SUCH_THAT = frozenset({"|", ":", r"\mid", r"\vert"})
_SETS = frozenset({r"\emptyset", r"\mathbb"})
_REALS = (["\\mathbb", "{", "R", "}"], ["\\mathbb", "R"], ["\\R"], ["\\Reals"])
_SIGNS = frozenset({r"\pm", r"\mp"})
_LIMITS = frozenset({
    r"\max", r"\min", r"\sup", r"\inf", r"\lim", r"\int", r"\sum", r"\prod", r"\deg", r"\dim", r"\det", r"\arg",
})  # fmt: skip
_OF_EVENTS = (["P"], ["E"], ["p"], [r"\Pr"], [r"\mathbb"])
MAX_SIGNS = 3
"""Of \\pm in one expression."""


@lru_cache(maxsize=4096)
def read(text: str) -> Form:
    """What a normal form means. Raises UnreadError unless every character of it was understood."""
    return form_of(tokens_of(text))


def form_of(tokens: Sequence[str]) -> Form:
    """What the tokens mean: from what binds least, commas, to one expression."""
    tokens = list(tokens)
    while tokens[:1] == ["{"] and encloses(tokens):
        tokens = tokens[1:-1]
    if not tokens:
        raise UnreadError("nothing between brackets")
    if tokens.count(r"\begin") == 1 and tokens[-1] == "}" and r"\end" in tokens[-12:]:
        start = tokens.index(r"\begin")
        if not start:
            return _matrix(tokens)
        if not set(tokens[:start]) & (_RELATIONS | _SEPARATORS):
            return _multiple(tokens[:start], _matrix(tokens[start:]))
    if outside(tokens, {";"}) and outside(tokens, {","}):  # p=5,q=2;p=7,q=2
        return Many("list", tuple(form_of(part) for part in split(tokens, {";"}) if part))
    if len(parts := split(tokens, _SEPARATORS)) > 1:
        return _several(parts)
    if outside(tokens, {r"\cup", r"\setminus"}):
        return _union(tokens)
    return _relation(tokens) if outside(tokens, _RELATIONS) else _single(tokens)


def _several(parts: list[list[str]]) -> Form:
    """What commas divide; behind the last one nothing may stand."""
    if outside(parts[0], _RELATIONS) == [r"\ne"] and not any(outside(part, _RELATIONS) for part in parts[1:]):
        return _unequal(parts)
    return gathered([form_of(part) for part in (parts[:-1] if not parts[-1] else parts)])


def _single(tokens: list[str]) -> Form:  # noqa: PLR0911 - one line a kind
    """What no comma and no relation divides."""
    if tokens in _REALS:
        return Region(interval(None, None))
    if tokens[0] in _SETS:
        return Constant("".join(tokens))
    if len(tokens) > 2 and tokens[0].isdecimal() and tokens[1] == "_":  # noqa: PLR2004 - digits, _, base
        return Based(tokens[0], _base(tokens[2:]))
    if encloses(tokens):
        return _bracketed(tokens)
    if tokens[0].isupper() and tokens[1:2] == ["("] and encloses(tokens[1:]) and outside(tokens[2:-1], {","}):
        return Named(tokens[0], _bracketed(tokens[1:]))  # the point P(3,-2)
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
    r"""A\cup B, A\setminus B, x\in A\cup B."""
    if len(named := split(tokens, {r"\in"})) == 2:  # noqa: PLR2004 - a name and its set
        return form_of(named[1])
    parts = [split(part, {r"\setminus"}) for part in split(tokens, {r"\cup"})]
    if len(named) > 1 or any(len(part) > 2 for part in parts):  # noqa: PLR2004 - a set and what it lacks
        raise UnreadError("a union that is not understood")
    forms = [
        form_of(part[0]) if len(part) == 1 else without(form_of(part[0]), form_of(part[1])) for part in parts
    ]
    if all(isinstance(form, Inequality) for form in forms):  # a<b or b<a
        return Many("list", tuple(forms))
    return union(forms)


def _relation(tokens: list[str]) -> Form:
    kinds = outside(tokens, _RELATIONS)
    sides = split(tokens, _RELATIONS)
    if kinds == [r"\notin"] and len(sides[0]) == 1:
        apart = without(Region(interval(None, None)), form_of(sides[1]))
        return Region(apart.pieces, sides[0][0])
    if kinds == [r"\ne"] and set(sides[1]) & _SIGNS:
        return _unequal([tokens])
    if kinds == [r"\in"]:
        names = split(sides[0][1:-1] if encloses(sides[0]) else sides[0], _SEPARATORS)
        if not all(len(name) == 1 for name in names):
            raise UnreadError(r"\in")
        within = form_of(sides[1])
        return (
            Region(within.pieces, sides[0][0]) if isinstance(within, Region) and len(names) == 1 else within
        )
    if r"\in" in kinds:
        raise UnreadError(r"\in")
    if set(kinds) <= _ORDER or kinds == [r"\ne"]:
        return related(kinds, [_one(side) for side in sides])
    if set(kinds) & (_ORDER | {r"\ne"}):
        raise UnreadError("relations of several kinds")
    return _equation(kinds, sides)


def _unequal(parts: list[list[str]]) -> Form:
    r"""The numbers that x \ne 0, 1 and x \ne \pm 2 leave."""
    (name, first), others = split(parts[0], {r"\ne"}), parts[1:]
    if len(name) != 1:
        raise UnreadError(r"\ne")
    left: Form = Region(interval(None, None))
    for part in (first, *others):
        value = form_of(part)
        left = without(left, value if isinstance(value, Many) else Many("set", (value,), "{}"))
    return Region(left.pieces, name[0]) if isinstance(left, Region) else left


def _equation(kinds: list[str], sides: list[list[str]]) -> Form:
    if len(sides) == 2 and (encloses(sides[0]) and "," in sides[0]):  # noqa: PLR2004 - (x,y)=(1,2)
        names = "".join(part for part in sides[0] if part.isalpha() or part == ",")
        return Named(names, form_of(sides[1]))
    if len(sides) == 2 and (_is_of_events(sides[0]) or outside(sides[0], {":"})):  # noqa: PLR2004 - A:B=7:32
        return Named("".join(sides[0]), form_of(sides[1]))
    if len(sides) == 2 and (name := _name(sides[0])):  # noqa: PLR2004 - x=…
        value = form_of(sides[1])
        if not isinstance(value, Value) or name not in symbols(value.node):
            return Named(name, value)
    nodes = [_one(side) for side in sides]
    if len(nodes) == 2:  # noqa: PLR2004 - an equation
        return two_sides(kinds[0], *nodes)
    if not any(map(symbols, nodes)):
        return Chain(tuple(nodes))
    return named_chain(kinds, nodes)


def _is_of_events(side: list[str]) -> bool:
    r"""P(A|B), \Pr(X\cap Y), E[X^2], \max f, \lim_{x\to 0}f(x): the name of a number that no letter stands for."""
    if side[:1] and side[0] in _LIMITS and _name(side) is None and not _is_expression(side):
        return True
    head = 4 if side[:1] == [r"\mathbb"] else 1
    return side[:1] in _OF_EVENTS and len(side) > head and encloses(side[head:])


def _is_expression(tokens: list[str]) -> bool:
    try:
        expression(tokens)
    except UnreadError:
        return False
    return True


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


def _bracketed(tokens: list[str]) -> Form:  # noqa: PLR0911 - one line a kind of bracket
    opened, inner, closed = tokens[0], tokens[1:-1], tokens[-1]
    if opened == r"\{" and closed == r"\}":
        if not inner:
            return Constant(r"\emptyset")
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
    if (opened, closed) == ("(", ")") and outside(inner, _SIGNS):
        return _of_every_sign(items)
    if opened in {r"\lfloor", r"\lceil", r"\lvert"} or closed in {r"\rfloor", r"\rceil", r"\rvert"}:
        raise UnreadError(opened)
    brackets = "()" if opened == r"\langle" else opened + closed
    if brackets == "[]" and all(isinstance(item, Many) and item.brackets == "()" for item in items):
        return Many("list", items)  # [(1,2), (3,4)], as in Python
    return Many("tuple", items, brackets)


def _of_every_sign(items: tuple[Form, ...]) -> Form:
    r"""(\pm 1, 0, \pm 2) is four tuples."""
    choices = [item.items if isinstance(item, Many) and item.kind == "list" else (item,) for item in items]
    tuples = list(itertools.islice(itertools.product(*choices), 2**MAX_SIGNS + 1))
    if len(tuples) > 2**MAX_SIGNS:
        raise UnreadError("too many signs")
    return Many("list", tuple(Many("tuple", chosen, "()") for chosen in tuples))


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
    condition = form_of(rest[0])
    if not isinstance(condition, Region):
        raise UnreadError("conditions that are no intervals")
    return condition


def _matrix(tokens: list[str]) -> Form:
    kind = "".join(tokens[2 : 5 + 6]).partition("}")[0]
    size = 3 + len(kind)
    inner, end = list(tokens[size:-size]), "".join(tokens[-size:])
    if kind in _SYSTEMS and end == rf"\end{{{kind}}}":
        rows = [[part for part in row if part != "&"] for row in split(inner, {"\\\\"})]
        return gathered([form_of(row[:-1] if row[-1] in _SEPARATORS else row) for row in rows if row])
    if end != rf"\end{{{kind}}}" or kind not in {"pmatrix", "array"}:
        raise UnreadError(kind)
    if kind == "array" and inner[:1] == ["{"]:
        inner = inner[inner.index("}") + 1 :]
    rows = [split(row, {"&"}) for row in split(inner, {"\\\\"}) if row]
    if len({len(row) for row in rows}) != 1:
        raise UnreadError("rows of several lengths")
    return Matrix(tuple(tuple(form_of(cell) for cell in row) for row in rows))


def _multiple(factor: list[str], matrix: Form) -> Form:
    """A number or expression times a matrix, cell by cell."""
    scale = (
        expression(factor[:-1] if factor[-1] == "*" else factor) if factor != ["-"] else Number(Fraction(-1))
    )
    if not isinstance(matrix, Matrix) or not all(
        isinstance(cell, Value) for row in matrix.rows for cell in row
    ):
        raise UnreadError("a multiple of something else")
    return Matrix(
        tuple(
            tuple(Value(Apply("mul", (scale, cell.node))) for cell in row if isinstance(cell, Value))
            for row in matrix.rows
        )
    )


def gathered(items: list[Form]) -> Form:
    """Several answers beside each other: one list, or one region where all are conditions on a variable."""
    items = _with_points(items)
    if all(isinstance(item, Region) and item.variable for item in items):
        return combined([item for item in items if isinstance(item, Region)])
    if all(isinstance(item, Ratio) and is_name(item.parts[0]) and len(item.parts) == 2 for item in items):  # noqa: PLR2004
        pairs = [item.parts for item in items if isinstance(item, Ratio)]  # A: 5, B: 3
        return Many("list", tuple(Named(is_name(name) or "", Value(value)) for name, value in pairs))
    flat: list[Form] = []
    for item in items:
        if isinstance(item, Named) and isinstance(item.value, Many) and item.value.kind == "list":
            flat += [Named(item.name, value) for value in item.value.items]
        elif isinstance(item, Many) and item.kind == "list":
            flat += item.items
        else:
            flat.append(item)
    if pairs := _solutions(flat):
        return Many("list", pairs)
    if isinstance(flat[0], Named) and not any(isinstance(item, Named) for item in flat[1:]):
        name = flat[0].name  # a=4,-8,-10 and (x,y)=(5,8),(8,5)
        flat = [item if isinstance(item, Named | Constant) else Named(name, item) for item in flat]
    return Many("list", tuple(flat))


def _solutions(items: list[Form]) -> tuple[Form, ...]:
    """x=1, y=2, x=3, y=4 as the tuples (1,2), (3,4), in the names' order; nothing where names do not come again."""
    names = [item.name for item in items if isinstance(item, Named)]
    size = len(set(names))
    times = len(items) // max(size, 1)
    if len(names) < len(items) or min(size, times) < 2 or names != names[:size] * times:  # noqa: PLR2004 - pairs
        return ()
    rows = [items[start : start + size] for start in range(0, len(items), size)]
    return tuple(
        Many(
            "tuple", tuple(item.value for item in sorted(row, key=_name_of) if isinstance(item, Named)), "()"
        )
        for row in rows
    )


def _name_of(form: Form) -> str:
    return form.name if isinstance(form, Named) else ""


def _with_points(items: list[Form]) -> list[Form]:
    """x<-2, x=1: the single value as a condition, beside conditions on the same variable."""
    names = {item.variable for item in items if isinstance(item, Region) and item.variable}
    if len(names) != 1:
        return items
    return [
        Region(interval(item.value.node, item.value.node, with_low=True, with_high=True), item.name)
        if isinstance(item, Named) and item.name in names and isinstance(item.value, Value)
        else item
        for item in items
    ]
