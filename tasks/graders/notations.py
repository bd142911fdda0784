r"""Notations of other countries and of older LaTeX: 0.1(6), 1.234,5, 1011 (base 2), {}_{10}C_3, {7\over 3}, arctg."""

import re

_OTHER_NAMES = re.compile(
    r"(?<![A-Za-z\\])(?:\\?arc(ctg|tg)|\\(ctg|tg)|\\?a(sin|cos|tan)(?=\s*[\\({\d])|\\?arc?((?:sin|cos|tan)h))(?![A-Za-z])"
)
r"""arctg, \tg, atan, arcsinh."""
_LATIN_NAMES = {"tg": "tan", "ctg": "cot"}
_LOCAL_THOUSANDS = re.compile(
    r"(?<![\d.,'_])[1-9]\d{0,2}(?:(?:\.\d{3}){2,}(?:,\d+)?|\.\d{3},\d+|(?:'\d{3})+(?:\.\d+)?|(?:_\d{3}){2,}|(?:,\d\d)+,\d{3}(?:\.\d+)?)"
    r"(?![\d.,'_])"
)
"""1.234.567, 1.234,5, 1'234.5, 1_234_567 and 12,34,567."""
_BRACKET = re.compile(r"[(\[{]")
_REPEATED = re.compile(r"([-+]?\d*\.\d{0,40}?)(?:(\d)\2{2,}|(\d{2,40}?)\3+)(?:\.{3}|\\[lc]?dots\.?)")
r"""0.1666..., 0.142857142857\ldots: the digits that were said again go on."""
_REPEATING = re.compile(r"(?<=\.)(\d*)\\(?:bar|dot)\s*(?:\{(\d+)\}|(\d))(?:(\d*)\\dot\s*\{?(\d)\}?)?")
_IN_BRACKETS = re.compile(r"([-+]?\d*\.\d*)\((\d+)\)")
"""0.1(6)"""
_OVER = re.compile(r"\{((?:[^{}]|\{[^{}]*\})*)\\(over|choose)(?![a-zA-Z])((?:[^{}]|\{[^{}]*\})*)\}")
_ALL_OVER = re.compile(r"([^{}&=,]*)\\(over|choose)(?![a-zA-Z])([^{}&=,]*)")
_CHOOSE = re.compile(
    r"(?:\{\})?[_^]\{?(\w+?)\}?C_(?:(\w)|\{(\w+)\})|(?<![A-Za-z\\])C_(?:(\d)|\{(\d+)\})\^(?:(\d)|\{(\d+)\})"
)
r"""{}_{10}C_3, {}^{10}C_3, C_{10}^3: 10 over 3."""
_BASED = re.compile(
    r"\(?([\dA-F]+)\)?\s*(?:_\s*\{?\s*\(?(\w+)\)?\s*\}?|\(?\s*(?:in\s+)?base[\s\-_]*(\w+)\s*\)?)|0b([01]+)|0x([\dA-F]+)"
)
_BASES = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
          "ten": "10", "twelve": "12", "sixteen": "16"}  # fmt: skip
_PROPORTION = re.compile(r"(\d+)\s+to\s+(\d+)")
_SHARE = re.compile(r"(\d+)\s+(?:out\s+of|in)\s+(\d+)")
_RAISED_FRACTION = re.compile(r"(?:\{\})?\^(?:\{(\d+)\}|(\d))\s*/\s*_(?:\{(\d+)\}|(\d))")
"""^{3}/_{4}, three quarters in raised and lowered digits."""
_TRANSPOSED = re.compile(
    r"(?:([(\[][^()\[\]&]*,[^()\[\]&]*[)\]])|(\\begin\{([pb]matrix)\}[^\\]*\\end\{\3\}))\s*\^\s*\{?\s*(?:\\top|\\intercal|T)\s*\}?"
)
r"""(1,2)^T; a matrix of one row, whose column it is."""


def based(text: str) -> str:
    """1011_{2} for 1011 (base 2), (1011)_2 and 0b1011, 3:4 for 3 to 4, 1/2 for 1 out of 2; other texts as they are."""
    if match := _BASED.fullmatch(text):
        digits, index, base, binary, hexadecimal = match.groups()
        if binary or hexadecimal:
            return f"{binary}_{{2}}" if binary else f"{hexadecimal}_{{16}}"
        base = _BASES.get(index or base, index or base)
        return f"{digits}_{{{base}}}" if base.isdecimal() else text
    if share := _SHARE.fullmatch(text):
        return rf"\frac{{{share[1]}}}{{{share[2]}}}"
    return _PROPORTION.sub(r"\1:\2", text) if _PROPORTION.fullmatch(text) else text


def raised_fractions(text: str) -> str:
    r"""\frac{3}{4} for ^{3}/_{4}."""
    return _RAISED_FRACTION.sub(lambda m: rf"\frac{{{m[1] or m[2]}}}{{{m[3] or m[4]}}}", text)


def transposed(text: str) -> str:
    """The tuple or the column that a row with the sign T behind it is."""
    if match := _TRANSPOSED.fullmatch(text):
        return match[1] or match[2].replace("&", r"\\")
    return text


def repeating(text: str) -> str:
    r"""0.1\overline{6} for the other ways of writing what repeats; a\over b as a fraction."""
    if "." in text:
        said, equals, last = text.rpartition("=")
        if match := _REPEATED.fullmatch(last.strip()) or _IN_BRACKETS.fullmatch(last.strip()):
            return rf"{said}{equals}{match[1]}\overline{{{match[2] or match[3]}}}"
        text = _REPEATING.sub(lambda m: rf"{m[1]}\overline{{{''.join(filter(None, m.groups()[1:]))}}}", text)
    if "\\over" in text or "\\choose" in text:
        text = _ALL_OVER.sub(_stacked, text) if _ALL_OVER.fullmatch(text) else _OVER.sub(_stacked, text)
    return text


def _stacked(match: re.Match[str]) -> str:
    r"""{1 \over 2} is \frac{1}{2}, {5 \choose 2} is \binom{5}{2}."""
    return rf"\{'frac' if match[2] == 'over' else 'binom'}{{{match[1].strip()}}}{{{match[3].strip()}}}"


def _chosen(match: re.Match[str]) -> str:
    above, below = (found for found in match.groups() if found)
    return rf"\binom{{{above}}}{{{below}}}"


def _latin(match: re.Match[str]) -> str:
    arc, plain, short, hyperbolic = match.groups()
    if short or hyperbolic:
        return rf"\arc{short} " if short else rf"\ar{hyperbolic} "
    return rf"\{'arc' if arc else ''}{_LATIN_NAMES[arc or plain]} "


def _local(match: re.Match[str]) -> str:
    """A number with the separators of another country as ours."""
    number, separator = match[0], match[0].lstrip("0123456789")[0]
    if separator == "," and _BRACKET.search(match.string):
        return number  # (1,23,456) is a tuple
    number = number.replace(separator, "")
    return number.replace(",", ".") if separator == "." else number


def latin_names(text: str) -> str:
    r"""\arctan for arctg, \tan for \tg, \arcsin for asin."""
    return _OTHER_NAMES.sub(_latin, text)


def binomials(text: str) -> str:
    r"""\binom{10}{3} for {}_{10}C_3, {}^{10}C_3 and C_{10}^3."""
    return _CHOOSE.sub(_chosen, text)


def without_local_separators(text: str) -> str:
    """1234567 for 1.234.567, 1'234'567 and 12,34,567; 1234.5 for 1.234,5."""
    return _LOCAL_THOUSANDS.sub(_local, text)
