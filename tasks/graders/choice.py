"""Multiple choice: the letter, however it is dressed."""

import re
from collections import deque
from collections.abc import Sequence

from configs.graders import ChoiceGrader
from tasks.graders.extraction import extract_answer
from tasks.graders.normalise import undressed, vote_key
from tasks.graders.protocol import Quick, Verdict, key_of, settings_of

_LETTER = re.compile(r"(?:\(([A-Z])\)|([A-Z])(?=[.):]|$)[.):]?)(.*)", re.IGNORECASE | re.DOTALL)
"""B, (B), B) 12, B. twelve, B: 12."""

_NAMED = re.compile(r"(?:option|choice|answer)\b[\s:]*", re.IGNORECASE)
_ANOTHER = re.compile(r"\s*(?:(?:and|or)\b|[,&/])", re.IGNORECASE)
_STATED = re.compile(
    r"\banswer\b[ \t]*(?:is|:|=)[\s:*$]*(?:option|choice)?[\s*]*(?:\\text\{)?\(?([A-Z])\b", re.IGNORECASE
)


class Choice(Quick):
    """Letters against letters; an answer that names no letter, or several, is wrong."""

    def __init__(self, form: ChoiceGrader) -> None:
        self._form = form
        self.key = key_of("choice", "1", settings_of(form))

    def extract(self, texts: Sequence[str]) -> list[str | None]:
        """The last box, or the letter after the last "the answer is"."""
        otherwise = stated_letter if self._form.fallback == "phrase" else _nothing
        return [found if (found := extract_answer(text)) is not None else otherwise(text) for text in texts]

    def vote_key(self, answer: str) -> str:
        """The letter, or the answer's normal form where there is none."""
        return letter_of(answer) or vote_key(answer)

    def decide(self, gold: str, answer: str) -> Verdict:
        """Whether both name the same letter; a gold answer without one is the benchmark's mistake."""
        right = letter_of(gold)
        if right is None:
            return "grader_error"
        return "correct" if letter_of(answer) == right else "wrong"


def letter_of(answer: str) -> str | None:
    r"""The capital letter that an answer names: B, (b), \text{(B)}, B. Paris; None for words or several letters."""
    text = undressed(answer).strip(" *\n")
    if match := _NAMED.match(text):
        text = text[match.end() :]
    match = _LETTER.fullmatch(text)
    if match is None or _ANOTHER.match(match[3]):
        return None
    return (match[1] or match[2]).upper()


def stated_letter(text: str) -> str | None:
    """The letter after the last "the answer is" or "Answer:"."""
    last = deque(_STATED.finditer(text), maxlen=1)
    return last[0][1].upper() if last else None


def _nothing(_: str) -> None:
    return None
