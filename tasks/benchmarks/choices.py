"""Multiple choice: choices lettered below the question, in an order that each problem keeps permanently."""

import random
import re
import string
from collections.abc import Mapping, Sequence
from typing import Literal

from configs.experiment import Columns
from configs.schema import UserError
from tasks.benchmarks.cell_text import after_mark, answer_text

_LETTER = re.compile(r"\(?([A-Za-z])[).]?")
"""B, (B), B."""

Notation = Literal["letter", "index", "text"]
Readings = dict[Notation, int]
"""For each notation that the answer can be read in, the index of the choice that it then names."""


def options_of(
    row: Mapping[str, object], columns: Columns, gold: str, where: str, notation: Notation | None
) -> tuple[list[str], int]:
    """The choices in the row's order, and the index of the right one. Raises UserError naming `where`.

    `notation` is how the whole column names the right choice, see `notation_of`; None if that is unknown.
    """
    if not isinstance(columns.choices, str):
        missing = [name for name in columns.choices or () if not str(row.get(name) or "").strip()]
        if missing:
            raise UserError(f"{where}: column {missing[0]} (benchmark.choices) is missing or empty.")
        return [gold, *(str(row[name]).strip() for name in columns.choices or ())], 0
    options = _options(row, columns.choices)
    if options is None:
        raise UserError(
            f"{where}: column {columns.choices} (benchmark.choices) holds {row.get(columns.choices)!r}, not a list of "
            "2 to 26 choices."
        )
    readings = _readings(row, columns, options)
    if not readings:
        raise UserError(
            f"{where}: the answer {gold!r} is neither a choice's letter, its index from 0 nor its text "
            f"(benchmark.answer); the choices are {options}."
        )
    if notation in readings:
        return options, readings[notation]
    if len(set(readings.values())) > 1:
        means = " and ".join(f"as {name} {options[index]!r}" for name, index in readings.items())
        raise UserError(
            f"{where}: the answer {gold!r} can be read {means}, and the other rows do not tell which is meant; "
            "name a column that holds the index or the text (benchmark.answer)."
        )
    return options, next(iter(readings.values()))


def notation_of(rows: Sequence[Mapping[str, object]], columns: Columns) -> Notation | None:
    """How a column names the right choices: the one notation in which every row can be read.

    Whole numbers beside choices that are texts are indexes, however the choices read. None if no notation or
    more than one fits all rows; then each row must be clear by itself.
    """
    if not isinstance(columns.choices, str):
        return None
    fitting: set[Notation] = {"letter", "index", "text"}
    are_numbers = bool(rows)
    for row in rows:
        options = _options(row, columns.choices)
        if options is not None and (readings := _readings(row, columns, options)):
            fitting &= readings.keys()
        value, choices = row.get(columns.answer), row.get(columns.choices)
        are_numbers &= _is_whole(value) and isinstance(choices, list) and isinstance(choices[0], str)
    if are_numbers and "index" in fitting:
        return "index"
    return fitting.pop() if len(fitting) == 1 else None


def _readings(row: Mapping[str, object], columns: Columns, options: Sequence[str]) -> Readings:
    try:
        gold = after_mark(columns.answer_after, answer_text(row.get(columns.answer)) or "") or ""
    except ValueError:
        return {}
    letters = string.ascii_uppercase[: len(options)]
    found: Readings = {}
    if gold in options:
        found["text"] = options.index(gold)
    if (lettered := _LETTER.fullmatch(gold)) and lettered[1].upper() in letters:
        found["letter"] = letters.index(lettered[1].upper())
    if gold.isdecimal() and int(gold) < len(options):
        found["index"] = int(gold)
    return found


def _options(row: Mapping[str, object], column: str) -> list[str] | None:
    choices = row.get(column)
    if not isinstance(choices, list | tuple) or not 1 < len(choices) <= len(string.ascii_uppercase):
        return None
    return [str(choice).strip() for choice in choices]


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
