"""The commands and letters that expressions are made of."""

FUNCTIONS = frozenset({
    r"\sin", r"\cos", r"\tan", r"\cot", r"\sec", r"\csc", r"\arcsin", r"\arccos", r"\arctan", r"\arccot", r"\arcsec", r"\arccsc",
    r"\arsinh", r"\arcosh", r"\artanh",
    r"\sinh", r"\cosh", r"\tanh", r"\log", r"\ln", r"\lg", r"\exp", r"\max", r"\min", r"\gcd", r"\cis",
})  # fmt: skip
INVERSE = {
    r"\sin": r"\arcsin", r"\cos": r"\arccos", r"\tan": r"\arctan", r"\cot": r"\arccot", r"\sec": r"\arcsec", r"\csc": r"\arccsc",
    r"\sinh": r"\arsinh", r"\cosh": r"\arcosh", r"\tanh": r"\artanh",
}  # fmt: skip
GREEK = frozenset({
    r"\alpha", r"\beta", r"\gamma", r"\delta", r"\epsilon", r"\varepsilon", r"\zeta", r"\eta",
    r"\theta", r"\vartheta", r"\iota", r"\kappa", r"\lambda", r"\mu", r"\nu", r"\xi", r"\rho",
    r"\sigma", r"\tau", r"\upsilon", r"\phi", r"\varphi", r"\chi", r"\psi", r"\omega", r"\Gamma",
    r"\Delta", r"\Theta", r"\Lambda", r"\Xi", r"\Sigma", r"\Phi", r"\Psi", r"\Omega", r"\ell",
    r"\hbar",
})  # fmt: skip
OPAQUE = frozenset({"f", "g", "h", "F", "G"})
"""Letters that are functions where a bracket follows: f(2)+f(3) is not f(5)."""

NAMED = frozenset({
    r"\overline", r"\bar", r"\vec", r"\hat", r"\tilde", r"\overrightarrow", r"\widehat",
    r"\mathcal",
})  # fmt: skip
PARTNER = {
    "(": ")", "[": "]", "{": "}", r"\{": r"\}", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil", r"\lvert": r"\rvert"
}  # fmt: skip
ROUNDED = {r"\lfloor": "floor", r"\lceil": "ceil", r"\lvert": "abs"}
ENDS = frozenset({
    "", "+", "-", "*", "/", ")", "]", "}", r"\}", ", ", ";", "=", r"\rvert", r"\rfloor", r"\rceil",
})  # fmt: skip
