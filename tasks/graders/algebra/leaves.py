r"""Numbers and geometric names: 3\frac{1}{2}, 0.1\overline{6}, \angle ABC."""

from fractions import Fraction

from tasks.graders.algebra.cursor import Cursor
from tasks.graders.algebra.nodes import Node, Number, Symbol
from tasks.graders.algebra.tokens import UnreadError


def number(cursor: Cursor, word: str) -> Node:
    r"""A number behind which its repeating digits or the fraction of a mixed number may stand."""
    value = Fraction(word)
    if cursor.peek() == r"\overline" and "." in word:
        cursor.next()
        digits = "".join(cursor.letters())
        if not digits.isdecimal():
            raise UnreadError(digits)
        places = len(word) - word.index(".") - 1
        return Number(value + Fraction(int(digits), (10 ** len(digits) - 1) * 10**places))
    if cursor.peek() == "_":
        raise UnreadError("a based number")
    if "." not in word and cursor.peek() == r"\frac":
        parts = [cursor.peek(ahead) for ahead in range(1, 7)]
        if (
            parts[0] + parts[2] + parts[3] + parts[5] == "{}{}"
            and parts[1].isdecimal()
            and parts[4].isdecimal()
        ):
            cursor.skip(7)
            if not int(parts[4]):
                raise UnreadError("division by zero")
            return Number(value + Fraction(int(parts[1]), int(parts[4])))
    return Number(value)


def geometric(cursor: Cursor, word: str) -> Node:
    """An angle or triangle and its points."""
    name = word
    while cursor.peek().isalpha() and len(name) < len(word) + 3:
        name += cursor.next()
    return Symbol(name)
