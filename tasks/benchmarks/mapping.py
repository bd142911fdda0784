"""Turns the rows of a data set into problems: columns by name, answers as text, ids checked."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from configs.experiment import Benchmark, Columns, FileBenchmark, GeneratedBenchmark, HubBenchmark
from configs.schema import UserError
from tasks.benchmarks.choices import options_of, posed
from tasks.benchmarks.files import Row
from warehouse.records import Problem


def name_of(benchmark: Benchmark) -> str:
    """A benchmark's name in tables: hub path with configuration and split, file stem, or family with its settings."""
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


def problems_of(rows: Sequence[Row], columns: Columns, name: str, source: str) -> list[Problem]:
    """The rows as problems.

    Raises UserError for a missing column, an empty question or gold answer, or a duplicate id,
    naming `source`, the row and the remedy.
    """
    if not rows:
        raise UserError(f"{source} has no rows; choose another file or split.")
    problems: dict[str, Problem] = {}
    for number, row in enumerate(rows):
        where = f"{source}, row {number}"
        question = _cell(row, columns.question, "question", where)
        gold = _gold(_cell(row, columns.answer, "answer", where), columns, where)
        problem_id = _cell(row, columns.id, "id", where) if columns.id else str(number)
        if problem_id in problems:
            raise UserError(
                f"{where}: the id {problem_id} occurs twice; make ids unique, or leave out benchmark.id to number the rows."
            )
        used = {columns.question, columns.answer, columns.id}
        lettered: dict[str, object] = {}
        if columns.choices is not None:
            options, right = options_of(row, columns, gold, where)
            question, gold, lettered = posed(
                question, options, right, problem_id if columns.shuffle_choices else None
            )
            used |= {columns.choices} if isinstance(columns.choices, str) else set(columns.choices)
        metadata = {key: value for key, value in row.items() if key not in used} | lettered
        problems[problem_id] = Problem.of(
            benchmark=name, problem_id=problem_id, question=question, gold=gold, metadata=metadata
        )
    return list(problems.values())


def _cell(row: Mapping[str, object], column: str, field: str, where: str) -> str:
    if column not in row:
        close = difflib.get_close_matches(column, list(row), n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UserError(
            f"{where} has no column {column} (benchmark.{field}); {hint}It has: {', '.join(map(str, row))}."
        )
    text = _text(row[column]).strip()
    if not text:
        raise UserError(
            f"{where}: column {column} (benchmark.{field}) is empty; fill it in or remove the row."
        )
    return text


def _text(value: object) -> str:
    """Numbers as people write them: 27.0 becomes 27."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _gold(text: str, columns: Columns, where: str) -> str:
    if columns.answer_after is None:
        return text
    _, marker, gold = text.rpartition(columns.answer_after)
    if not marker or not gold.strip():
        raise UserError(
            f"{where}: column {columns.answer} has no {columns.answer_after!r} followed by an answer "
            "(benchmark.answer_after); correct the marker or the row."
        )
    return gold.strip().replace(",", "")
