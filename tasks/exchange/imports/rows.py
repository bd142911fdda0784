"""Plain rows, JSONL or Parquet: a question, one output or a list of them, a gold answer, perhaps an id.

A column that describes outputs (finish reason, tokens, …) holds one value, or a list as long as the outputs.
Rows that repeat a question add samples to it. An id belongs to a problem, unless it plainly numbers the rows.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from configs.schema import JsonObject, UserError
from tasks.benchmarks.cell_text import after_mark, answer_text, question_text
from tasks.benchmarks.row_files import rows_of
from tasks.engines.replay.recorded_outputs import DETAILS, Recorded, outputs_of
from tasks.exchange.imports.samples import (
    Judgement,
    LogHeader,
    Options,
    ReadReport,
    Sample,
    details,
    json_lines,
    number,
    text_of,
    verdict_of,
)

NAME = "rows"
_NAMES = {
    "question": ("question", "problem", "prompt", "input"),
    "outputs": (
        "outputs",
        "output",
        "responses",
        "response",
        "completions",
        "completion",
        "generations",
        "generation",
    ),
    "gold": ("gold", "answer", "expected_answer", "target", "ground_truth", "solution", "gt"),
    "id": ("id", "problem_id", "unique_id", "question_id", "idx"),
}
_PER_OUTPUT = {name: name for name in DETAILS if name != "started_at"}
_ROWS_AT_ONCE = 256


def read(
    files: list[Path], options: Options, report: ReadReport
) -> tuple[LogHeader, Iterator[Sample | Judgement]]:
    """The samples of all files, one after the other. Raises UserError if a column cannot be found."""
    tried = ReadReport()
    first = next((row for file in files for _, row in _rows(file, tried)), None)
    if first is None and tried.breaks:
        raise UserError(
            f"{files[0]} has no line that can be read. {tried.breaks[0]}. Write one JSON object per line, with nothing "
            "before or after it."
        )
    if first is None:
        raise UserError(f"{files[0]} has no rows; name another file.")
    columns = _columns(files[0], first, options)
    header = LogHeader(NAME, files[0].stem)
    shown = ", ".join(f"{field} = {column}" for field, column in columns.items() if column)
    header.notes.append(f"columns: {shown}")
    if isinstance(first.get("model"), str):
        header.model = first["model"]
    if _are_numbered_by_row(files, columns, first):
        header.notes.append(
            f"column {columns['id']} numbers the rows, not the problems: rows that repeat a question are its samples"
        )
        columns["id"] = None
    return header, _samples(files, columns, options, report)


def _are_numbered_by_row(files: list[Path], columns: Mapping[str, str | None], first: JsonObject) -> bool:
    """Whether most questions stand in several rows of one output each, every row with an id of its own."""
    if columns["id"] is None or isinstance(first.get(str(columns["outputs"])), list):
        return False
    ids: set[bytes] = set()
    counts = Counter[bytes]()
    for file in files:
        for _, row in _rows(file, ReadReport()):
            identity = _key(text_of(row.get(columns["id"])) or "")
            if identity in ids:
                return False
            ids.add(identity)
            counts[_key(str(row.get(str(columns["question"]))))] += 1
    return 2 * sum(count > 1 for count in counts.values()) > len(counts)


def _columns(file: Path, row: JsonObject, options: Options) -> dict[str, str | None]:
    """The column for each field, as named by the user or recognised by its name."""
    columns: dict[str, str | None] = {}
    for field, names in _NAMES.items():
        named = getattr(options, field)
        found = named if named in row else next((name for name in names if name in row), None)
        if (named and named not in row) or (found is None and field != "id"):
            lacking = f"no column {named}" if named else f"no column that is known to hold the {field}"
            raise UserError(f"{file} has {lacking}; it has: {', '.join(row)}. Name it with --{field}.")
        columns[field] = found
    for field in ("scores", "verdict"):
        named = getattr(options, field)
        if named and named not in row:
            raise UserError(f"{file} has no column {named}; it has: {', '.join(row)}. Correct --{field}.")
        columns[field] = named
    return columns


def _samples(
    files: list[Path], columns: Mapping[str, str | None], options: Options, report: ReadReport
) -> Iterator[Sample | Judgement]:
    numbers: dict[bytes, int] = {}
    counts: dict[str, int] = {}
    used = {*columns.values(), *_PER_OUTPUT, "model"}
    for file in files:
        for where, row in _rows(file, report):
            try:
                question, gold, outputs = _texts(row, columns, options)
                lists = {name: _listed(row, name, len(outputs)) for name in _PER_OUTPUT}
                scores = _listed(row, columns["scores"], len(outputs))
                verdicts = _listed(row, columns["verdict"], len(outputs))
            except ValueError as error:
                report.broken(f"{where} {error}")
                continue
            key = _key(question)
            own_id = text_of(row.get(columns["id"])) if columns["id"] else None
            problem_id = own_id or str(numbers.setdefault(key, len(numbers)))
            start = counts.get(problem_id, 0)
            counts[problem_id] = start + len(outputs)
            metadata = {name: value for name, value in row.items() if name not in used}
            for offset, output in enumerate(outputs):
                yield Sample(
                    problem_id=problem_id,
                    question=question,
                    gold=gold,
                    sample_index=start + offset,
                    recorded=Recorded(
                        output=output,
                        score=_score(scores[offset]),
                        **details({name: values[offset] for name, values in lists.items()}, _PER_OUTPUT),
                    ),
                    metadata=metadata,
                    where=where,
                )
                is_correct = verdict_of(verdicts[offset])
                if columns["verdict"] and is_correct is not None:
                    yield Judgement(problem_id, start + offset, columns["verdict"], is_correct, None)


def _texts(
    row: JsonObject, columns: Mapping[str, str | None], options: Options
) -> tuple[str, str, list[str | None]]:
    """Question, gold answer and outputs of a row. Raises ValueError with the field and the remedy."""
    question = question_text(row.get(str(columns["question"])))
    gold = answer_text(row.get(str(columns["gold"])))
    if question is None:
        raise ValueError(f"has no text in {columns['question']} (--question)")
    answer = after_mark(options.gold_after, gold) if gold else None
    if answer is None:
        after = f" after {options.gold_after}" if options.gold_after else ""
        raise ValueError(f"has no gold answer in {columns['gold']}{after} (--gold, --gold-after)")
    value = row.get(str(columns["outputs"]))
    if value == []:
        raise ValueError(f"has no outputs in {columns['outputs']} (--outputs)")
    try:
        outputs = outputs_of(value)
    except ValueError as error:
        raise ValueError(f"has values that are not text in {columns['outputs']} (--outputs)") from error
    return question, answer, outputs


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]


def _listed(row: JsonObject, column: str | None, count: int) -> list[Any]:
    """A column's values, one per output. Raises ValueError if there are too few or too many."""
    value = row.get(column) if column else None
    if not isinstance(value, list):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"has {len(value)} values in {column} for {count} outputs")
    return value


def _score(value: object) -> float | None:
    """A number, possibly in a list of one, as reward models write it."""
    return number(value[0] if isinstance(value, list) and len(value) == 1 else value)


def _rows(file: Path, report: ReadReport) -> Iterator[tuple[str, JsonObject]]:
    if file.suffix != ".parquet":
        yield from json_lines(file, report)
        return
    try:
        with pq.ParquetFile(file) as rows:
            size, count, number = file.stat().st_size, max(rows.metadata.num_rows, 1), 0
            for batch in rows.iter_batches(_ROWS_AT_ONCE):
                for row in rows_of(batch):
                    number += 1
                    yield f"{file}, row {number}", row
                report.num_bytes += size * batch.num_rows // count
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{file} is not readable as Parquet ({str(error).splitlines()[0]}); copy it again."
        ) from error
