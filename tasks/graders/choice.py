"""Multiple choice: the letter, however it is dressed."""

import re
from collections import deque
from collections.abc import Sequence

from configs.graders import ChoiceGrader
from tasks.graders.extraction import boxed_answer
from tasks.graders.layout import undecorated
from tasks.graders.normalise import vote_key
from tasks.graders.phrases import ELSEWHERE, HEADING, STATED, is_from_elsewhere
from tasks.graders.protocol import Quick, Verdict, key_of, settings_of

_LETTER = re.compile(
    r"(?:\\?[(\[{<]([A-Za-z])\\?[)\]}>]|([A-Za-z])(?=[.):;]|$)[.):;]?|([A-Z])(?=\s*[-,(]|\s+[^\s=^_+*/<>]))(.*)",
    re.DOTALL,
)
"""B, (B), B) 12, B. twelve, B: 12; a capital also before a dash, a comma, a bracket or the choice's text."""

_NAMED = re.compile(
    r"(?:(?:so|thus|therefore|hence),?\s+)?(?:the\s+)?(?:(?:final|correct|best|right)\s+)*(?:option|choice|answer)\b"
    r"(?:\s+(?:is|must be|should be))?[\s:*]*(?:(?:option|choice)\b[\s:*]*)?",
    re.IGNORECASE,
)
_ANOTHER = re.compile(r"\s*(?:(?:and|or|to|through|nor)\b|[,&/]\s*\(?[A-J]\)?(?![A-Za-z0-9]))", re.IGNORECASE)
_NO_CHOICE = re.compile(r"\s+[A-Za-z]")
_LAST_LINE = 240
"""Characters of a last line that is looked at."""
_HOMOGLYPHS = str.maketrans("АВСЕНІ", "ABCEHI")  # noqa: RUF001 - Cyrillic letters that look like ours
_QUOTES = " *\n.\"'`"
_LETTERED = r"(?:[(\[*\"'$]|\\\(|\\(?:text|textbf|mathrm|mathbf)\s*\{)*(?P<letter>[A-Z])(?:[)\]*\"'$}]|\\\))*"
_NOT_DENIED = r"(?<!\bnor)(?<!\bneither)(?<!\bthat)(?<!\bif)(?<!\bwhether)"
"""Before what is said of a letter: neither B nor C is correct, it is false that C is."""
_CALLED = re.compile(
    rf"{_NOT_DENIED}(?:^|[\s:])(?:(?:the[ \t]+)?(?:option|choice|answer)[ \t]+)?{_LETTERED}[ \t]+is[ \t]+"
    r"(?:(?:the|my|our)[ \t]+)?(?:(?:final|clearly|indeed|therefore|thus|only|most)[ \t]+)*"
    r"(?:(?:correct|right|best)(?![ \t]*(?:to|for|that|if|when)\b)|(?:answer|option|choice)\b)",
    re.MULTILINE,
)
"""B is correct, option B is the right choice."""
_CHOSEN = re.compile(
    rf"\b(?:(?:I|[Ww]e)(?:[ \t]+would|[ \t]+will|'d|'ll)?[ \t]+(?:choose|pick|select|go with)"
    rf"|(?:I'm|I[ \t]+am|[Ww]e're)[ \t]+going[ \t]+with|[Ll]et(?:[ \t]+me|[ \t]+us|'s)[ \t]+(?:choose|pick|select|go with))[ \t]+"
    rf"(?:(?:the[ \t]+)?(?:option|choice|answer)[ \t]+)?{_LETTERED}(?![A-Za-z0-9])"
)
_PICTURE = r"[\u2190-\u2bff\ufe0f\U0001f300-\U0001faff]"
"""Arrows, ticks and the like."""
_ALONE = re.compile(
    rf"(?:[ \t#]|{_PICTURE})*(?:(?:[Ss]o|[Tt]hus|[Hh]ence|[Tt]herefore),?[ \t]+)?"
    rf"(?:(?:[Ii]t|[Tt]his)[ \t]+(?:must|has to|should)[ \t]+be[ \t]+|(?:[Ii]t|[Tt]his)(?:'s|[ \t]+is)[ \t]+"
    rf"|(?:[Cc]hoose|[Ss]elect|[Pp]ick)[ \t]+)?"
    rf"(?:(?:[Tt]he[ \t]+)?(?:[Aa]nswer[ \t]+)?(?:[Oo]ption|[Cc]hoice|[Ll]etter)[ \t]+)?{_LETTERED}(?:[.):][^\n]{{0,200}})?[ \t]*"
)
"""A line that is a letter, at most with a word before it and its choice's text behind."""
_ONLY = re.compile(r"[#>*\s]*\(?(?P<letter>[A-Ja-j])\)?[.\s*]*")
"""A text or first line that is a letter and nothing else."""
_FENCE = re.compile(r"^`{3}\w*$\n?|\n?^`{3}$", re.MULTILINE)
_CHINESE = re.compile(
    r"(?:选项?[ \t]*|(?<![A-Za-z]))[(\uff08]?(?P<letter>[A-J])[)\uff09]?[ \t]*(?:选?项)?[ \t]*(?:是|为)?(?:正确|对)(?!吗)"
)
"""Option C is correct."""
_STYLED = re.compile(r"\\math(?:cal|bb|frak)\s*\{\s*([A-Za-z])\s*\}")
_SEVERAL = re.compile(
    r"[)\]*}$.\"']*\s*(?:(?:and|or|&|/)\s*(?:option\s+)?[(\[*\"'$]*[A-J][)\]*}$\"']*(?![A-Za-z0-9])(?!\s+(?:is|are|was|would|being|has|does)\b)"
    r"|,\s*[(\[*]*[A-J][)\]*]*\s*(?=$|[.,\n]|and\b|or\b))"
)
"""Further letters behind the first: B or C; (B) and (C); A, B, D."""
_ONE = re.compile(r"(?<![A-Za-z])[A-J](?![A-Za-z])")
_DRESS = (
    r"(?:not[ \t]+[(*]*[A-J][)*]*,?[ \t]+but[ \t]+(?:rather[ \t]+)?)?"
    r"(?:[\s*_$\"'“”«\u2018\u2019`:\uff1a(\[{\uff08【《「]|\\\(|\\\["
    r"|\\(?:text|textbf|mathrm|mathbf|mathsf|boxed)\s*\{|<(?=[A-Z]>)"
    rf"|(?<=\n)[>\-](?=[ *(]*[A-Z])|{_PICTURE}"
    r"|(?:option|choice|therefore|thus|then|hence|clearly|indeed|likely|most|simply)\b,?)*"
)
_STATED = re.compile(
    rf"(?:{STATED}"
    r"|\bans\.(?=[ \t]+\(?[A-J]\b)"
    r"|\b(?:correct|right|best|my|likely)[ \t]+(?:final[ \t]+)?(?:option|choice|one|letter|statement)\b[*_]*[ \t]*"
    r"(?::|=|\b(?:is|must be|should be)\b)"
    r"|\b(?:option|choice)[ \t]*[:\uff1a]"
    r"|\bthe[ \t]+(?:option|choice)[ \t]+(?:that[ \t][^.\n:=]{0,80}?)?is\b|\bcorrect[*_]*[ \t]*[:\uff1a]"
    r"|[\"'](?:(?:final|correct|selected|chosen|predicted|answer)_)?(?:choice|option|letter|prediction)[\"'][ \t]*:"
    r"|正确选项[是为]?[:\uff1a \t]*|(?<![不筛候])选(?:择)?[:\uff1a \t]*(?=[(\uff08【]?[A-J](?![A-Za-z]))"
    r"|\banswer(?=[ \t]+\(?[A-Z]\)?(?:[.\s]*\Z))"
    rf"|{HEADING})" + _DRESS,
    re.IGNORECASE | re.MULTILINE,
)
_ELSEWHERE = re.compile(ELSEWHERE + _DRESS, re.IGNORECASE)
_AFTER = re.compile(r"([A-Za-z])(?![A-Za-z0-9=^]|_[A-Za-z0-9{])(?P<rest>[^\n]{0,60})")


