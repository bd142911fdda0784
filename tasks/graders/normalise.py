r"""One spelling for answers that differ only in how they are written.

`vote_key` is pure, linear in the text's length and evaluates nothing: it deletes layout commands,
units and separators, and writes integers and exact fractions in lowest terms. Answers with the same
key are the same vote; `\frac{2}{4}`, `0.5`, `1/2` and `$.5$` all have the key `1/2`.
"""

import re
from functools import lru_cache

from tasks.graders.arithmetic import value_of
from tasks.graders.layout import undecorated
from tasks.graders.notations import (
    based,
    binomials,
    latin_names,
    raised_fractions,
    repeating,
    transposed,
    without_local_separators,
)
from tasks.graders.numerals import in_digits
from tasks.graders.units import without_units

MAX_LENGTH = 1000
"""Longer answers keep their text as it is: nobody writes an answer of that length twice alike."""

_PLAIN = re.compile(r"\d{1,30}")

_CONNECTED = re.compile(
    r"\s*,?\s+(?:and|or)\s+|\s*,?\s*\\(?:l?or|l?and|vee|wedge)(?![a-zA-Z])\s*|\s+\\&\s+|(?<=[\d)}\]])(?:and|or)(?=[-\d(\\\[a-z])"
)
r"""1, 2 and 3; 1 or 3; 6 \lor 11."""

_ARTICLE = re.compile(r"^(?:an?|the)\s+(?=[A-Za-z]{3,}(?:\s+[a-z]{3,})*$)", re.IGNORECASE)
"""Before words alone: a hyperbola."""
_EITHER = re.compile(r"\s*,?\s+or\s+|\s*\\(?:lor|vee)(?![a-zA-Z])\s*")
_ORDER = re.compile(r"[<>]|\\[lg](?:t|eq?(?:slant|q)?)(?![a-z])")

_QUALIFIED = re.compile(
    r",?\s+(?:for\s+(?:all|any|every|each|some)|where\s+\$?[a-z]\$?\s*(?:is|\\in)|with\s+[a-z]\s*\\in|as\s+(?:desired|required))(?![a-z])"
    r".*?(?=,?\s+(?:and|or)\s+[A-Za-z]\s*[(=]|$)",
    re.DOTALL,
)
"""For all x; where k is an integer: whom a formula speaks of."""

_NAMES = re.compile(
    r"(?<![\\A-Za-z])(arc(?:sin|cos|tan|cot|sec|csc)|(?:sin|cos|tan)h?|cot|sec|csc|cis|log|ln|exp|sqrt|pi|infty|binom)(?![A-Za-z])"
)
_GREEK = re.compile(r"(?<![\\A-Za-z])(alpha|beta|gamma|delta|epsilon|theta|lambda|sigma|omega)(?![A-Za-z(])")
_INFINITY = re.compile(r"(?<![\\A-Za-z])(?:infinity|inf|oo)(?![A-Za-z])", re.IGNORECASE)
_FRACTION = re.compile(r"\\(?:[dtc]frac|nicefrac|sfrac|xfrac)(?![a-zA-Z])")
_SHORT_FRACTION = re.compile(
    r"\\frac\s*(?:\{([^{}]*)\}|(\d|[a-zA-Z]|\\pi(?![a-z])))\s*(?:\{([^{}]*)\}|(\d|[a-zA-Z]|\\pi(?![a-z])))"
)
_SHORT_ROOT = re.compile(r"\\sqrt\s*(\d+|[a-zA-Z](?![a-zA-Z]))")
_LONG_POWER = re.compile(r"(?:\^|\*\*)\s*([-+]?\d{2,}|-\d)")
_SHORT_POWER = re.compile(r"([\^_])\{(\w)\}(?!\d)")
_POWER_THEN_DIGIT = re.compile(r"([\^_])\s*(\w)\s+(?=\d)")
_THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:(?:,\d{3})+|(?:\{,\}\d{3})+)(?:\.\d+)?(?!\d|\{?,\}?\d)")
_BRACED_THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:\{,\}\d{3})+(?!\d|\{?,\}?\d)")
_LOCAL_TENS = re.compile(r"(?<![\d.,])(\d+),(\d+)(?=\s*\*\s*10\s*(?:\^|\*\*))")
"""3,5*10^{-4}"""
_SPACED_COMMA = re.compile(r",\s+")
_SPACED_THOUSANDS = re.compile(r"(?<![\d.])[1-9]\d{0,2}(?: +\d{3})+(?![\d ]*\d|\s*/)")
_MIXED = re.compile(r"(?<![\d.])(\d+) +([1-9]\d*)\s*/\s*(\d+)(?![\d.])")
_MIXED_AND = re.compile(
    r"(?<![\d.,/])(\d+)\s+and\s+([1-9]\d*\s*/\s*\d+|\\[dt]?frac\s*(?:\{\d+\}\s*\{\d+\}|\d\s*\d))(?=$|\s+[a-z])"
)
"""3 and 1/2 is a mixed number, or a list of two."""
_SCIENTIFIC = re.compile(
    r"(?<![A-Za-z\\}_^])((?<![\d.])\d+(?:\.\d+)?|(?<![\d.])\.\d+)[eE]\{?([-+]?\d{1,4})\}?(?![\d.A-Za-z])"
)
_PLAIN_MATRIX = re.compile(r"\\[pb]?matrix\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
r"""TeX's own \pmatrix{1&2\cr 3&4}."""
_LINES = re.compile(r"\s*\\\\(?:\s+|(?=[-\d(]))")
"""Lines below each other, outside an environment."""
_IN_CASES = re.compile(r",?\s*&\s*(?:(?:if|for|when|where)(?![a-z])\s*)?")
"""x, & if x>0"""
_SYSTEM = re.compile(r"\\(begin|end)\{array\}(?:\{[a-z|]*\})?")
_ARC = re.compile(
    r"(?<![\d.])(\d+)\s*\^\s*\{?\s*\\circ\s*\}?\s*(\d+(?:\.\d+)?)\s*'(?:\s*(\d+(?:\.\d+)?)\s*(?:''|\"))?(?!')"
)
"""Degrees, minutes and seconds."""
_TIMES_TEN = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*(?:\^|\*\*))")
_APART = re.compile(r"(?<=\d)\s+(?=[\d.])")
_COMMAND_THEN_LETTER = re.compile(r"(\\[A-Za-z]+)\s+(?=[A-Za-z])")


