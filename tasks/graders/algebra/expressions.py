r"""Expressions as trees: 2\sin^2 x, 3\frac{1}{2}, \sqrt[3]{x}, n!, \sum_{j=1}^{m} j^2.

A recursive descent over the tokens; what it does not know it does not read, and nothing is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tasks.graders.algebra.tokens import UnreadError

MAX_DEPTH = 24
"""Brackets within brackets."""


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

FUNCTIONS = frozenset(
    [r"\sin", r"\cos", r"\tan", r"\cot", r"\sec", r"\csc", r"\arcsin", r"\arccos", r"\arctan", r"\sinh", r"\cosh", r"\tanh", r"\log", r"\ln", r"\lg", r"\exp", r"\max", r"\min", r"\gcd"]
)
_INVERSE = {r"\sin": r"\arcsin", r"\cos": r"\arccos", r"\tan": r"\arctan"}
_GREEK = frozenset(
    [r"\alpha", r"\beta", r"\gamma", r"\delta", r"\epsilon", r"\varepsilon", r"\zeta", r"\eta", r"\theta", r"\vartheta", r"\iota", r"\kappa", r"\lambda", r"\mu", r"\nu", r"\xi", r"\rho", r"\sigma", r"\tau", r"\upsilon", r"\phi", r"\varphi", r"\chi", r"\psi", r"\omega", r"\Gamma", r"\Delta", r"\Theta", r"\Lambda", r"\Xi", r"\Sigma", r"\Phi", r"\Psi", r"\Omega", r"\ell", r"\hbar"]
)
_CONSTANTS = frozenset({r"\pi", r"\infty"})
_OPAQUE = frozenset({"f", "g", "h", "F", "G"})
"""Letters that are functions where a bracket follows: f(2)+f(3) is not f(5)."""

_NAMED = frozenset(
    {r"\overline", r"\bar", r"\vec", r"\hat", r"\tilde", r"\overrightarrow", r"\widehat", r"\mathcal"}
)
_GEOMETRIC = frozenset({r"\angle", r"\triangle"})
_PARTNER = {
    "(": ")", "[": "]", "{": "}", r"\{": r"\}", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil", r"\lvert": r"\rvert"
}  # fmt: skip
_ROUNDED = {r"\lfloor": "floor", r"\lceil": "ceil", r"\lvert": "abs"}
_ENDS = frozenset(
    {"", "+", "-", "*", "/", ")", "]", "}", r"\}", ",", ";", "=", r"\rvert", r"\rfloor", r"\rceil"}
)


def expression(tokens: Sequence[str]) -> Node:
    """The tree of all tokens. Raises UnreadError where one is left over or unknown."""
    reader = _Reader(list(tokens))
    tree = reader.sum()
    if reader.peek():
        raise UnreadError(reader.peek())
    return tree


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._place, self._depth, self._bars = tokens, 0, 0, 0

    def peek(self, ahead: int = 0) -> str:
        place = self._place + ahead
        return self._tokens[place] if place < len(self._tokens) else ""

    def sum(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadError("too deep")
        tree = self._product()
        while (sign := self.peek()) in {"+", "-"}:
            self._next()
            tree = Apply("add" if sign == "+" else "sub", (tree, self._product()))
        self._depth -= 1
        return tree

    def _product(self) -> Node:
        if (sign := self.peek()) in {"+", "-"}:
            self._next()
            tree = self._product()
            return Apply("neg", (tree,)) if sign == "-" else tree
        tree = self._power()
        while True:
            token = self.peek()
            if token in {"*", "/"}:
                self._next()
                tree = Apply("mul" if token == "*" else "div", (tree, self._signed()))
            elif token in _ENDS or not self._starts(token):
                return tree
            else:
                tree = Apply("mul", (tree, self._power()))

    def _signed(self) -> Node:
        if (sign := self.peek()) in {"+", "-"}:
            self._next()
            tree = self._signed()
            return Apply("neg", (tree,)) if sign == "-" else tree
        return self._power()

    def _starts(self, token: str) -> bool:
        """Whether a factor begins here; a bar closes before it opens."""
        return token[0].isalnum() or token[0] in "\\([{." or (token == "|" and not self._bars)

    def _power(self) -> Node:
        base = self._marked(self._atom())
        if self.peek() == "^":
            self._next()
            return self._marked(Apply("pow", (base, self._exponent())))
        return base

    def _marked(self, tree: Node) -> Node:
        """With the factorials and degree signs behind it."""
        while True:
            if self.peek() == "!":
                self._next()
                tree = Apply("factorial", (tree,))
            elif self.peek() == r"\degree":
                self._next()
                tree = Apply("degree", (tree,))
            elif self.peek() == "^" and self.peek(1) == r"\circ":
                self._place += 2
                tree = Apply("degree", (tree,))
            elif [self.peek(ahead) for ahead in range(4)] == ["^", "{", r"\circ", "}"]:
                self._place += 4
                tree = Apply("degree", (tree,))
            else:
                return tree

    def _exponent(self) -> Node:
        if self.peek() == "{":
            return self._group()
        if self.peek() == "-":
            self._next()
            return Apply("neg", (self._atom(),))
        return self._atom()

    def _atom(self) -> Node:  # noqa: PLR0911 - one line a kind of atom
        token = self._next()
        if token[:1].isdigit() or token[:1] == ".":
            return self._number(token)
        if token.isalpha() or token in _GREEK:
            return self._symbol(token)
        if token in _CONSTANTS:
            return Symbol(token)
        if token == r"\frac":
            return Apply("div", (self._argument(), self._argument()))
        if token == r"\sqrt":
            return self._root()
        if token in {r"\binom", r"\dbinom", r"\tbinom"}:
            return Apply("binom", (self._argument(), self._argument()))
        if token in FUNCTIONS:
            return self._function(token)
        if token in {r"\sum", r"\prod"}:
            return self._series(token)
        if token in _NAMED:
            return Symbol(token + "".join(self._raw_group()))
        if token in _GEOMETRIC:
            return self._geometric(token)
        if token == "|":
            self._bars += 1
            tree = self.sum()
            self._bars -= 1
            self._expect("|")
            return Apply("abs", (tree,))
        if token in _PARTNER:
            self._place -= 1
            tree = self._group()
            return Apply(_ROUNDED[token], (tree,)) if token in _ROUNDED else tree
        raise UnreadError(token)

    def _number(self, token: str) -> Node:
        number = Fraction(token)
        if self.peek() == r"\overline" and "." in token:
            self._next()
            digits = "".join(self._raw_group())
            if not digits.isdecimal():
                raise UnreadError(digits)
            places = len(token) - token.index(".") - 1
            return Number(number + Fraction(int(digits), (10 ** len(digits) - 1) * 10**places))
        if self.peek() == "_":
            raise UnreadError("a based number")
        if "." not in token and self.peek() == r"\frac":
            parts = [self.peek(ahead) for ahead in range(1, 7)]
            if (
                parts[0] + parts[2] + parts[3] + parts[5] == "{}{}"
                and parts[1].isdecimal()
                and parts[4].isdecimal()
            ):
                self._place += 7
                if not int(parts[4]):
                    raise UnreadError("division by zero")
                return Number(number + Fraction(int(parts[1]), int(parts[4])))
        return Number(number)

    def _symbol(self, token: str) -> Node:
        name = token
        if self.peek() == "_":
            self._next()
            name += "_" + "".join(self._raw_group() if self.peek() == "{" else [self._next()])
        while self.peek() == "'":
            name += self._next()
        if self.peek() == "(" and (token in _OPAQUE or name.endswith("'")):
            self._next()
            arguments = [self.sum()]
            while self.peek() == ",":
                self._next()
                arguments.append(self.sum())
            self._expect(")")
            return Apply(name, tuple(arguments))
        return Symbol(name)

    def _geometric(self, token: str) -> Node:
        name = token
        while self.peek().isalpha() and len(name) < len(token) + 3:
            name += self._next()
        return Symbol(name)

    def _root(self) -> Node:
        degree: Node = Number(Fraction(2))
        if self.peek() == "[":
            degree = self._group()
        return Apply("root", (self._argument(), degree))

    def _function(self, token: str) -> Node:
        power: Node | None = None
        base: Node | None = None
        while self.peek() in {"^", "_"}:
            if self._next() == "^":
                power = self._exponent()
            else:
                base = self._exponent()
        if power == Apply("neg", (Number(Fraction(1)),)) and token in _INVERSE:
            token, power = _INVERSE[token], None
        if token in {r"\max", r"\min", r"\gcd"}:
            tree: Node = Apply(token, self._several())
        else:
            argument = self._function_argument()
            tree = Apply(token, (argument,) if base is None else (argument, base))
        return tree if power is None else Apply("pow", (tree, power))

    def _several(self) -> tuple[Node, ...]:
        opened = self._next()
        if opened not in {"(", r"\{"}:
            raise UnreadError(opened)
        found = [self.sum()]
        while self.peek() == ",":
            self._next()
            found.append(self.sum())
        self._expect(_PARTNER[opened])
        return tuple(found)

    def _function_argument(self) -> Node:
        r"""(…) or {…} alone, else the factors up to the next sign or function: \sin 2x\cos x is a product."""
        if self.peek() == "-":
            self._next()
            return Apply("neg", (self._function_argument(),))
        if self.peek() in {"(", "{", "["}:
            tree = self._marked(self._group())
            if self.peek() != "^":
                return tree
            self._next()
            return Apply("pow", (tree, self._exponent()))
        tree = self._power()
        while (
            (token := self.peek()) not in _ENDS
            and token not in FUNCTIONS
            and token != "("
            and self._starts(token)
        ):
            tree = Apply("mul", (tree, self._power()))
        return tree

    def _series(self, token: str) -> Node:
        r"""\sum_{j=1}^{m} of the product behind it."""
        self._expect("_")
        self._expect("{")
        variable = self._next()
        self._expect("=")
        low = self.sum()
        self._expect("}")
        self._expect("^")
        high = self._exponent()
        return Apply(token, (Symbol(variable), low, high, self._product()))

    def _argument(self) -> Node:
        return self._group() if self.peek() in {"{", "("} else self._atom()

    def _group(self) -> Node:
        opened = self._next()
        if opened not in _PARTNER:
            raise UnreadError(opened)
        bars, self._bars = self._bars, 0
        tree = self.sum()
        self._bars = bars
        self._expect(_PARTNER[opened])
        return tree

    def _raw_group(self) -> list[str]:
        self._expect("{")
        found = []
        while self.peek() not in {"", "}", "{"}:
            found.append(self._next())
        self._expect("}")
        return found

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise UnreadError(token)

    def _next(self) -> str:
        token = self.peek()
        if not token:
            raise UnreadError("the text ends too early")
        self._place += 1
        return token
