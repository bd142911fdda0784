"""The value of an expression at a point."""

from collections.abc import Mapping
from fractions import Fraction

from tasks.graders.algebra.functions import (
    ANGULAR,
    DIGITS,
    MAX_BITS,
    MAX_TERMS,
    OPERATIONS,
    Real,
    TooLargeError,
    UndefinedError,
    numbers,
    unknown,
)
from tasks.graders.algebra.nodes import Apply, Node, Number, Symbol, symbols


def constant(node: Node) -> Real | None:
    """The value of an expression without variables; None where it has none. Raises TooLargeError."""
    if symbols(node):
        return None
    try:
        return Point({}).value(node)
    except UndefinedError:
        return None


class Point:
    """Values of variables, and whether all numbers on the way were real."""

    def __init__(self, at: Mapping[str, Real]) -> None:
        self._at, self.is_real, self._angle, self._terms = dict(at), True, False, 0

    def value(self, node: Node) -> Real:  # noqa: PLR0911 - one line a kind
        """The number there. Raises UndefinedError and TooLargeError."""
        mp = numbers()
        match node:
            case Number(value):
                return mp.mpf(value.numerator) / value.denominator
            case Symbol(r"\pi"):
                return +mp.pi
            case Symbol("e") if "e" not in self._at:
                return +mp.e
            case Symbol("i") if "i" not in self._at:
                return mp.mpc(0, 1)
            case Symbol(r"\infty"):
                return mp.inf
            case Symbol(name):
                return self._at[name]
            case Apply((r"\sum" | r"\prod") as name, (Symbol(bound), low, high, body)):
                return self._series(name, bound, self.value(low), self.value(high), body)
        return self._sized(self._applied(node.name, node.arguments))

    def _applied(self, name: str, arguments: tuple[Node, ...]) -> Real:
        outer, self._angle = self._angle, name in ANGULAR or (self._angle and name not in ANGULAR)
        values = [self.value(argument) for argument in arguments]
        self._angle = outer
        if name == "degree":
            return values[0] * numbers().pi / 180 if self._angle else values[0]
        if name == "root" and len(values) == 2:  # noqa: PLR2004 - radicand and degree
            return self._root(*values)
        if name == "pow":
            return self._power(values[0], values[1], _exact(arguments[1]))
        try:
            if name in OPERATIONS:
                return OPERATIONS[name](*values)
            return unknown(name, values)
        except (ZeroDivisionError, ValueError, OverflowError, TypeError, NotImplementedError) as error:
            raise UndefinedError(name) from error

    def _power(self, base: Real, exponent: Real, exact: Fraction | None) -> Real:
        mp = numbers()
        if mp.isinf(base) or mp.isinf(exponent):
            raise UndefinedError("a power of infinity")
        if not base:
            if mp.re(exponent) > 0:
                return mp.mpf(0)
            if not exponent:
                return mp.mpf(1)
            raise UndefinedError("0 to a negative power")
        if abs(exponent) * (abs(mp.mag(base)) + 1) > MAX_BITS:
            raise TooLargeError
        if (
            exact is not None
            and exact.denominator % 2
            and exact.denominator > 1
            and not mp.im(base)
            and base < 0
        ):
            return mp.power(-base, exponent) * (-1 if exact.numerator % 2 else 1)  # the real root
        return mp.power(base, exponent)

    def _root(self, radicand: Real, degree: Real) -> Real:
        mp = numbers()
        if not degree or mp.im(degree):
            raise UndefinedError("a root of no degree")
        if mp.isinf(radicand):
            return radicand
        if not mp.im(radicand) and radicand < 0 and degree == int(degree) and int(degree) % 2:
            return -mp.power(-radicand, 1 / degree)
        return mp.power(radicand, 1 / degree) if radicand else mp.mpf(0)

    def _series(self, name: str, bound: str, low: Real, high: Real, body: Node) -> Real:
        mp = numbers()
        if mp.im(low) or mp.im(high) or mp.isinf(high) or low != int(low) or high != int(high):
            raise UndefinedError("a sum without whole bounds")
        total, before = mp.mpf(0 if name == r"\sum" else 1), self._at.get(bound)
        for number in range(int(low), int(high) + 1):
            self._terms += 1
            if self._terms > MAX_TERMS:
                raise TooLargeError
            self._at[bound] = mp.mpf(number)
            term = self.value(body)
            total = self._sized(total + term if name == r"\sum" else total * term)
        self._at.pop(bound, None)
        if before is not None:
            self._at[bound] = before
        return total

    def _sized(self, value: Real) -> Real:
        mp = numbers()
        if mp.isnan(value):
            raise UndefinedError("not a number")
        if not mp.isinf(value) and value and mp.mag(value) > MAX_BITS:
            raise TooLargeError
        if mp.im(value):
            if abs(mp.im(value)) > abs(value) * mp.mpf(10) ** -(DIGITS - 10):
                self.is_real = False
            else:
                value = mp.re(value)
        return value


def _exact(node: Node) -> Fraction | None:
    r"""The exponent 1/3, whether written 1/3, \frac{1}{3} or -1/3; None for others."""
    match node:
        case Number(value):
            return value
        case Apply("div", (above, below)):
            over, under = _exact(above), _exact(below)
            return over / under if over is not None and under else None
        case Apply("neg", (inner,)):
            value = _exact(inner)
            return None if value is None else -value
        case _:
            return None
