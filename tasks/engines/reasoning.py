"""Where a model's reasoning ends and its answer begins, for the marks of every model family we know."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, eq=False)  # so that a tuple of them is looked up in no time
class Marks:
    """What a family writes around its reasoning."""

    opening: str
    closing: str
    closes_alone: bool = True
    """Whether a closing mark without an opening one counts; not where it is a sentence."""


FAMILIES: Mapping[str, Marks] = {
    "think": Marks("<think>", "</think>"),  # DeepSeek-R1, Qwen, GLM, MiniMax, OLMo, Nemotron, Hunyuan, ERNIE
    "thinking": Marks("<thinking>", "</thinking>"),
    "thought": Marks("<thought>", "</thought>"),  # EXAONE Deep
    "reasoning": Marks("<reasoning>", "</reasoning>"),
    "mistral": Marks("[THINK]", "[/THINK]"),  # Magistral
    "kimi": Marks("◁think▷", "◁/think▷"),  # Kimi-VL Thinking
    "seed": Marks("<seed:think>", "</seed:think>"),  # Seed-OSS
    "openthoughts": Marks("<|begin_of_thought|>", "<|end_of_thought|>"),  # Sky-T1, OpenThinker
    "medgemma": Marks("<unused94>thought", "<unused95>"),
    "cohere": Marks("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A Reasoning
    "minimax": Marks("<mm:think>", "</mm:think>"),  # MiniMax M3
    "apertus": Marks("<|inner_prefix|>", "<|inner_suffix|>"),
    "longcat": Marks("<longcat_think>", "</longcat_think>"),
    "k2": Marks("<ifm|think>", "</ifm|think>"),
    "gemma": Marks("<|channel>thought", "<channel|>"),  # Gemma 4
    "doubao": Marks(
        "<think_never_used_51bce0c785ca2f68081bfa7d91973934>",
        "</think_never_used_51bce0c785ca2f68081bfa7d91973934>",
    ),
    "pangu": Marks("[unused16]", "[unused17]"),
    "solar": Marks("<|think|>", "<|end|>", closes_alone=False),
    "marco": Marks("<Thought>", "</Thought>"),  # Marco-o1
    **{
        name: Marks(f"<{name}>", f"</{name}>")
        for name in ("Think", "THINK", "thoughts", "reason", "analysis", "reflection")
    },
    **{f"<|{name}|>": Marks(f"<|{name}|>", f"<|/{name}|>") for name in ("thinking", "thought")},
    "scratchpad": Marks("<scratchpad>", "</scratchpad>"),
    "huatuo": Marks("## Thinking", "## Final Response", closes_alone=False),  # HuatuoGPT-o1
    "granite": Marks(
        "Here is my thought process:", "Here is my response:", closes_alone=False
    ),  # Granite 3.2
}
"""A family, and its marks. Harmony (gpt-oss), which has channels instead, is read beside them."""

KNOWN = tuple(FAMILIES.values())

_AROUND_ANSWER = re.compile(
    r"<\|(?:(?:START|END)_(?:RESPONSE|TEXT)|(?:begin|end)_of_solution|begin|content)\|>(?:assistant(?=<\|content))?|</?Output>"
)
_CHANNEL = re.compile(
    r"<\|channel\|>\s*(?P<name>\w+)[^<]*<\|message\|>(?P<text>.*?)(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    re.DOTALL,
)
_WITHOUT_MARKS = re.compile(
    r"analysis(?P<reasoning>.*?)assistantfinal(?P<answer>.*)|analysis(?P<cut>[A-Z\"'(].*)", re.DOTALL
)
"""Harmony whose special tokens were left out when the text was decoded, perhaps cut off before its answer."""


def marks_of(setting: Mapping[str, str] | None) -> tuple[Marks, ...]:
    """The marks that an engine's `think_marks` names; all known ones where it is absent."""
    return KNOWN if setting is None else tuple(Marks(*pair) for pair in setting.items())


