"""Multiple choice: choices lettered below the question, in an order that each problem keeps permanently."""

import ast
import random
import re
import string
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple, cast

from configs.experiment import Columns
from configs.schema import UserError
from tasks.benchmarks.cell_text import after_mark, answer_text
from tasks.benchmarks.json_text import parse_json

_LETTER = re.compile(r"\(?([A-Za-z])[).]?")
"""B, (B), B."""
_LETTERED = re.compile(r"\(?([A-Z])[).:]\s*(\S.*)", re.DOTALL)
"""A) Paris"""
_TEXTS, _LABELS = ("text", "content", "value", "option"), ("label", "key", "letter", "id")


class Options(NamedTuple):
    """The choices of a row, and the labels that it gives them itself, if any."""

    texts: list[str]
    labels: list[str]


Notation = Literal["letter", "index", "text"]
Readings = dict[Notation, int]
"""For each notation that the answer can be read in, the index of the choice that it then names."""


def options_of(
    row: Mapping[str, object], columns: Columns, gold: str, where: str, notation: Notation | None
) -> tuple[list[str], int]:
    """The choices in the row's order, and the index of the right one. Raises UserError naming `where`.

    `notation` is how the whole column names the right choice, see `notation_of`; None if that is unknown.
    """
    options = _options(row, columns)
    if not isinstance(columns.choices, str) and not (options and _readings(row, columns, options)):
        missing = [name for name in columns.choices or () if not str(row.get(name) or "").strip()]
        if missing:
            raise UserError(f"{where}: column {missing[0]} (benchmark.choices) is missing or empty.")
        return [gold, *(str(row[name]).strip() for name in columns.choices or ())], 0
    if options is None:
        raise UserError(
            f"{where}: column {columns.choices} (benchmark.choices) holds {row.get(str(columns.choices))!r}, not a list of "
            "2 to 26 choices."
        )
    readings = _readings(row, columns, options)
    if not readings:
        raise UserError(
            f"{where}: the answer {gold!r} is neither a choice's letter, its index from 0 nor its text "
            f"(benchmark.answer); the choices are {options.texts}."
        )
    if notation in readings:
        return options.texts, readings[notation]
    if len(set(readings.values())) > 1:
        means = " and ".join(f"as {name} {options.texts[index]!r}" for name, index in readings.items())
        raise UserError(
            f"{where}: the answer {gold!r} can be read {means}, and the other rows do not tell which is meant; "
            "name a column that holds the index or the text (benchmark.answer)."
        )
    return options.texts, next(iter(readings.values()))


def notation_of(rows: Sequence[Mapping[str, object]], columns: Columns) -> Notation | None:
    """How a column names the right choices: the one notation in which every row can be read.

    Whole numbers beside choices that are texts are indexes, however the choices read. None if no notation or
    more than one fits all rows; then each row must be clear by itself.
    """
    if not _hold_all(columns):
        return None
    fitting: set[Notation] = {"letter", "index", "text"}
    are_numbers = bool(rows)
    for row in rows:
        options = _options(row, columns)
        if options is not None and (readings := _readings(row, columns, options)):
            fitting &= readings.keys()
        choices = _held(row, columns)
        are_numbers &= (
            _is_whole(row.get(columns.answer)) and isinstance(choices, list) and isinstance(choices[0], str)
        )
    if are_numbers and "index" in fitting:
        return "index"
    return fitting.pop() if len(fitting) == 1 else None


def _readings(row: Mapping[str, object], columns: Columns, options: Options) -> Readings:
    try:
        gold = after_mark(columns.answer_after, answer_text(row.get(columns.answer)) or "") or ""
    except ValueError:
        return {}
    texts = options.texts
    if gold in options.labels:
        return {"letter": options.labels.index(gold)}
    letters = string.ascii_uppercase[: len(texts)]
    found: Readings = {}
    if gold in texts:
        found["text"] = texts.index(gold)
    if (marked := _LETTERED.fullmatch(gold)) and marked[1] in letters:
        place = letters.index(marked[1])
        if texts[place] == marked[2].strip():
            found["letter"] = place
    if (lettered := _LETTER.fullmatch(gold)) and lettered[1].upper() in letters:
        found["letter"] = letters.index(lettered[1].upper())
    if gold.isdecimal() and int(gold) < len(texts):
        found["index"] = int(gold)
    return found


def _hold_all(columns: Columns) -> bool:
    """Whether the choices' columns hold the right one, too: one column of lists, or columns that end in a, b, c and so on."""
    names = columns.choices
    if not names or isinstance(names, str):
        return bool(names)
    return [name[-1:].lower() for name in names] == list(string.ascii_lowercase[: len(names)])


def _held(row: Mapping[str, object], columns: Columns) -> object:
    """What the row holds as its choices, read where it is the text of a list or an object, as in CSV files."""
    names = columns.choices
    if not isinstance(names, str):
        return [row.get(name) for name in names or ()]
    held = row.get(names)
    return _unfolded(held.strip()) if isinstance(held, str) and held.strip()[:1] in {"[", "{"} else held


def _unfolded(text: str) -> object:
    """The value of a text in JSON or in Python's spelling, ['x', 'y']; the text where it is neither."""
    with suppress(ValueError):
        return parse_json(text.encode())
    with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
        return ast.literal_eval(text)
    return text


def _options(row: Mapping[str, object], columns: Columns) -> Options | None:
    """The choices, as a list, as texts and labels beside each other or one by one, or by letter; None for other forms."""
    held = _held(row, columns) if _hold_all(columns) else None
    labels: list[Any] = []
    match held:
        case {"text": [*texts], "label": [*labels]} if len(texts) == len(labels):
            choices: list[Any] = texts
        case dict() if all(len(str(key)) == 1 for key in held):
            # Parquet names every letter of the file in each row
            named = {key: value for key, value in held.items() if value is not None}
            labels, choices = list(named), list(named.values())
        case [dict(), *_]:
            rows = cast("list[Any]", held)
            labels, choices = [_field(one, _LABELS) for one in rows], [_field(one, _TEXTS) for one in rows]
            labels = [] if None in labels else labels
        case [*choices]:
            pass
        case _:
            return None
    if not 1 < len(choices) <= len(string.ascii_uppercase) or not all(
        isinstance(choice, str | int | float) for choice in choices
    ):
        return None
    texts = [str(choice).strip() for choice in choices]
    marked = [_LETTERED.fullmatch(text) for text in texts]
    if [match and match[1] for match in marked] == list(string.ascii_uppercase[: len(texts)]):
        texts = [match[2].strip() for match in marked if match]
    return Options(texts, [str(label).strip() for label in labels])


def _field(choice: object, names: Sequence[str]) -> object:
    """The value of the first of these names that a choice has."""
    return (
        next((choice[name] for name in names if name in choice), None) if isinstance(choice, dict) else None
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer()


def posed(
    question: str, options: Sequence[str], right: int, seed: str | None
) -> tuple[str, str, dict[str, object]]:
    """The question with its lettered choices, the right letter, and the entries for the metadata.

    `permutation[i]` is the original index of the i-th choice shown. The same `seed` (the problem's id)
    gives the same order on every machine; None keeps the original order.
    """
    order = list(range(len(options)))
    if seed is not None:
        random.Random(f"choices/{seed}").shuffle(order)  # noqa: S311 - reproducible, not secret
    shown = [options[index] for index in order]
    lines = [f"{letter}) {choice}" for letter, choice in zip(string.ascii_uppercase, shown, strict=False)]
    text = question + "\n\n" + "\n".join(lines)
    return text, string.ascii_uppercase[order.index(right)], {"choices": shown, "permutation": order}
