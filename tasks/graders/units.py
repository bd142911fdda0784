"""Words around a number: units are dropped, words that change the value are not."""

# ruff: noqa: RUF001 - Cyrillic units

import re

from tasks.graders.layout import UNIT_LETTERS

_FACTORS = {
    "hundred": r"\cdot 100",
    "thousand": r"\cdot 1000",
    "million": r"\cdot 1000000",
    "billion": r"\cdot 1000000000",
    "trillion": r"\cdot 1000000000000",
    "lakh": r"\cdot 100000",
    "lakhs": r"\cdot 100000",
    "crore": r"\cdot 10000000",
    "crores": r"\cdot 10000000",
    "gross": r"\cdot 144",
    "dozen": r"\cdot 12",
    "score": r"\cdot 20",
    "half": "/2",
    "halves": "/2",
    "third": "/3",
    "thirds": "/3",
    "fourths": "/4",
    "quarters": "/4",
    "fifths": "/5",
    "sixths": "/6",
    "sevenths": "/7",
    "eighths": "/8",
    "ninths": "/9",
    "tenths": "/10",
    "hundredths": "/100",
    "thousandths": "/1000",
    "pi": r"\pi ",
}
_NO_UNITS = frozenset({
    "squared", "cubed", "times", "plus", "minus", "over", "divided", "multiplied", "mod", "modulo",
    "choose", "factorial", "to", "the", "power", "raised", "root", "roots", "double", "twice",
    "triple", "thrice", "more", "less", "fewer", "than", "not", "no", "nor", "except", "without",
    "unless", "if", "when", "where", "but", "only", "solution", "solutions", "none", "infinitely",
    "infinity", "inf", "sqrt", "sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp",
    "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "cis", "lcm", "gcd", "max", "min", "pairs",
    "dozens", "hundreds", "thousands", "millions", "billions", "base", "is", "are", "equals",
    "equal", "then", "therefore", "so", "thus", "implies", "or", "and", "remainder", "nth", "st",
    "nd", "rd", "th", "mille", "permille", "ppm", "ppb", "eighth", "ninth", "tenth", "quarter", "fold",
    "negative", "positive", "imaginary", "complex", "approximate", "approx", "wrong", "incorrect", "false", "invalid",
    "most", "least", "above", "below", "under", "beyond", "greater", "smaller",
    "mil", "mila", "millon", "millones", "milhao", "milhoes", "milione", "milioni", "millionen", "milliard", "milliards",
    "milliarden", "tausend", "hundert", "cien", "cientos", "docenas", "docena", "douzaine", "douzaines", "dutzend", "medio",
    "media", "demi", "halb",
})  # fmt: skip
_SHORT_UNITS = frozenset({
    "am", "pm", "au", "bc", "ad", "cc", "cl", "cm", "dl", "dm", "ev", "fl", "ft", "gb", "gm", "gs", "ha", "hp", "hr", "hz", "in",
    "kb", "kg", "kj", "km", "kn", "kv", "kw", "lb", "ly", "ma", "mb", "mg", "mi", "mj", "ml", "mm", "ms", "mv", "mw",
    "nm", "ns", "oz", "pa", "pc", "pt", "px", "qt", "rs", "sq", "st", "tb", "us", "wk", "yd", "yr",
    "an", "as", "at", "by", "he", "it", "of", "on", "we",
})  # fmt: skip
"""Words of two letters that are units or English; others are products of variables: 5 xy."""
_VARIABLES = re.compile(r"[abc]{2,4}|[xyz]{2,4}")
_GLUED = (
    "cm|mm|km|dm|nm|kg|mg|ml|mL|kL|dL|ft|mph|kph|km/h|kmh|m/s|lbs|lb|oz|yd|hrs|hr|mins|min|secs|sec|kWh|kJ|kW|kN|"
    "Hz|kHz|MHz|GHz|Pa|kPa|eV|keV|MeV|rad|mol|USD|EUR|GBP"
)
_WORD = r"(?:[A-Za-z]{2,}\.?|[" + "".join(sorted(UNIT_LETTERS)) + "])"
_POWER = r"(?:\s*\^\s*(?:\{\s*-?\s*\d\s*\}|-?\d))?"
_BELOW = rf"(?:\s*/\s*\(\s*{_WORD}{_POWER}(?:\s*(?:\\cdot|\*|\s)\s*{_WORD}{_POWER})*\s*\))?"
_COMPOUND = rf"{_WORD}{_POWER}(?:\s*(?:/|\\cdot|\*|-|\s)\s*{_WORD}{_POWER})*{_BELOW}"
_AT_END = r"\.?\s*(?=$|,|;)"
_UNIT = re.compile(rf"((?:\d|\}}|\)|!|\\pi)(?:\s*\^\s*\{{?\s*\\circ\s*\}}?)?)\s+({_COMPOUND}){_AT_END}")
_UNIT_FRACTION = re.compile(
    rf"((?:\d|\}}|\)|\\pi))\s*\\[dt]?frac\s*\{{\s*({_COMPOUND})\s*\}}\s*\{{\s*({_COMPOUND})\s*\}}{_AT_END}"
)
_UNIT_SIGN = re.compile(
    rf"(\d|\}}|\))\s+(?:[kMG]\s*)?(?:\\(?:Omega|mho|AA|circledR)|(?:\\mu\s*|\\micro\s*)[A-Za-z]{{1,3}})(?![A-Za-z]){_POWER}{_AT_END}"
)
r"""12 \Omega, 3 \mu m: letters that are units apart from their number."""
_COUNTED = re.compile(
    r"(?<=[\d})])\s+(?:(?:real|positive|negative|complex|imaginary|integer|integral|rational|distinct|different|ordered|"
    r"possible|valid|unique|non-?real|nonzero|prime|whole|natural)\s+)*"
    r"(?:solutions?|roots|zeros|integers?|numbers?|values?|(?<=ordered )pairs|triples|times(?:\s+as\s+(?:many|much|large|long))?)"
    + _AT_END
)
"""5 real roots, 8 positive integers: what is counted, and adjectives that are no factors there."""
_SHARED = re.compile(
    r"(?<=\d)\s*/\s*(?:second|sec|minute|min|hour|hr|day|week|month|year|person|student|item|unit|piece|pound|lb|kg|km|mile|"
    rf"gallon|liter|litre)\.?{_AT_END}"
)
"""18/day"""
_MINUS = re.compile(r"^(?:negative|minus)\s+(?=[\d.\\(]|infinity)", re.IGNORECASE)
_CLOCK = re.compile(rf"(\d)\s*(?:[ap]\.\s?m|o'clock){_AT_END}")
_SLASH = re.compile(r"(?<=\d)\s*/-$")
"""Rs. 1250/-"""
_UNIT_GLUED = re.compile(rf"((?<![A-Za-z])\d|\\pi|\}})\s*(?:{_GLUED})(?![A-Za-z]){_POWER}{_AT_END}")
_ORDINAL = re.compile(r"(?<![\d.])(\d{0,9}?)(1?\d)\s*(?:\^\s*)?\{?\s*(st|nd|rd|th)\s*\}?(?![A-Za-z])")
_SUFFIXES = {"1": "st", "2": "nd", "3": "rd"}
_DEGREE = r"(?:\^\s*\{?\s*\\circ\s*\}?|(?<=\d)\^\s*(?:o(?![a-z])|\{\s*o\s*\})|\\degree(?![a-zA-Z])|\\circ(?![a-zA-Z]))"
_DEGREES = re.compile(
    rf"(?<=[\d}})a-zA-Z.])\s*{_DEGREE}(?:\s*[CFK](?![A-Za-z])|\s*(?:Celsius|Fahrenheit))?{_AT_END}"
)
_PERCENT = re.compile(
    rf"\s*(?:\\?%|(?:percent(?:age)?(?:\s+points?)?|pct)(?![A-Za-z])){_AT_END}", re.IGNORECASE
)
_ANGULAR = re.compile(r"(?:sin|cos|tan|cot|sec|csc|cis)(?![a-z])|['\"]")
_LEAD = re.compile(
    r"(?:(?:[A-Za-z][A-Za-z'-]*,?\s+)+(?:is|are|was|were|be|equals|costs?|weighs?|has|have|had|takes?|took|needs?|bought|buys?|ate|eats?|made|used?|uses|"
    r"saved|saves?|walked|drove|ran|read|picked|collected|"
    r"requires?|gives?|makes?|contains?|measures?|scored|earns?|earned|gets?|got|spent|paid|sold|left)\b"
    r"|(?:[Ee]xactly|[Jj]ust|[Oo]nly|[Ii]t's|[Tt]hat's|[Aa]nswer|(?:[Yy]es|[Ss]o|[Hh]ence|[Tt]hus|[Tt]herefore|[Tt]hen)\b,?|[Aa]pprox\.)(?![a-z])"
    r"|[A-Za-z][A-Za-z' ]{2,}(?::|=(?=\s*(?:[-\d.]|\\(?:frac|dfrac|sqrt|pi)))))"
    r"\s*(?:exactly|about|approximately|equal to|just|only|:|=)?\s*"
    r"(?=[-+\\(\[{$\d]|\.\d|(?<=\bis )[a-z](?![A-Za-z]|\s+[A-Za-z]{2}))"
)
_ANSWER = re.compile(
    r"^(?:the\s+)?(?:final\s+)?answer\s*(?:is\s*:?|:|=)\s*(?=\S)|\s+is\s+(?:the|our|my)\s+(?:final\s+|correct\s+)?answer$",
    re.IGNORECASE,
)
_CURRENCY = re.compile(
    r"^(?:USD?|EUR|GBP|Rs\.?|INR|CAD|AUD|CNY|RMB|JPY|HKD|NZD|SGD|CHF|KRW|BRL|MXN)\s*(?=[\d.])"
)
_NEGATED = re.compile(
    r"\b(?:not|no|never|nor|least|most|more|less|fewer|between|than|over|under|below|above|if|when|unless|except|"
    r"remainder(?!\s+is\b)|mod|base)\b",
    re.IGNORECASE,
)
_APPROXIMATE = re.compile(
    r"^(?:\\(?:approx|simeq|sim|Rightarrow|Longrightarrow|rightarrow|implies)(?![a-z])|=(?!=)|(?:approximately|about|roughly)\s)\s*"
)
"""What leads to a value: about, =, and arrows."""
_ASIDE = re.compile(
    r"(?<=[\d})!])\s*\(((?:in\s+|as\s+)?[A-Za-z]{3,}(?:[\s\-]+[A-Za-z]+)*|in\s+[A-Za-z]{1,3}(?:\^\{?\d\}?)?)\)$"
)
r"""12 (twelve), 12 (in cm), 5 (units)."""
_LOCAL = re.compile(
    r"(?<=[\d})])\s*(?:(?:平方|立方)?(?:[厘毫分千公]?[米克升]|公里|公顷|英里|英寸|英尺)|小时|分钟|秒钟?|摄氏度|美元|人民币|块钱?"
    r"|[个個只隻枚本张張人名条條棵种種次天年月日岁歲吨噸度倍分秒页頁块塊题題匹冊台杯点歩円]|通り|時間|[개명원권번살초분일년장대회점]|마리|시간|가지|송이"
    r"|(?:кв\.\s*|куб\.\s*)?(?:мм|см|дм|км|м|кг|г|т|л|мл|ч|мин|сек|с|шт|руб)\.?(?![а-я])"
    r"|(?:рубл|час|минут|секунд|градус|метр|километр|сантиметр|килограмм|грамм|литр|дн|день|человек|способ)[а-я]{0,3})$"
)
"""Units in Chinese, Japanese, Korean and Russian; their words for a thousand, a half and the like are none."""


