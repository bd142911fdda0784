r"""Which candidates' answers count as the same one, when references are chosen by what they say.

Which references a prompt shows is part of a stored trace's identity. So this normal form never changes: a
better one is the graders' (`tasks.graders.normalise`), and an experiment of old shows what it showed.
"""

import re
from functools import lru_cache

from tasks.graders.arithmetic import value_of

MAX_LENGTH = 1000
"""Longer answers keep their text as it is: nobody writes an answer of that length twice alike."""

_LAYOUT = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|limits|bigl?|bigr|Bigl?|Bigr|quad|qquad|mathstrut)(?![a-zA-Z])"
    r"|(?<!\\)\\[!,;:> ]|~|\$|\\\(|\\\)|\\\[|\\\]|\\\$"
)
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}")
_UNIT = re.compile(r"(?<=[\d}])\s*\\(?:text|textbf|mathrm|mbox)\s*\{\s*[A-Za-z][^{}0-9]*\}(?:\^\{?\d\}?)?$")
_UNIT_WORDS = re.compile(
    r"(?<=\d)\s+(?!(?:arc)?(?:sin|cos|tan|cot|sec|csc)|log|exp|sqrt|mod|inf)[A-Za-z]{3,}(?:\s+[A-Za-z]+)*$"
)
"""18 dollars, 12 square units; cm and similar units are left to math-verify."""

_CONNECTED = re.compile(r"\s*,?\s+(?:and|or)\s+")
"""1, 2 and 3; 1 or 3."""

_DEGREES = re.compile(r"\^\s*\{?\s*\\circ\s*\}?|\\degree(?![a-zA-Z])|°")
_PERCENT = re.compile(r"\\?%$")
_FRACTION = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_SHORT_FRACTION = re.compile(r"\\frac\s*(?:\{([^{}]*)\}|(\d|[a-zA-Z]))\s*(?:\{([^{}]*)\}|(\d|[a-zA-Z]))")
_SHORT_ROOT = re.compile(r"\\sqrt\s*(\d|[a-zA-Z])(?![a-zA-Z])")
_SHORT_POWER = re.compile(r"([\^_])\{(\w)\}")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:(?:,|\{,\})\d{3})+(?:\.\d+)?")
_ASSIGNED = re.compile(r"[A-Za-z](?:_\{?\w+\}?)?(?:\([a-z]\))?(?:=|\\in)(?=[^=]+$)")
_LETTER = re.compile(r"\(([A-Za-z])\)")
_WORD = re.compile(r"[A-Za-z][A-Za-z'\-]+")


@lru_cache(maxsize=65536)
def reference_key(answer: str) -> str:
    """The key of an answer; equal keys are the same answer."""
    text = answer.strip()
    if len(text) > MAX_LENGTH:
        return text
    plain = _normalised(text)
    number = value_of(plain)
    return plain if number is None else str(number)


def _normalised(text: str) -> str:
    """The text without layout, units and separators; still LaTeX."""
    text = _UNIT.sub("", _LAYOUT.sub("", text).strip())
    text = _UNIT_WORDS.sub("", _CONNECTED.sub(",", _TEXT.sub(r"\1", text)).strip())
    text = _DEGREES.sub("", text).strip().rstrip(".,;").strip()
    text = _PERCENT.sub("", text)
    text = re.sub(r"\s+", "", _FRACTION.sub(r"\\frac", text))
    text = _SHORT_FRACTION.sub(lambda m: rf"\frac{{{m[1] or m[2]}}}{{{m[3] or m[4]}}}", text)
    text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text)
    text = _SHORT_POWER.sub(r"\1\2", text)
    text = (
        text.replace(r"\cdot", "*").replace(r"\times", "*").replace(r"\leq", r"\le").replace(r"\geq", r"\ge")
    )
    text = (
        text.replace("{bmatrix}", "{pmatrix}").replace("−", "-").replace("π", r"\pi").replace("∞", r"\infty")
    )
    if _THOUSANDS.fullmatch(text):
        text = text.replace("{,}", "").replace(",", "")
    if match := _ASSIGNED.match(text):
        text = text[match.end() :]
    if match := _LETTER.fullmatch(text):
        text = match[1]
    return text.casefold() if _WORD.fullmatch(text) else text
