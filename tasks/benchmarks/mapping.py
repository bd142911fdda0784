"""Turns the rows of a data set into problems: columns by name, answers as text, ids checked."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from configs.experiment import (
    Benchmark,
    Columns,
    FileBenchmark,
    GeneratedBenchmark,
    HubBenchmark,
    SuiteBenchmark,
)
from configs.schema import UserError
from tasks.benchmarks.cell_text import after_mark, answer_text, question_text
from tasks.benchmarks.choices import notation_of, options_of, posed
from tasks.benchmarks.row_files import Row
from warehouse.records import Problem


def name_of(benchmark: Benchmark) -> str:
    """A benchmark's name in tables: hub path with configuration and split, file stem, family with its settings.

    A suite's is the names of its benchmarks.
    """
    match benchmark:
        case HubBenchmark():
            parts = [benchmark.path, benchmark.config, benchmark.split]
            return ":".join(part for part in parts if part)
        case FileBenchmark():
            return Path(benchmark.path).stem
        case GeneratedBenchmark():
            parts = [benchmark.family, str(benchmark.seed)]
            parts += [f"difficulty{benchmark.difficulty}"] if benchmark.difficulty is not None else []
            parts += [benchmark.split] if benchmark.split != "test" else []
            return ":".join(parts)
        case SuiteBenchmark():
            return " + ".join(benchmark.of)


def problems_of(rows: Sequence[Row], columns: Columns, name: str, source: str) -> list[Problem]:
    """The rows as problems.

    Raises UserError for a missing column, an empty question or gold answer, or a duplicate id,
    naming `source`, the row and the remedy.
    """
    if not rows:
        raise UserError(f"{source} has no rows; choose another file or split.")
    notation = notation_of(rows, columns)
    problems: dict[str, Problem] = {}
    for number, row in enumerate(rows):
        where = f"{source}, row {number}"
        question = _cell(row, columns.question, "question", where, question_text)
        gold = _gold(_cell(row, columns.answer, "answer", where, answer_text), columns, where)
        problem_id = _cell(row, columns.id, "id", where, answer_text) if columns.id else str(number)
        if problem_id in problems:
            raise UserError(
                f"{where}: the id {problem_id} occurs twice; make ids unique, or leave out benchmark.id to number the rows."
            )
        used = {columns.question, columns.answer, columns.id}
        lettered: dict[str, object] = {}
        if columns.choices is not None:
            options, right = options_of(row, columns, gold, where, notation)
            question, gold, lettered = posed(
                question, options, right, problem_id if columns.shuffle_choices else None
            )
            used |= {columns.choices} if isinstance(columns.choices, str) else set(columns.choices)
        metadata = {key: value for key, value in row.items() if key not in used} | lettered
        problems[problem_id] = Problem.of(
            benchmark=name, problem_id=problem_id, question=question, gold=gold, metadata=metadata
        )
    return list(problems.values())


def _cell(
    row: Mapping[str, object], column: str, field: str, where: str, read: Callable[[object], str | None]
) -> str:
    if column not in row:
        close = difflib.get_close_matches(column, list(row), n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UserError(
            f"{where} has no column {column} (benchmark.{field}); {hint}It has: {', '.join(map(str, row))}."
        )
    try:
        text = read(row[column])
    except ValueError as error:
        raise UserError(
            f"{where}: column {column} (benchmark.{field}) {error}; correct the row or name another column."
        ) from error
    if not text:
        raise UserError(
            f"{where}: column {column} (benchmark.{field}) is empty; fill it in or remove the row."
        )
    return text


def _gold(text: str, columns: Columns, where: str) -> str:
    gold = after_mark(columns.answer_after, text)
    if gold is None:
        raise UserError(
            f"{where}: column {columns.answer} has no {columns.answer_after!r} followed by an answer "
            "(benchmark.answer_after); correct the marker or the row."
        )
    return gold