def without_units(text: str) -> str:
    r"""The value alone: 30\pi cm^3 is 30\pi and 8 million is 8\cdot 1000000; 12 times y is left as it is."""
    text = _SLASH.sub("", text)
    if (aside := _ASIDE.search(text)) and all(
        map(is_unit, re.findall("[A-Za-z]+", aside[1].removeprefix("in ")))
    ):
        text = text[: aside.start()]
    if not text.isascii():
        text = _LOCAL.sub("", text)
    text = _CURRENCY.sub("", _APPROXIMATE.sub("", _ANSWER.sub("", text)))
    if (lead := _LEAD.match(text)) and not _NEGATED.search(lead[0]):
        text = text[lead.end() :]
    text = _MINUS.sub("-", _COUNTED.sub("", _ORDINAL.sub(_cardinal, _PERCENT.sub("", text))))
    text = _SHARED.sub("", text)
    text = _UNIT_FRACTION.sub(_per, text)
    text = _UNIT.sub(_unit, text)
    text = _UNIT_GLUED.sub(r"\1", _CLOCK.sub(r"\1", _UNIT_SIGN.sub(r"\1", text)))
    if _ANGULAR.search(text):  # \sin 30^\circ, 48^\circ 15': degrees that count
        return text
    return _DEGREES.sub("", text)


