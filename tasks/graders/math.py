r"""Mathematical equality: integers and fractions exactly, equal spellings, then math-verify.

math-verify (sympy behind it) sees only what the cheaper steps cannot decide, in worker processes,
each distinct case once. Its known wrong verdicts are decided before it is asked:

- `1/2^{99}` = `1/2^{98}`: exact fractions are compared exactly;
- `10\%` = 0.1: a percent sign is a unit, so 10\% is 10 and nothing else;
- (1,2) = {1,2}, (1,2] = [1,2]: brackets around a list must be the same;
- 1\,000 is 1000; "A" is the letter A, never a variable to be solved for.

What would make it run for minutes (towers of powers, factorials of large numbers, very long texts)
is not shown to it.
"""

import re
from collections.abc import Collection, Sequence
from itertools import accumulate

from configs.graders import MathGrader
from tasks.graders import symbolic
from tasks.graders.arithmetic import value_of
from tasks.graders.extraction import boxed_answers
from tasks.graders.normalise import normalised, vote_key
from tasks.graders.protocol import Case, Verdict, key_of, settings_of
from tasks.graders.workers import Workers

MAX_SYMBOLIC_LENGTH = 400
"""Longer answers are compared as text only."""

MAX_EXPONENT_DIGITS = 3

MAX_DEPTH = 20
"""Brackets within brackets; the parser's time doubles with each, and no answer needs as many."""

_TOWER = re.compile(r"\^\s*\{?[^{}^]{0,40}\^")
_LARGE_POWER = re.compile(rf"\^\s*\{{?\s*[-+]?\d{{{MAX_EXPONENT_DIGITS + 1},}}")
_UNFINISHED = re.compile(r"\\(?:i*int|oint|sum|prod|lim)(?![a-z])")
"""Integrals, sums and limits that nobody has worked out are no answers, and sympy would work on them for long."""

_FACTORIAL = re.compile(r"\d{4,}\s*!|!\s*!|\)\s*!|\}\s*!|\\binom\s*\{\s*\d{5,}")
_WORDS = re.compile(r"[A-Za-z][A-Za-z',;.\-]*")
_BASED = re.compile(r"\w+_\{?\d+\}?")
"""A number with its base, such as 28_9, or a letter with its index."""

_DECIMAL = re.compile(r"(?<![\d.])(\d*)\.(\d+)(?![\d.])")
_LIST = re.compile(r"(\\?[(\[{])(.*,.*)(\\?[)\]}])", re.DOTALL)


class Math:
    """Last box against the gold answer; integers, fractions, spellings, then symbols."""

    def __init__(self, form: MathGrader) -> None:
        self._form, self.complaints = form, []
        self.key = key_of("math", "2", settings_of(form))
        self._workers = Workers(symbolic.load, modules=["math_verify"])

    def extract(self, texts: Sequence[str]) -> list[str | None]:
        """The last box, or what the fallback finds."""
        return boxed_answers(texts, self._form.fallback)

    def vote_key(self, answer: str) -> str:
        """The answer's normal form."""
        return vote_key(answer)

    def decide(self, gold: str, answer: str) -> Verdict | None:
        """What follows from the form of both; `grader_error` where an answer is not safe to evaluate."""
        return decided(gold, answer)

    def work_out(self, cases: Collection[Case]) -> dict[Case, Verdict]:
        """What math-verify says of the rest."""
        ordered = list(cases)
        pairs = [(_exact(normalised(case.gold)), _exact(normalised(case.answer))) for case in ordered]
        return dict(zip(ordered, self._workers.verdicts(pairs), strict=True))

    def close(self) -> None:
        """End the workers."""
        self._workers.close()


def decided(gold: str, answer: str) -> Verdict | None:
    """The verdict that needs no algebra; None where only symbols can tell."""
    if len(answer) > MAX_SYMBOLIC_LENGTH and len(answer) > 4 * len(gold):
        return "wrong"  # no spelling of an answer is that much longer than the answer
    left, right = normalised(gold), normalised(answer)
    if left == right:
        return "correct"
    value, other = value_of(left), value_of(right)
    if value is not None and other is not None:
        return "correct" if value == other else "wrong"
    is_base = _BASED.fullmatch(left) and _BASED.fullmatch(right)
    is_word = _WORDS.fullmatch(left) or _WORDS.fullmatch(right)
    if is_base or is_word or _brackets(left) != _brackets(right):
        return "wrong"  # they are not spelled alike, and nothing else makes them equal
    return "grader_error" if any(map(_is_monstrous, (left, right))) else None


def _exact(text: str) -> str:
    """Decimals as fractions: math-verify rounds decimals and then calls 0.333333 a third."""
    return _DECIMAL.sub(lambda m: rf"\frac{{{m[1]}{m[2]}}}{{1{'0' * len(m[2])}}}", text)


def _brackets(text: str) -> tuple[str, str] | None:
    """The brackets around a list, tuple, interval or set; bare lists and single values have none."""
    match = _LIST.fullmatch(text)
    return (match[1].removeprefix("\\"), match[3].removeprefix("\\")) if match else None


def _is_monstrous(text: str) -> bool:
    return (
        len(text) > MAX_SYMBOLIC_LENGTH
        or any(pattern.search(text) for pattern in (_TOWER, _LARGE_POWER, _FACTORIAL, _UNFINISHED))
        or any(len(digits) > MAX_SYMBOLIC_LENGTH // 4 for digits in re.findall(r"\d+", text))
        or _depth(text) > MAX_DEPTH
    )


def _depth(text: str) -> int:
    """How deep brackets of any kind stand within brackets."""
    steps = (1 if c in "([{" else -1 if c in ")]}" else 0 for c in text)
    return max(accumulate(steps), default=0)
