"""The tokens of a normal form. A text with a character that is no token is not read at all."""

import re
from collections.abc import Collection, Sequence

MAX_TOKENS = 400

_TOKEN = re.compile(r"\\[a-zA-Z]+|\\[{}|\\]|\d+\.?\d*|\.\d+|[A-Za-z]|[-+*/^_(){}\[\]|!'=<>:,;&]|\s+|(?s:.)")
_KNOWN = re.compile(r"\\[a-zA-Z]+|\\[{}|\\]|\d+\.?\d*|\.\d+|[A-Za-z]|[-+*/^_(){}\[\]|!'=<>:,;&]")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{[a-z]+\}")
_LONG_WORD = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{5,}")

OPENING = frozenset({"(", "[", "{", r"\{", r"\langle", r"\lfloor", r"\lceil", r"\lvert"})
CLOSING = frozenset({")", "]", "}", r"\}", r"\rangle", r"\rfloor", r"\rceil", r"\rvert"})


class UnreadError(Exception):
    """A text, or a part of one, that is no mathematics this reader knows."""


def tokens_of(text: str) -> list[str]:
    """All tokens, without white space. Raises UnreadError for prose and unknown characters."""
    found = [token for token in _TOKEN.findall(text) if not token.isspace()]
    if not found or len(found) > MAX_TOKENS or not all(map(_KNOWN.fullmatch, found)):
        raise UnreadError(text)
    if _LONG_WORD.search(_ENVIRONMENT.sub("", text)):
        raise UnreadError(text)
    return found


def split(tokens: Sequence[str], separators: Collection[str]) -> list[list[str]]:
    """The parts between separators that stand outside all brackets."""
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token in OPENING) - (token in CLOSING)
        if depth == 0 and token in separators:
            parts.append([])
        else:
            parts[-1].append(token)
        if depth < 0:
            raise UnreadError(token)
    if depth:
        raise UnreadError("brackets that do not close")
    return parts


def outside(tokens: Sequence[str], wanted: Collection[str]) -> list[str]:
    """The wanted tokens outside all brackets, in order."""
    depth, found = 0, []
    for token in tokens:
        depth += (token in OPENING) - (token in CLOSING)
        if depth == 0 and token in wanted:
            found.append(token)
    return found


def encloses(tokens: Sequence[str]) -> bool:
    """Whether the first token is a bracket whose partner is the last one; of any kind, as in [0,1)."""
    if len(tokens) < 2 or tokens[0] not in OPENING or tokens[-1] not in CLOSING:  # noqa: PLR2004 - a pair
        return False
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token in OPENING) - (token in CLOSING)
        if depth == 0:
            return place == len(tokens) - 1
    return False