def _primes(match: re.Match[str]) -> str:
    r"""f^{\prime\prime} is f''."""
    return "'" * match[0].count("prime")


def _half_line(match: re.Match[str]) -> str:
    r"""\mathbb{R}^+ is (0,\infty), \mathbb{R}_{\le 0} is (-\infty,0]."""
    sign = (match[1] or match[2] or match[3]).strip()
    opened, closed = ("[", "]") if sign.startswith("\\") else ("(", ")")
    is_positive = sign in {"+", ">"} or sign.startswith(r"\ge")
    return rf"{opened}0,\infty)" if is_positive else rf"(-\infty,0{closed}"


_SPELLINGS = (
    (re.compile(r"(?:(?<=\\\})|(?<=\\mathbb\{R\}))\s*-\s*(?=\\\{)|\\backslash(?=\s*\\\{)"), r"\\setminus "),
    (
        re.compile(
            r"\\mathbb\s*\{?R\}?\s*(?:\^\s*\{?\s*([+-])\s*\}?|_\s*\{?\s*([+-])\s*\}?|_\s*\{\s*([<>]|\\(?:le|ge)(?:qslant|q)?(?![a-z]))\s*0\s*\})"
        ),
        _half_line,
    ),
    (re.compile(r"\\(?:cdot|times|ast)(?![a-zA-Z])"), "*"),
    (re.compile(r"\\div(?![a-zA-Z])"), "/"),
    (re.compile(r"\\cr(?![a-zA-Z])"), r"\\\\"),
    (re.compile(r"\\(?:leqslant|leqq|leq)(?![a-zA-Z])|<=|=<"), r"\\le "),
    (re.compile(r"\\(?:geqslant|geqq|geq)(?![a-zA-Z])|>="), r"\\ge "),
    (re.compile(r"\\lt(?![a-zA-Z])"), "<"),
    (re.compile(r"\\gt(?![a-zA-Z])"), ">"),
    (re.compile(r"^\{([a-zA-Z](?:\s*\\in.*?)?\s*(?:\||:|\\mid(?![a-z])).*)\}$"), r"\\{\1\\}"),
    (re.compile(r"\\neq(?![a-zA-Z])|\\not\s*=|!="), r"\\ne "),
    (re.compile(r"\\(?:varnothing)(?![a-zA-Z])"), r"\\emptyset "),
    (re.compile(r"\\lbrace(?![a-zA-Z])"), r"\\{"),
    (re.compile(r"\\lbrack(?![a-zA-Z])"), "["),
    (re.compile(r"\\rbrack(?![a-zA-Z])"), "]"),
    (re.compile(r"\\lparen(?![a-zA-Z])"), "("),
    (re.compile(r"\\rparen(?![a-zA-Z])"), ")"),
    (re.compile(r"\\imath(?![a-zA-Z])"), "i"),
    (re.compile(r"\\surd(?![a-zA-Z])"), r"\\sqrt"),
    (re.compile(r"\^\s*(?:\{\s*((?:\\prime\s*)+)\}|(\\prime)(?![a-zA-Z]))"), _primes),
    (re.compile(r"\(?\s*\\?[pb]?mod(?![a-zA-Z])\s*\{?\s*(\w+)\s*\}?\s*\)?"), r"(mod\1)"),
    (re.compile(r"\\rbrace(?![a-zA-Z])"), r"\\}"),
    (re.compile(r"\{[pbB]matrix\*\}(?:\[[lcr]\])?|\{[bB]matrix\}|\{matrix\}|\{smallmatrix\}"), "{pmatrix}"),
)
_OPEN, _CLOSED = ("(", "[", r"\{"), (")", "]", r"\}")
_GOES_ON = ("...", ". . .")
_NAME = r"[A-Za-z](?:_\{?\w+\}?)?(?:\([a-z]\))?"
_ASSIGNED = re.compile(rf"{_NAME}(?:=|\\(?:in|approx|equiv)(?![a-z])\s*)(?=[^=<>]+$)")
_ASSIGNED_TO = re.compile(rf"([^=<>A-Za-z\\]*\d[^=<>A-Za-z\\]*)={_NAME}$")
_FRENCH = re.compile(r"([\[\]])([^\[\]()]+,[^\[\]()]+)([\[\]])")
"""]1,2] is (1,2]."""
_IS_FRENCH = re.compile(r"(?:^|\\in|\\cup|=)\s*\]|\[\s*(?:$|\\cup)")

