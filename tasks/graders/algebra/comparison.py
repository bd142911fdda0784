"""Whether two read answers are the same: kind by kind, and what each kind may be compared with."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from tasks.graders.algebra.forms import (
    Based,
    Chain,
    Constant,
    Equation,
    Form,
    Inequality,
    Many,
    Matrix,
    Named,
    Quantity,
    Ratio,
    Region,
    Value,
)
from tasks.graders.algebra.functions import close
from tasks.graders.algebra.logarithms import equal_or_huge
from tasks.graders.algebra.nodes import Apply, Node, Number, Symbol, replaced, symbols
from tasks.graders.algebra.points import equal, quotient
from tasks.graders.algebra.regions import same_region
from tasks.graders.algebra.substitution import constant

_ZERO = Number(Fraction(0))
_ARGUMENT = re.compile(r"[A-Za-z]'*\(Symbol\(name='(\w+)'\),\)")
"""The letter that a function's name says it is of."""

_NEAR = 0.05
"""How near an approximation written behind a value must be to it."""


def same(gold: Form, answer: Form) -> bool:  # noqa: C901, PLR0911, PLR0912 - one line a pair of kinds
    """Whether the answer is the gold answer. Raises TooLargeError."""
    gold, answer = _alone(_without_domains(gold, answer)), _alone(_without_domains(answer, gold))
    match gold, answer:
        case Value(one), Value(two):
            return equal_or_huge(one, _with_constant(two, one))
        case Chain(nodes), _:
            return any(same(Value(node), answer) for node in _said(nodes))
        case _, Chain(nodes):
            return any(same(gold, Value(node)) for node in _said(nodes))
        case Named(name, Many("tuple", items)), Named(other, Many("tuple", found)) if _is_shuffled(
            name, other, len(items), len(found)
        ):
            by_name = dict(zip(other.split(","), found, strict=True))
            return _in_order(items, [by_name[one] for one in name.split(",")])
        case Named(name, one), Named(other, two):
            is_alike = name.count("'") == other.count("'")
            return (is_alike and (same(one, two) or same(one, _renamed(two, other, name)))) or _is_turned(
                gold, answer
            )
        case Many("list", items), Named(name, Many("tuple", named)) if "," in name and _in_order(
            items, named
        ):
            return True
        case Named(name, one), _ if not (isinstance(one, Value) and isinstance(answer, Equation | Quantity)):
            return same(one, answer)
        case Named(name, Value(one)), (Equation(left, right) | Quantity(left, right)):
            return (
                name in symbols(left)
                and bool(symbols(one))
                and _proportional(_gold_sides(name, one), (left, right))
            )
        case _, Named(name, two) if isinstance(gold, Equation | Quantity):
            return isinstance(two, Value) and _proportional(
                (gold.left, _right(gold)), _gold_sides(name, two.node)
            )
        case _, Named(_, two):
            return same(gold, two)
        case Value(one), Quantity(_, two):
            return not symbols(one) and equal(one, two)
        case ((Equation() | Quantity()), (Equation() | Quantity())):
            return _proportional((gold.left, _right(gold)), (answer.left, _right(answer)))
        case Inequality(low, high, strict), Inequality(other_low, other_high, other_strict):
            return strict == other_strict and _proportional((low, high), (other_low, other_high), sign=1)
        case Inequality(), Region():
            return (condition := _condition(answer)) is not None and same(gold, condition)
        case Region(), Inequality():
            return (condition := _condition(gold)) is not None and same(condition, answer)
        case Matrix(rows), Matrix(others):
            return len(rows) == len(others) and all(
                _in_order(row, other) for row, other in zip(rows, others, strict=True)
            )
        case (Matrix(rows), Many("tuple", items, "[]")) | (Many("tuple", items, "[]"), Matrix(rows)) if (
            _are_rows(items)
        ):
            lists = [item.items for item in items if isinstance(item, Many)]
            return len(rows) == len(lists) and all(map(_in_order, rows, lists))
        case (Matrix(rows), Many("tuple", items)) | (Many("tuple", items), Matrix(rows)):
            cells = [cell for row in rows for cell in row]
            return 1 in {len(rows), len(rows[0])} and _in_order(cells, items)
        case Ratio(parts), Ratio(others):
            return len(parts) == len(others) and _same_ratio(parts, others)
        case (Ratio((above, below)), Value(node)) | (Value(node), Ratio((above, below))):
            return equal(Apply("div", (above, below)), node)
        case Constant(one), Constant(two):
            return one == two
        case Based(), Based():
            return gold == answer
        case Based(digits, _), Value(Number(value)):  # the question names the base
            return value == Fraction(digits)
        case Value(Number(value)), Based(digits, "10"):
            return value == Fraction(digits)
        case Many() as many, Many() as others:
            return _many(many, others)
        case (Region(), _) | (_, Region()):
            return same_region(gold, answer)
        case _:
            return False


