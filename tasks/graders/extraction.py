"""Finding the answer in a model's text: the last whole box, in two passes over the text at most."""

import itertools
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence

LONGEST = 16_000
"""Characters of an answer that are looked at: a longer box keeps its start, a longer text its end."""

_MAX_BOXES = 64
"""Boxes looked at from the end; a text with more unclosed ones is not an answer but noise."""

_START = re.compile(r"\\(?:boxed|fbox|framebox)\s*")
_BEFORE = (1, 2, 6)
"""Characters before the `box` of \\boxed, \\fbox and \\framebox."""

_BARE = re.compile(r"[^\s{}$\\,;.]+(?:\.\d+)?")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_PHRASE = re.compile(r"\banswer\b[ \t]*(?:is|:|=)[ \t]*:?|####", re.IGNORECASE)
_SENTENCE_END = re.compile(r"\.(?:\s|$)|\n|;|,\s")
_MATHS = re.compile(r"\$([^$]+)\$|\\\((.+?)\\\)")
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|(?<=\d))(?:/\d+)?")

MAX_PHRASE = 200
"""Characters of a stated answer; what is longer is a sentence about one."""


def extract_answer(text: str) -> str | None:
    r"""Content of the last balanced \boxed{…} or \fbox{…}, or the word after a bare \boxed.

    The last box counts, since models correct themselves. One that is never closed is no answer, and
    an earlier whole one then counts. None where there is no box. Linear in the text's length.
    """
    if (plain := _plain_box(text)) is not None:
        return plain
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


def _plain_box(text: str) -> str | None:
    r"""The last box where it is a \boxed{} without a brace or command in it: most boxes, in a few searches."""
    place = text.rfind("\\boxed{")
    start = place + len("\\boxed{")
    if place < 0 or text.find("box", start) >= 0:
        return None
    content = text[start : text.find("}", start)] if "}" in text[start : start + MAX_PHRASE] else "{"
    return None if "{" in content or "\\" in content else content.strip() or None


def stated_answer(text: str) -> str | None:
    """What follows the last "the answer is", "Answer:" or "####", up to the end of its sentence."""
    last = deque(_PHRASE.finditer(text), maxlen=1)
    if not last:
        return None
    rest = text[last[0].end() : last[0].end() + 2 * MAX_PHRASE].lstrip(" \t\n*:")
    if match := _MATHS.match(rest):
        return (match[1] or match[2]).strip() or None
    end = _SENTENCE_END.search(rest)
    stated = (rest[: end.start()] if end else rest).strip(" \t*.")
    return stated if 0 < len(stated) <= MAX_PHRASE else None


def last_number(text: str) -> str | None:
    """The last number in the text, with its thousands separators."""
    last = deque(_NUMBER.finditer(text), maxlen=1)
    return last[0].group()[:LONGEST] if last else None


_FALLBACKS: dict[str, Callable[[str], str | None]] = {
    "none": lambda _: None,
    "phrase": stated_answer,
    "last_number": last_number,
}


def boxed_answers(texts: Sequence[str], fallback: str) -> list[str | None]:
    """The boxed answer of each text, or what the fallback finds."""
    otherwise = _FALLBACKS[fallback]
    return [found if (found := extract_answer(text)) is not None else otherwise(text) for text in texts]


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