_SAYINGS = {
    **dict.fromkeys(
        (
            "none",
            "nosolutionexists",
            "nosolutionsexist",
            "therearenosolutions",
            "thereisnosolution",
            "thereisnorealsolution",
            "无解",
            "無解",
            "空集",
            "therearenorealsolutions",
            "nosolution",
            "nosolutions",
            "norealsolution",
            "norealsolutions",
            "emptyset",
        ),
        r"\emptyset ",
    ),
    **dict.fromkeys(("allrealnumbers", "allreals", "allrealvalues", "anyrealnumber"), r"\mathbb{R}"),
    **dict.fromkeys(
        ("infinite", "infinitelymany", "infinitelymanysolutions", "thereareinfinitelymanysolutions"),
        r"\infty ",
    ),
    **dict.fromkeys(("dne", "doesnotexist", "doesntexist"), "doesnotexist"),
}
_GROUPED = re.compile(r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}")
"""Braces around all of it."""

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


def normalised(text: str) -> str:
    """The text without layout, units, separators and the name of a value; still LaTeX."""
    return _bare(spelled(text))


def readings(text: str) -> tuple[str, ...]:
    """The normal forms of a text that can be read in two ways: 210,315 is a number or a list of two."""
    return tuple(dict.fromkeys(map(_bare, named_readings(text))))


def named_readings(text: str) -> tuple[str, ...]:
    """The same with the names of values, x=3."""
    first = spelled(text)
    if "," not in text and " and" not in text:
        return (first,)
    second = spelled(text, as_list=True)
    return (first,) if first == second else (first, second)


def _bare(text: str) -> str:
    if _GROUPED.fullmatch(text):
        text = text[1:-1]
    if match := _ASSIGNED.match(text):
        text = text[match.end() :].strip()
    elif match := _ASSIGNED_TO.fullmatch(text):
        text = match[1]
    if match := _LETTER.fullmatch(text):
        text = match[1]
    if not _WORD.fullmatch(text):
        return text
    return _SAYINGS.get(text.casefold(), text.casefold())


