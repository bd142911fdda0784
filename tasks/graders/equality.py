"""What follows from the spelling of gold and answer alone, in this process: no algebra, linear in their length."""

import re
from itertools import accumulate, product

from tasks.graders.arithmetic import value_of
from tasks.graders.layout import undecorated
from tasks.graders.normalise import readings
from tasks.graders.protocol import Verdict

MAX_SYMBOLIC_LENGTH = 400
"""Longer answers are compared as text only."""

MAX_DEPTH = 20
"""Brackets within brackets; no answer needs as many."""

_WORDS = re.compile(r"[A-Za-z][A-Za-z'.\-]*")
_CHOICE = re.compile(r"[A-J]")
_CHOSEN = re.compile(
    r"(?:(?:Option|Choice|Answer)\s*:?\s*)?\(?([A-J])(?:\)\s*[.:]?|[.:])\s*(\S.*)|(?:Option|Choice)\s*\(?([A-J])\)?\.?",
    re.DOTALL,
)
_BEHIND = re.compile(r"(?=.*\d)(.*[^A-Za-z\s])\s*\(([A-J])\)", re.DOTALL)
"""48 (D)."""
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_WITHOUT_BLANK = re.compile(r"\d(?:,|\{,\})\d")
"""A comma that can be a decimal one; 3, 5 is a list."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}/\d{1,2}/\d{4}")
"""A date, and neither a difference nor a quotient."""
_HALF_OF_DAY = re.compile(r"\d\s*([ap])(?:\.\s?m\b|m\b)", re.IGNORECASE)
_INTEGER = re.compile(r"-?\d{1,100}", re.ASCII)
_BLANKS = re.compile(r"\s+(?![\d.\s])|(?<![\d\s])\s+")
_DIGITS = re.compile(r"\d+")


def decided(gold: str, answer: str) -> Verdict | None:  # noqa: C901, PLR0911 - one line a way to decide
    """The verdict that needs no algebra; None where only that can tell, `grader_error` where it is not worth it."""
    if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(answer):
        return "correct" if int(gold) == int(answer) else "wrong"
    if len(answer) > MAX_SYMBOLIC_LENGTH and len(answer) > 4 * len(gold):
        return "wrong"  # no spelling of an answer is that much longer than the answer
    golds, answers = readings(gold), readings(answer)
    if _are_other_halves(gold, answer):
        return "wrong"
    if set(golds) & set(answers) or _is_same_but_for_blanks(gold, answer):
        return "correct"
    if (by_letter := _by_letter(golds[0], answer)) is not None:
        return by_letter
    if _DATE.fullmatch(golds[0]):
        return "wrong"
    values = [(value_of(one), value_of(two)) for one, two in product(golds, answers)]
    if any(one is not None and one == two for one, two in values):
        return "correct"
    if _is_decimal(answer, answers) and values[0][0] is not None and values[0][0].denominator > 1:
        return "correct" if value_of(answers[-1].replace(",", ".")) == values[0][0] else "wrong"
    if _is_decimal(gold, golds) and values[0][1] is not None and values[0][1].denominator > 1:
        return "correct" if value_of(golds[-1].replace(",", ".")) == values[0][1] else "wrong"
    if all(one is not None and two is not None for one, two in values):
        return "wrong"
    if _is_word(golds[0]) and (_is_word(answers[0]) or values[0][1] is not None):
        return "wrong"  # they are not spelled alike, and nothing else makes words equal
    return "grader_error" if any(map(_is_monstrous, (*golds, *answers))) else None


def _are_other_halves(gold: str, answer: str) -> bool:
    """Whether one is a time before noon and the other a time after it."""
    if "m" not in gold.lower():
        return False
    halves = [_HALF_OF_DAY.findall(undecorated(text).lower()) for text in (gold, answer)]
    return all(halves) and halves[0] != halves[1]


def _is_decimal(text: str, spellings: tuple[str, ...]) -> bool:
    """2,74: a number with a decimal comma, or a list of two."""
    return bool(_DECIMAL_COMMA.fullmatch(spellings[-1]) and _WITHOUT_BLANK.search(text))


def _is_same_but_for_blanks(gold: str, answer: str) -> bool:
    """4s and 4 s: what can be a unit or a variable is the same in both. Blanks between digits count."""
    if len(gold) > MAX_SYMBOLIC_LENGTH or len(answer) > MAX_SYMBOLIC_LENGTH:
        return False
    return _BLANKS.sub("", undecorated(gold)) == _BLANKS.sub("", undecorated(answer))


def _is_word(text: str) -> bool:
    """A word of three letters or more; one or two letters can be a product of variables."""
    return bool(_WORDS.fullmatch(text)) and len(text) > 2  # noqa: PLR2004


def _by_letter(gold: str, answer: str) -> Verdict | None:
    r"""A letter and the text of its choice, (D) 48: right for the letter, and for the text where that is the gold."""
    plain = undecorated(answer)
    match = _CHOSEN.fullmatch(plain)
    if match is None:
        behind = _BEHIND.fullmatch(plain)
        if behind is None or not _CHOICE.fullmatch(gold):
            return "correct" if behind and gold in readings(behind[1]) else None
        return "correct" if behind[2] == gold else "wrong"
    if _CHOICE.fullmatch(gold):
        return "correct" if (match[1] or match[3]) == gold else "wrong"
    return "correct" if match[2] and gold in readings(match[2]) else None


def _is_monstrous(text: str) -> bool:
    return (
        len(text) > MAX_SYMBOLIC_LENGTH
        or any(len(digits) > MAX_SYMBOLIC_LENGTH // 4 for digits in _DIGITS.findall(text))
        or _depth(text) > MAX_DEPTH
    )


def _depth(text: str) -> int:
    """How deep brackets of any kind stand within brackets."""
    steps = (1 if c in "([{" else -1 if c in ")]}" else 0 for c in text)
    return max(accumulate(steps), default=0)
