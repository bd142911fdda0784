"""Multiple choice: choices lettered below the question, in an order that each problem keeps permanently."""

import random
import string
from collections.abc import Mapping, Sequence

from configs.experiment import Columns
from configs.schema import UserError


def options_of(row: Mapping[str, object], columns: Columns, gold: str, where: str) -> tuple[list[str], int]:
    """The choices in the row's order, and the index of the right one. Raises UserError naming `where`."""
    if not isinstance(columns.choices, str):
        missing = [name for name in columns.choices or () if not str(row.get(name) or "").strip()]
        if missing:
            raise UserError(f"{where}: column {missing[0]} (benchmark.choices) is missing or empty.")
        return [gold, *(str(row[name]).strip() for name in columns.choices or ())], 0
    choices = row.get(columns.choices)
    if not isinstance(choices, list | tuple) or not 1 < len(choices) <= len(string.ascii_uppercase):
        raise UserError(
            f"{where}: column {columns.choices} (benchmark.choices) holds {choices!r}, not a list of 2 to 26 choices."
        )
    options = [str(choice).strip() for choice in choices]
    letters = string.ascii_uppercase[: len(options)]
    if gold in options:
        return options, options.index(gold)
    if len(gold) == 1 and gold.upper() in letters:
        return options, letters.index(gold.upper())
    if gold.isdecimal() and int(gold) < len(options):
        return options, int(gold)
    raise UserError(
        f"{where}: the answer {gold!r} is neither a choice's letter, its index from 0 nor its text "
        f"(benchmark.answer); the choices are {options}."
    )


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
