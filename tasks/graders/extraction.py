"""Finding the answer in a model's text: the last whole box, in two passes over the text at most."""

import itertools
import re
from collections.abc import Iterator, Sequence

from tasks.graders.phrases import FALLBACKS

LONGEST = 16_000
"""Characters of an answer that are looked at: a longer box keeps its start, a longer text its end."""

_MAX_BOXES = 64
"""Boxes looked at from the end; a text with more unclosed ones is not an answer but noise."""

_START = re.compile(r"\\(?:boxed|fbox|framebox)\s*")
_BEFORE = (1, 2, 6)
"""Characters before the `box` of \\boxed, \\fbox and \\framebox."""

_BARE = re.compile(r"[^\s{}$\\,;.]+(?:\.\d+)?")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_PROSE = re.compile(r"[A-Za-z]{2,}")
_PLACEHOLDER = re.compile(
    r"\\?\.{2,}|…|\\(?:l|c)?dots|\?+|_+|(?:your |the )?(?:final )?(?:answer|result)(?: here)?"
    r"|\\text\{(?:your |the )?(?:final )?answer\}|\\checkmark|[✓✔✅]|\\(?:black)?square|\\(?:Box|qed)|Q\.?E\.?D\.?",
    re.IGNORECASE,
)
_TEXT = re.compile(r"\\(?:text|mbox|textrm|mathrm)\s*\{([^{}]*)\}")
_LAYOUT = re.compile(r"\\(?:quad|enspace|qquad|left|right|[,;:! ()\[\]\\])|[$&]|\\$")
_NAME_BEFORE = re.compile(r"([A-Za-z](?:_\{?\w+\}?)?\s*=)\s*(?:[-−]\s*)?$")
_MINUS_BEFORE = re.compile(r"(?:[=$]|\\[(\[])\s*[-−]\s*$")
_NEAR = 8
"""Characters before a box that a minus of its own is looked for in."""
_FACTOR_BEHIND = re.compile(
    r"(?:[ \t]|\\[,; ])*(?:(\\sqrt(?:\{[^{}]*\}|\s*\d)|\\pi(?![A-Za-z]))"
    r"|\$?[ \t]*(?:\\text\{\s*)?\b(hundred|thousand|million|billion|trillion|dozen)\b)"
)
_NEXT_PART = re.compile(
    r"[\s$.,;*\])]*(?:\\[\])])?[\s*]*(?:(?:and|for|in)\s+)*[\s*]*"
    r"(?:part\s+\(?(?:[b-h]|[2-9]|ii|iii|iv)\)?|\(?(?:[b-h]|ii|iii|iv)\))[\s*:.,$=]*(?:\\[\[(])?[\s$]*",
    re.IGNORECASE,
)
r"""What parts the answers of parts: (a) \boxed{2}, (b) \boxed{9}."""
_CALCULATES = re.compile(r"[=+^/<>]")
_LETTERS = re.compile(r"[A-Za-z]+")
_JOINTS = frozenset({"and", "or"})
_CORRECTIONS = frozenset({
    "not", "no", "rather", "wait", "actually", "instead", "but", "so", "then", "therefore", "thus",
    "hence", "correct", "corrected", "wrong", "first", "finally",
})  # fmt: skip
_LOST = re.compile(r"\x08oxed(?![A-Za-z])")
r"""\boxed whose \b was read as one character, as in JSON."""
_PLAIN = 200
"""Characters of a box that is looked at without counting braces."""

MAX_JOINT = 60
"""Characters between two boxes that can both be the answer."""


def extract_answer(text: str) -> str | None:
    r"""Content of the last balanced \boxed{…} or \fbox{…}, or the word after a bare \boxed.

    The last box counts, since models correct themselves. One that is never closed is no answer, and
    an earlier whole one then counts. None where there is no box. Linear in the text's length.
    """
    if (plain := _plain_box(text)) is not None:
        return plain[1]
    starts = list(itertools.islice(_starts(text), _MAX_BOXES))
    for group in (starts[:1], starts[1:]):
        ends = _closings(text, [start for start in group if text[start : start + 1] == "{"])
        for start in group:
            if text[start : start + 1] == "{":
                content = text[start + 1 : ends[start]] if start in ends else ""
            else:
                bare = _BARE.match(text, start)
                content = bare.group() if bare else ""
            if content.strip():
                return content.strip()[:LONGEST]
    return None


def _plain_box(text: str) -> tuple[int, str] | None:
    r"""Place and content of the last box where it is a \boxed{} without a brace or command in it: most boxes."""
    place = text.rfind("\\boxed{")
    start = place + len("\\boxed{")
    if place < 0 or text.find("box", start) >= 0:
        return None
    content = text[start : text.find("}", start)] if "}" in text[start : start + _PLAIN] else "{"
    return None if "{" in content or "\\" in content or not content.strip() else (place, content.strip())


