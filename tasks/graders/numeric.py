"""Numbers within a tolerance, compared exactly: floating point never decides a verdict."""

import re
from collections.abc import Sequence
from fractions import Fraction

from configs.graders import NumericGrader
from tasks.graders.algebra.values import real_value
from tasks.graders.arithmetic import value_of
from tasks.graders.extraction import boxed_answers
from tasks.graders.normalise import normalised, vote_key
from tasks.graders.protocol import Quick, Verdict, key_of, settings_of
from tasks.graders.units import is_unit

_LETTERS = re.compile("[A-Za-z]+")
_WITH_UNIT = re.compile(r"([-+]?(?:\d[\d,]*(?:\.\d+)?|\.\d+))[A-Za-z°%$€£²³/^]+\d?")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,(?:\d{1,2}|\d{4,})")
"""3,14: a comma that parts no thousands."""
_BETWEEN_DIGITS = re.compile(r"\d(?:,|\{,\})\d")


class Numeric(Quick):
    """A number against a number; an answer that is none is wrong."""

    def __init__(self, form: NumericGrader) -> None:
        self._form = form
        self.key = key_of("numeric", "6", settings_of(form))

    def extract(self, texts: Sequence[str]) -> list[str | None]:
        """The last box, or what the fallback finds."""
        return boxed_answers(texts, self._form.fallback)

    def vote_key(self, answer: str) -> str:
        """The number in lowest terms; answers within the tolerance of each other still vote apart."""
        value = number_of(answer)
        return vote_key(answer) if value is None else str(value)

    def decide(self, gold: str, answer: str) -> Verdict:
        """Whether the answer is near enough; a gold answer that is no number is the benchmark's mistake."""
        right, value = number_of(gold), number_of(answer)
        if right is None:
            return "grader_error"
        if value is None:
            return "wrong"
        room = max(Fraction(str(self._form.absolute)), Fraction(str(self._form.relative)) * abs(right))
        return "correct" if abs(value - right) <= room else "wrong"

    def proves(self, gold: str, answer: str) -> bool:  # noqa: ARG002
        """Whether the answer is a number."""
        return number_of(answer) is not None


def number_of(text: str) -> Fraction | None:
    r"""The value of an integer, decimal, fraction, power, root, multiple of \pi or e; a unit behind it is dropped."""
    plain = normalised(text)
    if (value := value_of(plain)) is not None:
        return value
    if (match := _WITH_UNIT.fullmatch(plain)) and all(map(is_unit, _LETTERS.findall(plain))):
        return value_of(match[1].replace(",", ""))
    if _DECIMAL_COMMA.fullmatch(plain) and _BETWEEN_DIGITS.search(text):
        return value_of(plain.replace(",", "."))
    return real_value(plain)
