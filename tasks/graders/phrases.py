"""Answers without a box: what follows "the answer is", or the last number. Linear in the text's length."""

import re
from collections import deque
from collections.abc import Callable

MAX_PHRASE = 200
"""Characters of a stated answer; what is longer is a sentence about one."""

STATED = (
    r"(?<![A-Za-z])ans(?:wers?)?\b[*_}\"']*"
    r"(?:[ \t]+(?:to|of|for|that)[ \t][^.\n:=]{0,80}?|[ \t]*\([^()\n]{1,40}\)|,[ \t]*(?:then|therefore|thus)\b,?)?"
    r"[ \t]*(?:[:\uff1a=]|[\u2014\u2013](?=[ \t*]*(?:[-$\\(\d]|[A-J]\b))|-[ \t]+(?=[A-J]\b)|-+>|→"
    r"|\b(?:is|are|must be|should be|would be|will be|equals|comes to|turns out to be)\b|[ \t](?=\$|\\\(|\\\[))"
    r"[ \t*_}]*:?|<(?:final_)?answer>|答案(?:[是为]?[ \t]*[:\uff1a]|[是为】])"
)
"""The answer is, the answer to this problem must be, **Answer**:, "final_answer":"""

_ANSWERS = (
    "respuesta", "réponse", "antwort", "antwoord", "resposta", "risposta", "ответ", "відповідь", "odpowiedź", "cevap",
    "jawaban", "jawabannya", "đáp án", "jibu", "उत्तर", "উত্তর", "คำตอบ", "الإجابة", "الجواب", "答え", "正解", "正答", "정답", "답",
)  # fmt: skip
ELSEWHERE = (
    rf"(?<![^\W\d_])(?:{'|'.join(_ANSWERS)})[*_]*(?:[ \t]+(?!(?:no|não|non|nicht|nie|не|bukan|không)\b)[^\W\d_]{{1,20}}){{0,4}}?"
    r"(?:[ \t]*[:\uff1a=]|[ \t]*[—–](?=[ \t])|は|[은는이가](?![^\W\d_])"
    r"|[ \t]+(?:es|est|ist|lautet|is|é|è|adalah|là|ni|هي|هو|है)(?![^\W\d_]))"
    r"(?:[ \t]+(?:die[ \t]+)?(?:la|letra|lettre|opción|opção|option|вариант)(?![^\W\d_]))*"
)
"""The answer is, as the languages of MGSM and of translated MMLU say it."""

HEADING = r"^[#>*_ \t]*(?:(?:the|my)[ \t]+)?(?:final[ \t]+|correct[ \t]+)?answer[*_ \t]*[:\uff1a]?[*_ \t]*\n(?:[-=]{3,}[ \t]*\n)?"
"""### Final Answer, on a line of its own."""