def _is_shuffled(name: str, other: str, *sizes: int) -> bool:
    """Whether two tuples, (a,b)=… and (b,a)=…, say the same names in another order, one for each part."""
    names, others = name.split(","), other.split(",")
    return names != others and sorted(names) == sorted(others) and {len(set(names))} == {len(names), *sizes}


def _are_rows(items: Sequence[Form]) -> bool:
    """[[1,2],[3,4]]: lists within a list."""
    return all(isinstance(item, Many) and item.kind == "tuple" and item.brackets == "[]" for item in items)


def _same_ratio(parts: Sequence[Node], others: Sequence[Node]) -> bool:
    """Proportional; with a zero in it, as in 12:00, or where the gold answer has not its lowest terms, as 10:30, part by part."""
    if any(equal(part, _ZERO) for part in (*parts, *others)) or _is_time(parts):
        return all(equal(*pair) for pair in zip(parts, others, strict=True))
    return all(
        equal(Apply("mul", (parts[0], other)), Apply("mul", (others[0], part)))
        for part, other in zip(parts, others, strict=True)
    )


def _is_time(parts: Sequence[Node]) -> bool:
    """Whether two whole numbers are rather a time than a proportion."""
    values = [part.value for part in parts if isinstance(part, Number) and part.value.denominator == 1]
    return len(values) == len(parts) == 2 and math.gcd(*map(int, values)) > 1  # noqa: PLR2004 - hours and minutes


_CONSTANTS = frozenset("CcKk")


def _with_constant(answer: Node, gold: Node) -> Node:
    """The answer with the gold answer's letter for the constant of an integral, c for C."""
    own, wanted = symbols(answer) - symbols(gold), symbols(gold) - symbols(answer)
    if len(own) == len(wanted) == 1 and "C" in wanted and own < _CONSTANTS and len(symbols(gold)) > 1:
        return replaced(answer, "".join(own), Symbol("C"))
    return answer


def _renamed(form: Form, name: str, wanted: str) -> Form:
    """The value of f(m), with the letter that the other answer's f(n) has; itself where there is none."""
    own, other = _ARGUMENT.fullmatch(name), _ARGUMENT.fullmatch(wanted)
    if not isinstance(form, Value) or not own or not other or other[1] in symbols(form.node):
        return form
    return Value(replaced(form.node, own[1], Symbol(other[1])))


def _is_turned(gold: Named, answer: Named) -> bool:
    """Whether x = 2y and y = x/2 are the same equation, solved for one and for the other."""
    match gold, answer:
        case Named(name, Value(one)), Named(other, Value(two)) if name in symbols(two) and other in symbols(
            one
        ):
            return _proportional(_gold_sides(name, one), _gold_sides(other, two))
        case _:
            return False


def _alone(form: Form) -> Form:
    """A set or list of one is that one."""
    if isinstance(form, Many) and len(form.items) == 1 and form.kind != "tuple":
        return form.items[0]
    return form


def _without_domains(form: Form, other: Form) -> Form:
    r"""A list without k\in\mathbb{Z}, where the other answer does not say it."""
    if not isinstance(form, Many) or (isinstance(other, Many) and any(map(_is_domain, other.items))):
        return form
    items = tuple(item for item in form.items if not _is_domain(item))
    return Many(form.kind, items, form.brackets) if items and form.kind == "list" else form


def _is_domain(form: Form) -> bool:
    return isinstance(form, Constant) and form.name.startswith(r"\mathbb")


def _condition(region: Region) -> Inequality | None:
    """The inequality y > 2-x, where it was read as the region of y."""
    if not region.variable or len(region.pieces) != 1:
        return None
    (piece,), name = region.pieces, Symbol(region.variable)
    if piece.low is None and piece.high is not None:
        return Inequality(name, piece.high, not piece.with_high)
    if piece.high is None and piece.low is not None:
        return Inequality(piece.low, name, not piece.with_low)
    return None


def _right(form: Equation | Quantity) -> Node:
    return form.right if isinstance(form, Equation) else form.value


def _gold_sides(name: str, value: Node) -> tuple[Node, Node]:
    return Symbol(name), value


