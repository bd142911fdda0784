r"""Mathematical characters outside ASCII, as LaTeX writes them: − is -, ½ is \frac{1}{2}, x² is x^{2}."""

# ruff: noqa: RUF001 - characters that look alike are what this module is about

import re
import unicodedata

_INVISIBLE = re.compile("[\ufeff\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f]")
_BLANK = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")

_TABLE = {
    **dict.fromkeys("−–—‒‐‑﹣－", "-"),
    **dict.fromkeys("×✕", r"\times "),
    **dict.fromkeys("·⋅∙•∗", r"\cdot "),
    **dict.fromkeys("÷", "/"),
    **dict.fromkeys("⁄∕", "/"),
    **dict.fromkeys("≤⩽≦", r"\le "),
    **dict.fromkeys("≥⩾≧", r"\ge "),
    **dict.fromkeys("′’‘´", "'"),
    **dict.fromkeys("″“”", '"'),
    **dict.fromkeys("∅⌀", r"\emptyset "),
    **dict.fromkeys("⇒⟹", r"\Rightarrow "),
    **dict.fromkeys("∣", r"\mid "),
    **dict.fromkeys("Å\u212b", r"\AA "),
    "≠": r"\ne ",
    "≈": r"\approx ",
    "≡": r"\equiv ",
    "±": r"\pm ",
    "∓": r"\mp ",
    "∞": r"\infty ",
    "∈": r"\in ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "∖": r"\setminus ",
    "∨": r"\lor ",
    "∧": r"\land ",
    "∑": r"\sum ",
    "∏": r"\prod ",
    "∫": r"\int ",
    "→": r"\to ",
    "∠": r"\angle ",
    "°": r"^{\circ}",
    "º": r"^{\circ}",
    "℃": r"^{\circ}C",
    "℉": r"^{\circ}F",
    "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}",
    "ℚ": r"\mathbb{Q}",
    "ℂ": r"\mathbb{C}",
    "⟨": r"\langle ",
    "⟩": r"\rangle ",
    **dict.fromkeys("【〔", "["),
    **dict.fromkeys("】〕", "]"),
    "∶": ":",
    "٫": ".",
    "٬": ",",
    "。": ".",
    "،": ", ",
    "؛": "; ",
    **dict.fromkeys("✓✔✅☑■□∎", " "),
    **dict.fromkeys("元円원", " "),
    **dict.fromkeys("万萬만", r"\cdot 10000 "),
    **dict.fromkeys("亿億억", r"\cdot 100000000 "),
    "、": ", ",
    "，": ", ",
    "；": "; ",
}
_LETTERS = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
    "xi", "omicron", "pi", "rho", "sigma", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
)  # fmt: skip
_GREEK = {chr(0x3B1 + place): f"\\{name} " for place, name in enumerate(_LETTERS)} | {
    chr(0x391 + place): f"\\{name.capitalize()} " for place, name in enumerate(_LETTERS)
}
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱˣʸᵏᵐᵗᵃᵇ", "0123456789+-=()nixykmtab", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓₙₖₘ", "0123456789+-=()aeoxnkm", strict=True))
_RAISED_RUN = re.compile(f"[{re.escape(''.join(_RAISED))}]+")
_LOWERED_RUN = re.compile(f"[{re.escape(''.join(_LOWERED))}]+")
_OVERLINED = re.compile("(?:\\d\u0305)+")
"""Digits that repeat, each with a line above it."""
_ROOT = re.compile(r"([√∛∜])\s*(\d+(?:\.\d+)?|[A-Za-z])?")
_DEGREE_OF_ROOT = {"√": "", "∛": "[3]", "∜": "[4]"}


def in_latex(text: str) -> str:
    """The text in ASCII where a character has a spelling in it; linear in its length."""
    if text.isascii():
        return text
    text = _BLANK.sub(" ", _INVISIBLE.sub("", text))
    text = _OVERLINED.sub(lambda m: rf"\overline{{{m[0][::2]}}}", text)
    text = _RAISED_RUN.sub(lambda m: "^{" + "".join(_RAISED[c] for c in m[0]) + "}", text)
    text = _LOWERED_RUN.sub(lambda m: "_{" + "".join(_LOWERED[c] for c in m[0]) + "}", text)
    text = _ROOT.sub(lambda m: rf"\sqrt{_DEGREE_OF_ROOT[m[1]]}" + (f"{{{m[2]}}}" if m[2] else ""), text)
    return "".join(c if c < "\x80" else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    if (known := _TABLE.get(character) or _GREEK.get(character)) is not None:
        return known
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    plain = unicodedata.normalize("NFKC", character)
    if "\N{FRACTION SLASH}" in plain:
        above, _, below = plain.partition("\N{FRACTION SLASH}")
        return rf"\frac{{{above}}}{{{below or 1}}}"
    letter = unicodedata.normalize("NFD", plain)[:1]
    if letter.isascii() and letter.isalpha() and len(plain) == 1:
        return letter  # é: an accent parts no words
    return _TABLE.get(plain) or _GREEK.get(plain) or plain