_PHRASE = re.compile(
    rf"{STATED}|{HEADING}|^[ \t]*####[ \t]*(?!\d+(?:[.)][ \t]|st\b|nd\b|rd\b|th\b))(?=[-+−$\\(\[{{.\d]|[^\n]*\Z)",
    re.IGNORECASE | re.MULTILINE,
)
_ELSEWHERE = re.compile(ELSEWHERE, re.IGNORECASE)
_MATHS = re.compile(r"\$\$\s*(.+?)\s*\$\$|\\\[\s*(.+?)\s*\\\]|\$([^$\n]+)\$|\\\((.+?)\\\)", re.DOTALL)
_DISPLAY = re.compile(
    r"\\begin\{(equation|align|gather|displaymath|math|eqnarray)(\*?)\}\s*(.+?)\s*\\end\{\1\2\}|`{3}\w*\n\s*(.+?)\s*\n`{3}",
    re.DOTALL,
)
"""An equation in an environment, or a block of code."""
_REVERSED = re.compile(
    r"(?<![\w.,])(?P<answer>\$[^$\n]{1,80}\$|\\\(.{1,80}?\\\)|\([A-Z]\)|[-+−]?[\w.,/\\^{}]{1,40})[*_]*[ \t]+is[ \t]+"
    r"(?:(?:the|my|our)[ \t]+)(?:(?:final|correct|right|best|required|desired|only)[ \t]+)*(?:answer|option|choice)\b",
    re.IGNORECASE,
)
"""B is the correct answer."""
_TOKENS = re.compile(r"<\|[\w ]{1,40}\|>|</s>|<(?:eos|end_of_turn|eot)>|<\uff5c[^<>]{1,40}\uff5c>")
"""What ends a text or a turn in some models' vocabularies."""
_CLOSING = re.compile("</(?:final_)?answer>", re.IGNORECASE)
_BULLET = re.compile(r"^\s*\n[ \t]*[-•*][ \t]+(?=[\d$\\(])")
"""A list of one, on a line of its own."""
_NOT_ANSWERS = frozenset({
    "this", "that", "it", "which", "what", "here", "below", "above", "following", "one", "so", "and", "value",
})  # fmt: skip
_SUBJECT = re.compile(
    r"(?:the|its|there|this)\b[^\n]*\b(?:is|are|equals)\s+(?=[-+−$\\(\[{.\d])|[^\W\d_][^\n=]{0,80}\b(?:is|are|equals)\s+(?=\$?-?\d[^\n]*$)",
    re.IGNORECASE,
)
"""The number of ways is, before the number: a sentence behind "Answer:" that says whose value it is."""
_RESULT = re.compile(r"\b(?:solution|result)s?\b[*_]*[ \t]*(?::|=|\b(?:is|are|equals)\b)", re.IGNORECASE)
"""The result is 31, where nothing is called an answer."""
_OF_FILLER = re.compile(r"^[*_]*(?:is|are|equals)\b\s*")
_IN_JSON = re.compile(r'"((?:\\.|[^"\\])*)"\s*(?=[,}])')
"""A text among the fields of an object."""
_COPULA = re.compile(r"(?:です|になります|となります|입니다|이다|है)$")
"""Is, behind what it says."""
_LOUD = re.compile(r"[*_]+[!?]+$")
_VALUE_OF = re.compile(r"\s*(?:=|\bis\b)\s*")
_FACTOR = re.compile(
    r"\s*(?:hundred|thousand|million|billion|trillion|dozen|squared|cubed|factorial|times)\b[^.,;\n]*"
)
_AND_MATHS = re.compile(r"\s*(?:,|;|,?\s*(?:and|or)\b)\s*(?=\$|\\\(|\\\[)")
_FILLER = re.compile(
    r"(?:(?:therefore|thus|then|hence|simply|just|exactly|precisely|indeed|clearly|obviously|also|still|now|equal to|given by|"
    r"approximately|about|roughly|that|(?:the|a|an) (?:number|value|integer|total|sum|expression|function|"
    r"pair|set|interval|list|point|matrix|equation)(?: of)?)\b[\s,:]*)+",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"\s+(?:because|since|which|where|whereas|as|so|by|from|when|if|for|but|after|given|obtained|meaning|i\.e\.|"
    r"using|under|that|though|although|while|and (?:we|the|this|that|it|so|thus|all|no|I)|—|–|--?)(?:\s|$)"
    r"|\s*(?:✅|✓|✔|\(mod\b)|\s+\((?=[a-z]{4,})|[!?]{2,}|(?<=\d)[!?](?=\s+[A-Z])|:\s(?=[A-Za-z]{2})"
)
_ITEM = re.compile(r",\s+(?:and\s+|or\s+)?(?=[-+−$\\(\[{.\d]|[a-zA-Z]\s*=)|,\s+(?:and|or)\s+(?=[\w$\\(\[])")
_NUMBER = re.compile(
    r"(?<![\w.])[-+−–]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|(?<=\d))(?:[eE][-+]?\d{1,3}(?![\w.]))?(?:/\d+)?"
)


