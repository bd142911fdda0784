r"""One spelling for answers that differ only in how they are written.

`vote_key` is pure, linear in the text's length and evaluates nothing: it deletes layout commands,
units and separators, and writes integers and exact fractions in lowest terms. Answers with the same
key are the same vote; `\frac{2}{4}`, `0.5`, `1/2` and `$.5$` all have the key `1/2`.
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
"""18 dollars, 12 square units; cm and kin are left to math-verify."""

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
def vote_key(answer: str) -> str:
    """The key under which an answer votes; equal keys are equal answers."""
    text = answer.strip()
    if len(text) > MAX_LENGTH:
        return text
    plain = normalised(text)
    number = value_of(plain)
    return plain if number is None else str(number)


def undressed(text: str) -> str:
    """The text without layout commands and text wrappers; its words and spaces stay."""
    return _TEXT.sub(lambda match: match[1], _LAYOUT.sub("", text))


def normalised(text: str) -> str:
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
