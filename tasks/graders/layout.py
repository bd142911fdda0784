r"""What only dresses an answer: \left, spacing, colour, weight, size, markdown, currency signs, `\text`."""

import re

from tasks.graders.characters import in_latex

_DROPPED = re.compile(
    r"\\(?:left|right)\s*\.(?!\d)|"
    r"\\(?:left|right|middle|displaystyle|textstyle|scriptstyle|limits|nolimits|[bB]ig{1,2}[lrm]?|mathstrut|strut|"
    r"normalsize|small|footnotesize|scriptsize|tiny|[lL]arge|LARGE|[hH]uge|bf|it|rm|sf|tt|bfseries|itshape|centering|"
    r"nonumber|notag|therefore|textdollar|texteuro|euro|checkmark|qed|qedsymbol|square|blacksquare|Box|hline|pounds|textsterling|yen)(?![a-zA-Z])"
    r"|\\(?:color|label|tag|hspace|vspace|phantom|hphantom)\*?\s*(?:\[[^\[\]]*\])?\{[^{}]*\}"
    r"|(?:^|(?<=[\s{]))(?:US|AU|CA|NZ|HK|[ACS])\\?\$(?=\s*[\d.])|\\!|\$|\\\$|\\[()]|(?<!\\)\\[\[\]]|[€£¥₹₩₽¢]|(?<!\\)\\(?=\s*$)"
)
_SPACE = re.compile(r"\\q?quad|\\(?:enspace|thinspace|space|hfill)(?![a-zA-Z])|(?<!\\)\\[,;:> ]|~")
_QUANTITY = re.compile(
    r"\\(?:(?:SI|qty)\s*(?:\[[^\[\]]*\])?\{([^{}]*)\}\{(?:[^{}]|\{[^{}]*\})*\}|(?:num|ang)\s*\{([^{}]*)\}|(?:si|unit)\s*\{[^{}]*\})"
)
r"""What siunitx writes: \qty{3}{\meter}, \num{12}, 3\unit{cm}."""
_ROW = re.compile(r"\\\\\s*\[[^\[\]]*\]")
_WRAPPER = (
    r"\\(?:boldsymbol|bm|pmb|underline|uline|textbf|textit|textrm|textsf|texttt|textsc|textnormal|textup|textmd|text|"
    r"mathrm|mathbf|mathit|mathsf|mathtt|mathnormal|mbox|hbox|emph|operatorname\*?|ensuremath|fbox|boxed|framebox|"
    r"mathop|underbrace|(?:underset|overset|enclose)\s*\{[a-z]*\}|(?:textcolor|colorbox|fcolorbox\s*\{[^{}]*\})\s*\{[^{}]*\}|bbox\s*(?:\[[^\[\]]*\])?)\s*"
)
_WRAPPED = re.compile(_WRAPPER + r"\{([^{}]*)\}")
_WRAPPING = re.compile(_WRAPPER + r"(?=\{)")
_UPRIGHT = re.compile(
    r"\\(?:text|textnormal|textrm|textup|textbf|mathrm|mathbf|mbox|hbox|operatorname)\*?\s*\{((?:[^{}]|\{[^{}]*\})*)\}"
)
_THOUSANDS = re.compile(r",\\!\s*(?=\d)|\s*\{\s*,\s*\}\s*(?=\d)")
_COLON = re.compile(r"(?<![A-Za-z])\{\s*:\s*\}|\\colon(?![a-zA-Z])")
_ESCAPED = re.compile(
    r"\\\\(?=(?:left|right|d?frac|sqrt|pi|cdot|times|leq?|geq?|infty|cup|text|in|pm|mathbb|boxed)(?![a-z]))"
)
r"""A backslash written twice, as in JSON: \\frac."""


UNIT_LETTERS = frozenset("mshgLlNJWVACFK")
r"""Letters that are units where they stand upright or apart from their number: 3.5\text{ m}, 9 m^2."""

_COMMAND_AT_END = re.compile(r"\\[A-Za-z]+$")
_LONGEST_COMMAND = 20
"""Characters."""

_END_OF_LINE = re.compile(r"(?:\s*\\\\)+\s*$")
_DECORATION = "*`"
_EMPHASIS = re.compile(r"(_{1,2})([^_].*)\1", re.DOTALL)
_QUOTED = re.compile(r"""(["'])([^"']*)\1""")


def undecorated(text: str) -> str:
    """The text in ASCII without what only dresses it; upright words stand apart, as words."""
    text = _COLON.sub(":", _THOUSANDS.sub("{,}", in_latex(text)))
    if "\\begin" not in text:
        text = _ESCAPED.sub("\\\\", text)
    text = _SPACE.sub(" ", _DROPPED.sub("", _QUANTITY.sub(r"\1\2", _ROW.sub(r"\\\\", text))))
    for _ in range(4):  # wrappers within wrappers
        plainer = _WRAPPED.sub(_apart, _UPRIGHT.sub(_words, text))
        if plainer == text:
            break
        text = plainer
    text = _WRAPPING.sub("", text)  # around braces of their own: {\\frac{1}{2}} is a group, and read as one
    text = _END_OF_LINE.sub("", text).strip().strip(_DECORATION).strip()
    if emphasised := _EMPHASIS.fullmatch(text):
        text = emphasised[2].strip()
    return quoted[2].strip() if (quoted := _QUOTED.fullmatch(text)) else text


def _apart(match: re.Match[str]) -> str:
    r"""\pi\mathit{i} is \pi i, not a command \pii."""
    content = match[1]
    is_behind_command = content[:1].isalpha() and _COMMAND_AT_END.search(
        match.string[: match.start()][-_LONGEST_COMMAND:]
    )
    return " " + content if is_behind_command else content


def _words(match: re.Match[str]) -> str:
    r"""7\mathrm{e} is 7e, 7\mathrm{m} is 7 m: a lone letter that is no unit is a variable or a constant."""
    content = _apart(match)
    if content != match[1]:
        return content
    before = match.string[match.start() - 1 : match.start()]
    if len(content.strip()) == 1 and content.strip().isalpha():
        letter = content.strip()
        apart = " " if content[:1].isspace() else ""
        return (
            f" {letter} "
            if letter in UNIT_LETTERS and before and before in "0123456789}) "
            else apart + letter
        )
    if content[:1].isalpha() and before and (before.isdigit() or before in "})"):
        content = " " + content
    after = match.string[match.end() : match.end() + 1]
    return content + " " if content[-1:].isalpha() and after.isalnum() else content
