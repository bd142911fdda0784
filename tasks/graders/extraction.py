"""Finding the answer in a model's text: the last whole box, in one pass over the text."""

import re

_MAX_BOXES = 64
"""Boxes looked at from the end; a text with more unclosed ones is not an answer but noise."""

_START = re.compile(r"\\(?:boxed|fbox|framebox)\s*")
_BARE = re.compile(r"[^\s{}$\\,;.]+(?:\.\d+)?")


def extract_answer(text: str) -> str | None:
    r"""Content of the last balanced \boxed{…} or \fbox{…}, or the word after a bare \boxed.

    The last box counts, since models correct themselves. One that is never closed is no answer, and
    an earlier whole one then counts. None where there is no box. Linear in the text's length.
    """
    for match in reversed(list(_START.finditer(text))[-_MAX_BOXES:]):
        start = match.end()
        if start < len(text) and text[start] == "{":
            content = _balanced(text, start)
        else:
            bare = _BARE.match(text, start)
            content = bare.group() if bare else None
        if content is not None and content.strip():
            return content.strip()
    return None


def _balanced(text: str, start: int) -> str | None:
    """What stands between the brace at `start` and its partner; escaped braces do not count."""
    depth = 0
    for brace in re.finditer(r"\\.|[{}]", text[start:], re.DOTALL):
        match brace.group():
            case "{":
                depth += 1
            case "}":
                depth -= 1
                if depth == 0:
                    return text[start + 1 : start + brace.start()]
            case _:
                continue
    return None
