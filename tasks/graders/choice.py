"""Multiple choice: the letter, however it is dressed."""

import re
from collections import deque
from collections.abc import Sequence

from configs.graders import ChoiceGrader
from tasks.graders.extraction import boxed_answer
from tasks.graders.layout import undecorated
from tasks.graders.normalise import vote_key
from tasks.graders.phrases import HEADING, STATED
from tasks.graders.protocol import Quick, Verdict, key_of, settings_of

_LETTER = re.compile(
    r"(?:\(([A-Za-z])\)|([A-Za-z])(?=[.):]|$)[.):]?|([A-Z])(?=\s*[-,(]|\s+[^\s=^_+*/<>]))(.*)", re.DOTALL
)
"""B, (B), B) 12, B. twelve, B: 12; a capital also before a dash, a comma, a bracket or the choice's text."""

_NAMED = re.compile(
    r"(?:(?:so|thus|therefore|hence),?\s+)?(?:the\s+)?(?:(?:final|correct|best|right)\s+)*(?:option|choice|answer)\b"
    r"(?:\s+(?:is|must be|should be))?[\s:*]*(?:(?:option|choice)\b[\s:*]*)?",
    re.IGNORECASE,
)
_ANOTHER = re.compile(r"\s*(?:(?:and|or)\b|[,&/]\s*\(?[A-J]\)?(?![A-Za-z0-9]))", re.IGNORECASE)
_NO_CHOICE = re.compile(r"\s+[A-Za-z]")
_DRESS = r"(?:[\s*_$\"'“”\u2018\u2019`:(\[{]|\\\(|\\\[|\\(?:text|textbf|mathrm|mathbf|mathsf|boxed)\s*\{|(?:option|choice)\b)*"
_STATED = re.compile(
    rf"(?:{STATED}"
    r"|\b(?:correct|right|best)[ \t]+(?:option|choice|one)\b[*_]*[ \t]*(?::|=|\b(?:is|must be|should be)\b)"
    r"|\b(?:option|choice)[ \t]*:"
    rf"|{HEADING})" + _DRESS,
    re.IGNORECASE | re.MULTILINE,
)
_AFTER = re.compile(r"([A-Za-z])(?![A-Za-z0-9=^_])(?P<rest>[^\n]{0,60})")


class Choice(Quick):
    """Letters against letters; an answer that names no letter, or several, is wrong."""

    def __init__(self, form: ChoiceGrader) -> None:
        self._form = form
        self.key = key_of("choice", "3", settings_of(form))

    def extract(self, texts: Sequence[str]) -> list[str | None]:
        """The last box, or the letter after the last "the answer is"; that letter also where the box names none."""
        return [self._found(text) for text in texts]

    def _found(self, text: str) -> str | None:
        boxed = boxed_answer(text)
        if self._form.fallback == "none" or (boxed is not None and letter_of(boxed)):
            return boxed
        return stated_letter(text) or boxed

    def vote_key(self, answer: str) -> str:
        """The letter, or the answer's normal form where there is none."""
        return letter_of(answer) or vote_key(answer)

    def decide(self, gold: str, answer: str) -> Verdict:
        """Whether both name the same letter; a gold answer without one is the benchmark's mistake."""
        right = letter_of(gold)
        if right is None:
            return "grader_error"
        return "correct" if letter_of(answer) == right else "wrong"

    def proves(self, gold: str, answer: str) -> bool:  # noqa: ARG002
        """Whether the answer names a letter."""
        return letter_of(answer) is not None


def letter_of(answer: str) -> str | None:
    r"""The capital letter that an answer names: B, (b), \text{(B)}, B. Paris; None for words or several letters."""
    text = undecorated(answer).strip(" *\n.")
    if match := _NAMED.match(text):
        text = text[match.end() :].strip(" *")
    match = _LETTER.fullmatch(text)
    if match is None or _ANOTHER.match(match[4]):
        return None
    if match[3] and match[3] in "AI" and _NO_CHOICE.match(match[4]):
        return None  # the words A and I
    return (match[1] or match[2] or match[3]).upper()


def stated_letter(text: str) -> str | None:
    """The letter after the last "the answer is", "Answer:", "the correct option is" or heading that one follows."""
    last = deque(
        (found for match in _STATED.finditer(text) if (found := _after(text, match.end()))), maxlen=1
    )
    return last[0] if last else None


def _after(text: str, place: int) -> str | None:
    match = _AFTER.match(text, place)
    if match is None:
        return None
    letter, rest = match[1], match["rest"]
    if letter in "aI" and re.match(r"\s+[A-Za-z]", rest):
        return None  # an article, a pronoun
    if (
        letter == "A"
        and re.match(r"\s+[a-z]", rest)
        and not re.match(r"\s+(?:because|since|as|is|for)\b", rest)
    ):
        return None
    return letter.upper()