def split_reasoning(text: str, families: tuple[Marks, ...] = KNOWN) -> tuple[str | None, str]:
    """Reasoning and answer of a raw completion; None where there was no reasoning.

    What stands before a first closing mark is reasoning, also without an opening one, since some chat
    templates open it in the prompt. A block that is opened again at the start of a line or sentence is reasoning too;
    one that is never closed has no answer behind it. A mark elsewhere in the answer is part of the answer.
    """
    has_tags = "<" in text  # one character is found a hundred times faster than several
    is_any = families is KNOWN
    if is_any and has_tags and "<|channel|>" in text:
        return _by_channel(text)
    if is_any and text.startswith("analysis") and (match := _WITHOUT_MARKS.fullmatch(text)):
        return (match["reasoning"] or match["cut"] or "").strip(), (match["answer"] or "").strip()
    marked = _marked(text, families)
    if not (marked or has_tags):
        return None, text.strip()
    reasoning, answer, place = [], [], 0
    while marked and (found := _next_mark(text, place, marked)):
        marks, start, is_opening = found
        if is_opening:
            answer.append(text[place:start])
            start += len(marks.opening)
            end = text.find(marks.closing, start)
        else:
            start, end = place, start
        reasoning.append(_inner(text[start : end if end >= 0 else len(text)], marks))
        place = end + len(marks.closing) if end >= 0 else len(text)
    answer.append(text[place:])
    said = "".join(answer).strip()
    if is_any and has_tags and "<|" in said:
        said = _AROUND_ANSWER.sub("", said).strip()
    return ("\n\n".join(filter(None, reasoning)) if reasoning else None), said


def _marked(text: str, families: tuple[Marks, ...]) -> tuple[Marks, ...]:
    """The families of which a mark that can begin or end reasoning is in the text; most texts have none."""
    if not _has_mark(text, families):
        return ()
    return tuple(
        marks for marks in families if marks.opening in text or (marks.closes_alone and marks.closing in text)
    )


def _has_mark(text: str, families: tuple[Marks, ...]) -> bool:
    """Whether there is any; only where one could begin is it looked for, which is many times faster than all through."""
    for first, marks in _by_first(families):
        place = text.find(first)
        while place >= 0:
            if text.startswith(marks, place):
                return True
            place = text.find(first, place + 1)
    return False


@cache
def _by_first(families: tuple[Marks, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The marks that can begin or end reasoning, by their first character."""
    marks = [m.opening for m in families] + [m.closing for m in families if m.closes_alone]
    firsts = dict.fromkeys(mark[0] for mark in marks)
    return tuple((first, tuple(mark for mark in marks if mark[0] == first)) for first in firsts)


def _next_mark(text: str, place: int, families: tuple[Marks, ...]) -> tuple[Marks, int, bool] | None:
    """The next mark that opens a block, at the start of a line or sentence; a closing one counts if it is the first."""
    match = _marks(families, place == 0).search(text, place)
    if match is None:
        return None
    mark = match["mark"]
    marks = next(marks for marks in families if mark in {marks.opening, marks.closing})
    return marks, match.start("mark"), mark == marks.opening


@cache
def _marks(families: tuple[Marks, ...], at_start: bool) -> re.Pattern[str]:  # noqa: FBT001 - a key of the cache
    opening = "|".join(re.escape(marks.opening) for marks in families)
    closing = "|".join(re.escape(marks.closing) for marks in families if marks.closes_alone)
    before = r"(?:^|(?<=[.!?}\])>$*]))[ \t]*"
    opened = rf"{before}(?P<mark>{opening})"
    return re.compile(
        rf"(?:{before}(?=(?:{opening}))|(?={closing}))(?P<mark>{opening}|{closing})"
        if at_start and closing
        else opened,
        re.MULTILINE,
    )


def _inner(text: str, marks: Marks) -> str:
    """Reasoning without a second opening mark, which a model writes behind the one of its prompt."""
    return text.strip().removeprefix(marks.opening).strip()


def _by_channel(text: str) -> tuple[str | None, str]:
    """What the channel `final` holds is the answer, all others are reasoning; cut off before it, there is none."""
    found = [(match["name"], match["text"].strip()) for match in _CHANNEL.finditer(text)]
    reasoning = [said for name, said in found if name != "final"]
    answer = [said for name, said in found if name == "final"]
    return ("\n\n".join(filter(None, reasoning)) if reasoning else None), "\n\n".join(answer)