def stated_answer(text: str) -> str | None:
    """What follows the last "the answer is", "Answer:", heading or "####", up to the end of its sentence."""
    last = deque(_PHRASE.finditer(text), maxlen=1)
    if not last and (before := _stated_before(text)):
        return before
    if not last and is_from_elsewhere(text):
        last = deque(_ELSEWHERE.finditer(text), maxlen=1)
    last = last or deque(_RESULT.finditer(text), maxlen=1)
    if not last:
        return None
    rest = _CLOSING.split(text[last[0].end() : last[0].end() + 2 * MAX_PHRASE], maxsplit=1)[0]
    rest = _BULLET.sub("", _TOKENS.sub("", rest)).lstrip(" \t\n*_:>,")
    if filler := _FILLER.match(rest):
        rest = _OF_FILLER.sub("", rest[filler.end() :]).lstrip(" *_")
    if display := _DISPLAY.match(rest) or _IN_JSON.match(rest):
        return display[display.lastindex or 0].strip() or None
    if maths := _in_maths(rest):
        return maths
    if (subject := _SUBJECT.match(rest)) and "\n" not in rest[: subject.end()]:
        rest = rest[subject.end() :]
        if maths := _in_maths(rest):
            return maths
    stated = _COPULA.sub("", _LOUD.sub("", _sentence(rest)).strip(' \t*_.,;"。'))
    return stated if 0 < len(stated) <= MAX_PHRASE else None


def is_from_elsewhere(text: str) -> bool:
    """Whether a text has another language's word for an answer: a plain search, that spares most texts the pattern."""
    lowered = text.lower()
    return any(word in lowered for word in _ANSWERS)


def _stated_before(text: str) -> str | None:
    """31 is the answer, or B is the correct option: what stands before the last of these."""
    last = deque(_REVERSED.finditer(text), maxlen=1)
    found = last[0]["answer"].strip("$").removeprefix("\\(").removesuffix("\\)").strip() if last else ""
    return found if found and found.lower() not in _NOT_ANSWERS else None


def last_number(text: str) -> str | None:
    """The last number in the text, with its thousands separators."""
    last = deque(_NUMBER.finditer(text), maxlen=1)
    return last[0].group()[:MAX_NUMBER] if last else None


MAX_NUMBER = 16_000

FALLBACKS: dict[str, Callable[[str], str | None]] = {
    "none": lambda _: None,
    "phrase": stated_answer,
    "last_number": last_number,
}
"""How an answer is found without a box, by the setting's name."""


def _in_maths(rest: str) -> str | None:
    r"""$…$, \(…\), \[…\] at the start, with the ones that an "and" or a comma joins to it."""
    found, place, end = [], 0, 0
    while match := _MATHS.match(rest, place):
        found.append(next(group for group in match.groups() if group is not None).strip())
        joint = _AND_MATHS.match(rest, match.end())
        place, end = joint.end() if joint else len(rest), match.end()
    if (
        len(found) == 1
        and (named := _VALUE_OF.match(rest, end))
        and (value := _in_maths(rest[named.end() :]))
    ):
        return value
    if found and (factor := _FACTOR.match(rest, end)):
        found[-1] += factor[0]
    return ", ".join(filter(None, found)) or None


def _sentence(rest: str) -> str:
    """Up to the first full stop, line end, semicolon or comma outside brackets; a comma inside a list goes on."""
    depth, end = 0, len(rest)
    for place, character in enumerate(rest):
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:  # a bracket that was opened before the answer
            end = place
            break
        if depth > 0 and character != "\n":
            continue
        is_stop = character == "." and (
            place + 1 == len(rest) or rest[place + 1].isspace() or rest[place + 1] in "*<"
        )
        is_comma = character == "," and rest[place + 1 : place + 2].isspace() and not _ITEM.match(rest, place)
        if is_stop or is_comma or character in "\n;。":
            end = place
            break
    return _TAIL.split(rest[:end], maxsplit=1)[0]