def boxed_answer(text: str) -> str | None:
    r"""The answer of a text's boxes: the last one, with those before it that nothing but "and" or a comma parts.

    \boxed{2} and \boxed{9} is 2, 9. A bare \boxed before a word is the word "boxed" in a sentence, and a box that
    holds a placeholder is none.
    """
    if (plain := _plain_box(text)) and not _may_join(text, plain[0]) and not _PLACEHOLDER.fullmatch(plain[1]):
        return _with_factors(text, plain[0], text.index("}", plain[0]) + 1, plain[1])
    boxes = _boxes(text)
    if not boxes and "\x08" in text:
        text = _LOST.sub(r"\\boxed", text)
        boxes = _boxes(text)
    if not boxes:
        return None
    first, last, content = boxes[0]
    contents, names = [_with_factors(text, first, last, content)], [_name_before(text, first)]
    for start, end, content in boxes[1:]:
        if end > first:
            continue  # a box within a box
        if not _is_joint(text[end:first]):
            break
        contents.append(_with_factors(text, start, end, content))
        names.append(_name_before(text, start))
        first = start
    if len(contents) > 1 and all(names):  # a=\boxed{1}, b=\boxed{2}
        contents = [name + content for name, content in zip(names, contents, strict=True)]
    distinct = list(dict.fromkeys(reversed(contents)))
    return ", ".join(distinct)[:LONGEST]


def _with_factors(text: str, start: int, end: int, content: str) -> str:
    r"""A box's content with what the formula multiplies it by: x=-\boxed{3}, \boxed{3}\sqrt{2}, \boxed{3} million."""
    if match := _FACTOR_BEHIND.match(text, end):
        content = f"{_as_factor(content)} {match[1] or match[2]}"
    return "-" + _as_factor(content) if _MINUS_BEFORE.search(text[max(0, start - _NEAR) : start]) else content


def _as_factor(content: str) -> str:
    return f"({content})" if re.search(r"[^\s]\s*[-+]", content) else content


def _name_before(text: str, start: int) -> str:
    """The x= in front of a box."""
    match = _NAME_BEFORE.search(text[max(0, start - MAX_JOINT) : start])
    return match[1] if match else ""


def _boxes(text: str) -> list[tuple[int, int, str]]:
    """Where each whole box begins and ends, and its content, from the last one; the innermost of nested ones first."""
    starts = list(itertools.islice(_starts(text), _MAX_BOXES))
    found = []
    for group in (starts[:1], starts[1:]):
        ends = _closings(text, [start for start in group if text[start : start + 1] == "{"])
        for start in group:
            if text[start : start + 1] == "{":
                end, content = (
                    (ends[start] + 1, text[start + 1 : ends[start]]) if start in ends else (start, "")
                )
            else:
                bare = _BARE.match(text, start)
                end, content = (bare.end(), bare.group()) if bare else (start, "")
                content = "" if _PROSE.match(content) else content
            content = content.strip()
            if content and not _PLACEHOLDER.fullmatch(content):
                found.append((text.rfind("\\", 0, start), end, content[:LONGEST]))
        if found and not _may_join(text, found[0][0]):
            break
    return found


def _may_join(text: str, start: int) -> bool:
    """Whether another box can end shortly before this one; a cheap look that spares most texts the second pass."""
    return "}" in text[max(0, start - MAX_JOINT) : start]


def _is_joint(between: str) -> bool:
    """Whether what stands between two boxes says that both are the answer."""
    if len(between) <= MAX_JOINT and _NEXT_PART.fullmatch(between):
        return True
    if len(between) > MAX_JOINT or "\n\n" in between or re.search(r"\.(?:\s|$)", between):
        return False
    plain = _LAYOUT.sub(" ", _TEXT.sub(r"\1", between))
    plain = _NAME_BEFORE.sub("", plain)
    words = _LETTERS.findall(plain.lower())
    if not words and _CALCULATES.search(plain):
        return False  # \boxed{3}+1=\boxed{4}
    if not words:
        return "," in between or ";" in between or "\n" not in between
    return set(words) <= _JOINTS or ("and" in words and not _CORRECTIONS & set(words))


def boxed_answers(texts: Sequence[str], fallback: str) -> list[str | None]:
    """The boxed answer of each text, or what the fallback finds."""
    otherwise = FALLBACKS[fallback]
    return [found if (found := boxed_answer(text)) is not None else otherwise(text) for text in texts]


def whole_answers(texts: Sequence[str]) -> list[str | None]:
    """The end of each text; None where it is empty."""
    return [text.strip()[-LONGEST:] or None for text in texts]


def _starts(text: str) -> Iterator[int]:
    """Where the boxes' contents begin, from the last box to the first; plain search, so that long texts cost little."""
    place = len(text)
    while (place := text.rfind("box", 0, place)) > 0:
        for before in _BEFORE:
            if place >= before and (match := _START.match(text, place - before)):
                yield match.end()
                break


def _closings(text: str, starts: Sequence[int]) -> dict[int, int]:
    """The partners of the braces at `starts` that have one; escaped braces do not count. One pass."""
    if not starts:
        return {}
    wanted, opened, ends = set(starts), [], {}
    for brace in _BRACE.finditer(text, min(starts)):
        match brace.group():
            case "{":
                opened.append(brace.start())
            case "}" if opened:
                start = opened.pop()
                if start in wanted:
                    ends[start] = brace.start()
                if not opened and len(starts) == 1:
                    break
            case _:
                continue
    return ends