class Choice(Quick):
    """Letters against letters; an answer that names no letter, or several, is wrong."""

    def __init__(self, form: ChoiceGrader) -> None:
        self._form = form
        self.key = key_of("choice", "6", settings_of(form))

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
    text = undecorated(_STYLED.sub(r"\1", answer.translate(_HOMOGLYPHS))).strip(_QUOTES)
    if match := _NAMED.match(text):
        text = text[match.end() :].strip(" *")
    match = _LETTER.fullmatch(text)
    if match is None or _ANOTHER.match(match[4]):
        return None
    if match[3] and match[3] in "AI" and _NO_CHOICE.match(match[4]):
        return None  # the words A and I
    return (match[1] or match[2] or match[3]).upper()


def stated_letter(text: str) -> str | None:
    """The letter after the last "the answer is", "Answer:", "the correct option is" or heading that one follows.

    All that is said where it is several.
    """
    for pattern in (_STATED, _ELSEWHERE) if is_from_elsewhere(text) else (_STATED,):
        last = deque(
            (found for match in pattern.finditer(text) if (found := _after(text, match.end()))), maxlen=1
        )
        if last:
            return last[0]
    return _letter_otherwise(text)


def _letter_otherwise(text: str) -> str | None:
    """The letter of the last "B is correct" or "I choose B", or of a last line that holds nothing else."""
    patterns = (_CHOSEN, _CALLED, _CHINESE)
    called = [found[0] for pattern in patterns if (found := deque(pattern.finditer(text), maxlen=1))]
    if called:
        return max(called, key=lambda match: match.start("letter"))["letter"]
    plain = _FENCE.sub("", text[-_LAST_LINE:]).strip() if "```" in text[-_LAST_LINE:] else text.strip()
    found = _ALONE.fullmatch(plain[-_LAST_LINE:].rpartition("\n")[2]) or _ONLY.fullmatch(
        text.strip()[:_LAST_LINE].partition("\n")[0]
    )
    return found["letter"].upper() if found else None


def _after(text: str, place: int) -> str | None:
    match = _AFTER.match(text, place)
    if match is None:
        return None
    letter, rest = match[1], match["rest"]
    if letter.isupper() and (several := _SEVERAL.match(rest)):
        return " and ".join([letter, *_ONE.findall(several[0])])
    if letter in "aI" and re.match(r"\s+[A-Za-z]", rest):
        return None  # an article, a pronoun
    if (
        letter == "A"
        and re.match(r"\s+[a-z]", rest)
        and not re.match(r"\s+(?:because|since|as|is|for)\b", rest)
    ):
        return None
    return letter.upper()