@lru_cache(maxsize=16384)
def spelled(text: str, *, as_list: bool = False) -> str:
    """The text in one spelling; `as_list`: a comma separates even where it can group thousands."""
    if _PLAIN.fullmatch(text):
        return text
    text = transposed(_in_rows(in_digits(_ARTICLE.sub("", undecorated(text)))))
    text = _ARC.sub(_in_degrees, text)
    if not as_list:
        text = _MIXED_AND.sub(r"\1 \2", text)
    text = _CONNECTED.sub(", ", without_units(_either(_QUALIFIED.sub("", text)))).strip()
    if ", " in text:
        text = ", ".join(without_units(part.strip()) for part in _SPACED_COMMA.split(text))
    text = latin_names(based(_without_stop(repeating(text.strip()))))
    text = _INFINITY.sub(r"\\infty ", _GREEK.sub(r"\\\1 ", _NAMES.sub(r"\\\1 ", text)))
    text = _FRACTION.sub(r"\\frac", raised_fractions(text))
    text = _MIXED.sub(_mixed, text)
    text = _SPACED_THOUSANDS.sub(lambda m: m[0].replace(" ", ""), text)
    text = _grouped(text, as_list=as_list)
    text = text.replace("{,}", ",")
    text = _TIMES_TEN.sub("*", text)
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    text = text if as_list else _LOCAL_TENS.sub(r"\1.\2", text)
    text = _SCIENTIFIC.sub(r"\1*10^{\2}", text)
    text = _LONG_POWER.sub(r"^{\1}", text).replace("**", "^")
    text = _without_blanks(_POWER_THEN_DIGIT.sub(r"\1{\2}", text))
    text = _SHORT_FRACTION.sub(
        lambda m: rf"\frac{{{m[2] if m[1] is None else m[1]}}}{{{m[4] if m[3] is None else m[3]}}}", text
    )
    text = binomials(text)
    text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text)
    text = _SHORT_POWER.sub(r"\1\2", text)
    if _IS_FRENCH.search(text):
        text = _FRENCH.sub(
            lambda m: ("(" if m[1] == "]" else "[") + m[2] + (")" if m[3] == "[" else "]"), text
        )
    return _SAYINGS.get(text.casefold(), text)


def _either(text: str) -> str:
    r"""Conditions of which one is enough, as the union that they are: x<2 \cup x>3."""
    parts = _EITHER.split(text)
    if len(parts) > 1 and "," not in text and all(map(_ORDER.search, parts)):
        return r" \cup ".join(parts)
    return text


def _in_rows(text: str) -> str:
    r"""Matrices and systems in one spelling; lines below each other outside of them as a list."""
    if "matrix" in text:
        text = _PLAIN_MATRIX.sub(r"\\begin{pmatrix}\1\\end{pmatrix}", text)
    if "\\begin" not in text:
        text = _LINES.sub(", ", text.replace(" & ", ", "))
    elif "cases" in text:
        text = _IN_CASES.sub("&", text)
    elif text.startswith("\\{") and not text.endswith("\\}"):
        text = _SYSTEM.sub(r"\\\1{cases}", text[2:].strip())
    return text


def _grouped(text: str, *, as_list: bool) -> str:
    """Without the separators of thousands; those that can also separate a list stay where it is read as one."""
    if as_list:
        return _BRACED_THOUSANDS.sub(lambda m: m[0].replace("{,}", ""), text)
    text = without_local_separators(text)
    return _THOUSANDS.sub(lambda m: _joined(m, text), text)


def _in_degrees(match: re.Match[str]) -> str:
    r"""48^\circ 15' is (48+15/60)^\\circ."""
    degrees, minutes, seconds = match.groups()
    return rf"({degrees}+{minutes}/60{f'+{seconds}/3600' if seconds else ''})^{{\circ}}"


def _without_stop(text: str) -> str:
    """Without the full stop or comma of a sentence; the list 1, 2, ... goes on."""
    return text if "," in text and text.endswith(_GOES_ON) else text.rstrip(".,;").strip()


def _mixed(match: re.Match[str]) -> str:
    whole, above, below = match.groups()
    return rf"{whole}\frac{{{above}}}{{{below}}}" if int(above[:20]) < int(below[:20]) else match[0]


def _joined(match: re.Match[str], text: str) -> str:
    """Inside brackets a comma separates, unless one with a blank does: (1,200, 300); elsewhere it groups thousands."""
    before = text[: match.start()]
    inside = sum(before.count(c) for c in _OPEN) - sum(before.count(c) for c in _CLOSED)
    separates = inside > 0 and "{,}" not in match[0] and ";" not in text and not _SPACED_COMMA.search(text)
    return match[0] if separates else match[0].replace("{,}", "").replace(",", "")


def _without_blanks(text: str) -> str:
    r"""No white space but where it separates: 37 45 stays two numbers, \sin x keeps its blank."""
    text = _APART.sub("\x00", text)
    text = _COMMAND_THEN_LETTER.sub("\\1\x01", text)
    return re.sub(r"\s+", "", text).replace("\x00", r"\ ").replace("\x01", " ")