def _cardinal(match: re.Match[str]) -> str:
    """12^{th} is 12 and 2^{nd} is 2; 2^{th} is neither."""
    suffix = "th" if len(match[2]) > 1 else _SUFFIXES.get(match[2], "th")
    return match[1] + match[2] if match[3] == suffix else match[0]


def _unit(match: re.Match[str]) -> str:
    words = re.findall(r"[A-Za-z]+", match[2])
    if words[0].lower() == "of" and len(words) > 1:  # 3/4 of the pizza
        return match[1]
    if words[0].lower() in _FACTORS and not any(_is_operator(word) for word in words):
        factor = _FACTORS[words[0].lower()]
        if len(words) > 1 and words[1].lower() in _FACTORS:
            factor += _FACTORS[words[1].lower()]
        return match[1] + factor
    if any(_is_operator(word) for word in words) or any(_is_product(word) for word in words):
        return match[0]
    return match[1]


def is_unit(word: str) -> bool:
    """Whether letters behind a number can be a unit: m, cm, meters; neither a variable, nor a word that changes the value."""
    if len(word) == 1:
        return word in UNIT_LETTERS
    return not (_is_operator(word) or _is_product(word) or word.lower() in _FACTORS)


def _is_product(word: str) -> bool:
    """Whether letters are variables side by side."""
    return bool(_VARIABLES.fullmatch(word)) or (len(word) == 2 and word.lower() not in _SHORT_UNITS)  # noqa: PLR2004


def _per(match: re.Match[str]) -> str:
    words = re.findall(r"[A-Za-z]+", match[2] + " " + match[3])
    return match[0] if any(_is_operator(word) for word in words) else match[1]


def _is_operator(word: str) -> bool:
    return word.lower() in _NO_UNITS
