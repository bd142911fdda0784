"""The real number that an expression without variables is, to 120 digits."""

from fractions import Fraction

from tasks.graders.algebra.expressions import expression
from tasks.graders.algebra.functions import TooLargeError
from tasks.graders.algebra.substitution import constant
from tasks.graders.algebra.tokens import UnreadError, tokens_of

MAX_LENGTH = 200
MAX_EXPONENT = 4_000
"""Bits before or behind the point; what is larger or smaller is left to exact values."""


def real_value(text: str) -> Fraction | None:
    """The value of a normal form; None for what has none, is complex, or would be huge."""
    if len(text) > MAX_LENGTH:
        return None
    try:
        value = constant(expression(tokens_of(text)))
    except (UnreadError, TooLargeError):
        return None
    parts = getattr(value, "_mpf_", None)  # sign, mantissa, exponent and its bits; a complex number has none
    if parts is None or abs(parts[2]) > MAX_EXPONENT or (not parts[1] and parts[2]):
        return None
    sign, mantissa, exponent, _ = parts
    return Fraction(-int(mantissa) if sign else int(mantissa)) * Fraction(2) ** exponent