def _many(gold: Many, answer: Many) -> bool:  # noqa: PLR0911 - one line a kind
    """Tuples in order and in the same brackets; lists in any order; a set is a list; names before order."""
    are_tuples = all(isinstance(item, Many) for item in (*gold.items, *answer.items))
    if len(gold.items) != len(answer.items) and not gold.kind == answer.kind == "set" and not are_tuples:
        return False
    named = [all(isinstance(item, Named) for item in many.items) for many in (gold, answer)]
    if all(named) and (by_name := _by_name(gold, answer)) is not None:
        return by_name
    if named[0] != named[1]:
        return _partly_named(gold, answer, answer_is_named=named[1])
    match gold.kind, answer.kind:
        case "tuple", "tuple":
            is_alike = gold.brackets == answer.brackets or _is_array(gold) or _is_array(answer)
            return is_alike and _in_order(gold.items, answer.items)
        case "set", "set":
            return _as_sets(gold.items, answer.items)
        case ("tuple", "list") | ("list", "tuple") if _is_array(gold) or _is_array(answer):
            return _in_order(gold.items, answer.items)
        case "tuple", _:
            return False
        case _, "tuple":
            return False
        case _ if are_tuples:
            return _as_sets(gold.items, answer.items)  # a solution named twice is named
        case _:
            return _in_any_order(gold.items, answer.items)


def _is_array(many: Many) -> bool:
    """[1,2,3]: too many for an interval, so an array, as programs write a list or a tuple."""
    return many.brackets == "[]" and len(many.items) > 2  # noqa: PLR2004 - the ends of an interval


def _as_sets(gold: Sequence[Form], answer: Sequence[Form]) -> bool:
    return all(any(same(one, two) for two in answer) for one in gold) and all(
        any(same(one, two) for one in gold) for two in answer
    )


def _by_name(gold: Many, answer: Many) -> bool | None:
    """x=1, y=8 against y=8, x=1; None where names are not what tells the values apart."""
    names = [[item.name for item in many.items if isinstance(item, Named)] for many in (gold, answer)]
    if Counter(names[0]) != Counter(names[1]) or len(set(names[0])) < len(names[0]):
        return None
    found = {item.name: item.value for item in answer.items if isinstance(item, Named)}
    return all(same(item.value, found[item.name]) for item in gold.items if isinstance(item, Named))


def _partly_named(gold: Many, answer: Many, *, answer_is_named: bool) -> bool:
    """(6,-2) against x=6, y=-2: the names in alphabetical order; x=1, x=3 and x_1=1, x_2=3 are lists."""
    named, other = (answer, gold) if answer_is_named else (gold, answer)
    items = [item for item in named.items if isinstance(item, Named)]
    if {item.name[:1] for item in items} == {items[0].name[:1]} and len(items[0].name) != 2:  # noqa: PLR2004
        values, has_order = [item.value for item in items], other.kind == "tuple"
    else:
        written = [item.value for item in items]
        values = [item.value for item in sorted(items, key=lambda item: item.name)]
        if other.kind == "list" and written != values:
            pairs = (other.items, written)
            return _in_order(*pairs if answer_is_named else pairs[::-1])
        has_order = True
    if other.kind == "tuple" and other.brackets != "()":
        return False
    left, right = (other.items, values) if answer_is_named else (values, other.items)
    return _in_order(left, right) if has_order else _in_any_order(left, right)


def _in_order(gold: Sequence[Form], answer: Sequence[Form]) -> bool:
    return len(gold) == len(answer) and all(same(one, two) for one, two in zip(gold, answer, strict=True))


def _in_any_order(gold: Sequence[Form], answer: Sequence[Form]) -> bool:
    """Each gold item is some answer's item, and each of these is used once."""
    left = list(answer)
    for item in gold:
        place = next((place for place, other in enumerate(left) if same(item, other)), None)
        if place is None:
            return False
        left.pop(place)
    return not left


def _said(nodes: Sequence[Node]) -> Sequence[Node]:
    """All spellings of a value where they agree, but for what an approximation may differ; none where they do not."""
    if len(nodes) == 1:
        return nodes
    values = [constant(node) for node in nodes]
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values):
        return nodes if all(equal(nodes[0], node) for node in nodes[1:]) else ()
    near = all(
        close(numbers[0], number) or abs(numbers[0] - number) <= _NEAR * abs(numbers[0]) for number in numbers
    )
    return nodes if near else ()


def _proportional(one: tuple[Node, Node], two: tuple[Node, Node], *, sign: int = 0) -> bool:
    """Whether one difference of sides is a constant, and with `sign` a positive one, times the other."""
    first, second = Apply("sub", one), Apply("sub", two)
    if symbols(first) != symbols(second):
        return False
    if equal(first, second) or (not sign and equal(first, Apply("neg", (second,)))):
        return True
    factor = quotient(first, second)
    return factor is not None and (not sign or factor > 0)
