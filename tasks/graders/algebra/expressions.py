r"""Expressions as trees: 2\sin^2 x, 3\frac{1}{2}, \sqrt[3]{x}, n!, \sum_{j=1}^{m} j^2.

A recursive descent over the tokens; what it does not know it does not read, and nothing is left out.
"""

from collections.abc import Sequence
from fractions import Fraction

from tasks.graders.algebra.cursor import Cursor
from tasks.graders.algebra.leaves import geometric, number
from tasks.graders.algebra.names import ENDS, FUNCTIONS, GREEK, INVERSE, NAMED, OPAQUE, PARTNER, ROUNDED
from tasks.graders.algebra.nodes import Apply, Node, Number, Symbol, folded
from tasks.graders.algebra.tokens import UnreadError

MAX_DEPTH = 24
"""Brackets within brackets."""

MAX_NESTED = 48
"""Functions, fractions and roots within each other."""


def expression(tokens: Sequence[str]) -> Node:
    """The tree of all tokens. Raises UnreadError where one is left over or unknown."""
    cursor = Cursor(list(tokens))
    tree = _TreeReader(cursor).sum()
    if left := cursor.peek():
        raise UnreadError(left)
    return tree


class _TreeReader:
    def __init__(self, tokens: Cursor) -> None:
        self._tokens = tokens
        self._depth, self._nested, self._bars = 0, 0, 0

    def sum(self) -> Node:
        """Signed products."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadError("too deep")
        terms = [self._product()]
        while (sign := self._tokens.peek()) in {"+", "-"}:
            self._tokens.next()
            term = self._product()
            terms.append(Apply("neg", (term,)) if sign == "-" else term)
        self._depth -= 1
        return folded("add", terms)

    def _product(self) -> Node:
        r"""Factors, with * and / or side by side; what / divides by is multiplied first: a/b/c is a/(b*c)."""
        is_negative = self._sign()
        factors, divisors = [self._power()], []
        while True:
            word = self._tokens.peek()
            if word in {"*", "/"}:
                self._tokens.next()
                is_negative ^= self._sign()
                (factors if word == "*" else divisors).append(self._power())
            elif word in ENDS or not self._starts(word):
                break
            else:
                factors.append(self._power())
        tree = folded("mul", factors)
        if divisors:
            tree = Apply("div", (tree, folded("mul", divisors)))
        return Apply("neg", (tree,)) if is_negative else tree

    def _sign(self) -> bool:
        """Whether the signs to come make a minus."""
        is_negative = False
        while (sign := self._tokens.peek()) in {"+", "-"}:
            self._tokens.next()
            is_negative ^= sign == "-"
        return is_negative

    def _starts(self, word: str) -> bool:
        """Whether a factor begins here; a bar closes before it opens."""
        return word[0].isalnum() or word[0] in "\\([{." or (word == "|" and not self._bars)

    def _power(self) -> Node:
        base = self._marked(self._atom())
        if self._tokens.peek() == "^":
            self._tokens.next()
            return self._marked(Apply("pow", (base, self._exponent())))
        return base

    def _marked(self, tree: Node) -> Node:
        """With the factorials and degree signs behind it."""
        while True:
            if self._tokens.peek() == "!":
                self._tokens.next()
                if self._tokens.peek() == "!":
                    raise UnreadError("a double factorial, or one of a factorial")
                tree = Apply("factorial", (tree,))
            elif self._tokens.peek() == r"\degree":
                self._tokens.next()
                tree = Apply("degree", (tree,))
            elif self._tokens.peek() == "^" and self._tokens.peek(1) == r"\circ":
                self._tokens.skip(2)
                tree = Apply("degree", (tree,))
            elif [self._tokens.peek(ahead) for ahead in range(4)] == ["^", "{", r"\circ", "}"]:
                self._tokens.skip(4)
                tree = Apply("degree", (tree,))
            else:
                return tree

    def _exponent(self) -> Node:
        if self._tokens.peek() == "{":
            return self._group()
        if self._tokens.peek() == "-":
            self._tokens.next()
            return Apply("neg", (self._atom(),))
        return self._atom()

    def _atom(self) -> Node:
        """A number, a name, a group or a function with what it takes."""
        self._nested += 1
        if self._nested > MAX_NESTED:
            raise UnreadError("too deep")
        tree = self._plain_atom()
        self._nested -= 1
        return tree

    def _plain_atom(self) -> Node:
        word = self._tokens.next()
        if word[:1].isdigit() or word[:1] == ".":
            return number(self._tokens, word)
        if word.isalpha() or word in GREEK:
            return self._symbol(word)
        if word in PARTNER:
            self._tokens.skip(-1)
            tree = self._group()
            return Apply(ROUNDED[word], (tree,)) if word in ROUNDED else tree
        return self._function(word) if word in FUNCTIONS else self._command(word)

    def _command(self, word: str) -> Node:  # noqa: PLR0911 - one line a kind
        r"""\frac and the other commands that take what they need."""
        match word:
            case r"\pi" | r"\infty":
                return Symbol(word)
            case r"\frac":
                return Apply("div", (self._argument(), self._argument()))
            case r"\binom" | r"\dbinom" | r"\tbinom":
                return Apply("binom", (self._argument(), self._argument()))
            case r"\sqrt":
                return self._root()
            case r"\sum" | r"\prod":
                return self._series(word)
            case r"\angle" | r"\triangle":
                return geometric(self._tokens, word)
            case "|":
                return self._size()
            case _ if word in NAMED:
                return Symbol(word + "".join(self._tokens.letters()))
            case _:
                raise UnreadError(word)

    def _size(self) -> Node:
        """|x|, whose first bar was read."""
        self._bars += 1
        tree = self.sum()
        self._bars -= 1
        self._tokens.expect("|")
        return Apply("abs", (tree,))

    def _symbol(self, word: str) -> Node:
        name = word
        if self._tokens.peek() == "_":
            self._tokens.next()
            name += "_" + "".join(
                self._tokens.letters() if self._tokens.peek() == "{" else [self._tokens.next()]
            )
        while self._tokens.peek() == "'":
            name += self._tokens.next()
        if self._tokens.peek() == "(" and (word in OPAQUE or name.endswith("'")):
            self._tokens.next()
            arguments = [self.sum()]
            while self._tokens.peek() == ",":
                self._tokens.next()
                arguments.append(self.sum())
            self._tokens.expect(")")
            return Apply(name, tuple(arguments))
        return Symbol(name)

    def _root(self) -> Node:
        degree: Node = Number(Fraction(2))
        if self._tokens.peek() == "[":
            degree = self._group()
        return Apply("root", (self._argument(), degree))

    def _function(self, word: str) -> Node:
        power: Node | None = None
        base: Node | None = None
        while self._tokens.peek() in {"^", "_"}:
            if self._tokens.next() == "^":
                power = self._exponent()
            else:
                base = self._exponent()
        if power == Apply("neg", (Number(Fraction(1)),)) and word in INVERSE:
            word, power = INVERSE[word], None
        if word in {r"\max", r"\min", r"\gcd"}:
            tree: Node = Apply(word, self._several())
        else:
            argument = self._function_argument()
            tree = Apply(word, (argument,) if base is None else (argument, base))
        return tree if power is None else Apply("pow", (tree, power))

    def _several(self) -> tuple[Node, ...]:
        opened = self._tokens.next()
        if opened not in {"(", r"\{"}:
            raise UnreadError(opened)
        found = [self.sum()]
        while self._tokens.peek() == ",":
            self._tokens.next()
            found.append(self.sum())
        self._tokens.expect(PARTNER[opened])
        return tuple(found)

    def _function_argument(self) -> Node:
        r"""(…) or {…} alone, else the factors up to the next sign or function: \sin 2x\cos x is a product."""
        if self._tokens.peek() == "-":
            self._tokens.next()
            return Apply("neg", (self._function_argument(),))
        if self._tokens.peek() in {"(", "{", "["}:
            tree = self._marked(self._group())
            if self._tokens.peek() != "^":
                return tree
            self._tokens.next()
            return Apply("pow", (tree, self._exponent()))
        tree = self._power()
        while (
            (word := self._tokens.peek()) not in ENDS
            and word not in FUNCTIONS
            and word != "("
            and self._starts(word)
        ):
            tree = Apply("mul", (tree, self._power()))
        return tree

    def _series(self, word: str) -> Node:
        r"""\sum_{j=1}^{m} of the product behind it."""
        self._tokens.expect("_")
        self._tokens.expect("{")
        variable = self._tokens.next()
        self._tokens.expect("=")
        low = self.sum()
        self._tokens.expect("}")
        self._tokens.expect("^")
        high = self._exponent()
        return Apply(word, (Symbol(variable), low, high, self._product()))

    def _argument(self) -> Node:
        return self._group() if self._tokens.peek() in {"{", "("} else self._atom()

    def _group(self) -> Node:
        opened = self._tokens.next()
        if opened not in PARTNER:
            raise UnreadError(opened)
        bars, self._bars = self._bars, 0
        tree = self.sum()
        self._bars = bars
        self._tokens.expect(PARTNER[opened])
        return tree
