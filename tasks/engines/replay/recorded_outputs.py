"""A file of recorded outputs: found by question, read a row group at a time where it is Parquet."""

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from configs.engines import ReplaySettings
from tasks.benchmarks.cell_text import is_nan, question_text
from tasks.benchmarks.row_files import Row, read_rows
from tasks.engines.message import recorded_text, spoken
from tasks.engines.protocol import EngineError

_GROUPS_HELD = 32
"""Row groups in memory; shards read problems in order, so each group is read about once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One recorded output and what the recording says of it."""

    output: str | None
    """The text; None where the recording holds a failure in its place."""
    score: float | None = None
    reasoning: str | None = None
    """Where the recording keeps it apart; else it may stand inside `output`."""
    finish_reason: str | None = None
    num_prompt_tokens: int | None = None
    num_completion_tokens: int | None = None
    started_at: datetime | None = None
    latency_seconds: float | None = None
    error: str | None = None


DETAILS = tuple(field.name for field in fields(Recorded))[2:]
"""What besides output and score an engine's settings may name a column for."""


def columns_of(settings: ReplaySettings) -> dict[str, str]:
    """The columns that are read, by the name of their setting."""
    named = {name: getattr(settings, name) for name in ("question", "outputs", "scores", *DETAILS)}
    return {name: column for name, column in named.items() if column is not None}


class RecordedOutputs:
    """The outputs of a recording. Safe to ask from several threads."""

    def __init__(self, settings: ReplaySettings) -> None:
        """Read the questions, and of a .jsonl file everything. Raises EngineError for a missing column."""
        self._settings, self._columns = settings, columns_of(settings)
        self._lock = threading.Lock()
        self._rows = (
            _Groups(settings, self._columns) if settings.path.endswith(".parquet") else _Lines(settings)
        )
        self._places: dict[bytes, list[int]] = {}
        for number, question in enumerate(self._rows.questions(self._columns)):
            self._places.setdefault(_key(question), []).append(number)

    def of(self, question: str) -> list[Recorded]:
        """The outputs recorded for a question, in the order of the rows."""
        with self._lock:
            return [
                recorded
                for number in self._places.get(_key(question), ())
                for recorded in self._recorded(number, self._rows.row(number))
            ]

    def _recorded(self, number: int, row: Row) -> list[Recorded]:
        outputs = row[self._settings.outputs]
        texts = outputs_of(outputs, strict=False)
        scores = self._scores(number, row, len(texts))
        details = {name: self._listed(number, row, name, len(texts)) for name in DETAILS}
        details["started_at"] = [_time(value) for value in details["started_at"]]
        return [
            Recorded(
                output=text,
                score=scores[place],
                **{name: values[place] for name, values in details.items()},
            )
            for place, text in enumerate(texts)
        ]

    def _listed(self, number: int, row: Row, name: str, num_outputs: int) -> Sequence[Any]:
        """One value an output of a setting's column; None where no column is named."""
        value = row[self._columns[name]] if name in self._columns else None
        if not isinstance(value, list):
            return [value] * num_outputs
        if len(value) != num_outputs:
            raise EngineError(
                f"{self._settings.path}, row {number}: column {self._columns[name]} (engine.{name}) holds {len(value)} "
                f"values for {num_outputs} outputs; correct the file or leave engine.{name} out."
            )
        return value

    def _scores(self, number: int, row: Row, num_outputs: int) -> list[float | None]:
        """One score an output: a number, or a list of one as reward models write it; null where unknown."""
        column = self._settings.scores
        if column is None:
            return [None] * num_outputs
        scores = row[column] if isinstance(row[column], list) else [row[column]]
        flat = [score[0] if isinstance(score, list) and len(score) == 1 else score for score in scores]
        try:
            held = [None if score is None else _number(score) for score in flat]
        except ValueError:
            held = []
        if len(held) != num_outputs:
            raise EngineError(
                f"{self._settings.path}, row {number}: column {column} (engine.scores) does not hold one finite "
                f"number for each of the {num_outputs} outputs; correct the file or leave engine.scores out."
            )
        return held


class _Lines:
    """The rows of a .jsonl or .csv file, all in memory."""

    def __init__(self, settings: ReplaySettings) -> None:
        self._path, self._rows = settings.path, read_rows(settings.path)

    def questions(self, columns: Mapping[str, str]) -> list[str]:
        for number, row in enumerate(self._rows):
            _check(f"{self._path}, row {number}", columns, list(row))
        return [_question(row[columns["question"]]) for row in self._rows]

    def row(self, number: int) -> Row:
        return self._rows[number]


class _Groups:
    """The rows of a .parquet file; a few row groups in memory, those asked for last."""

    def __init__(self, settings: ReplaySettings, columns: Mapping[str, str]) -> None:
        try:
            self._file = pq.ParquetFile(settings.path)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise EngineError(
                f"{settings.path} is not a readable Parquet file ({reason}); correct engine.path."
            ) from error
        _check(settings.path, columns, self._file.schema_arrow.names)
        self._names = list(columns.values())
        counts = [self._file.metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)]
        self._starts = list(accumulate(counts, initial=0))
        self._group = [group for group, count in enumerate(counts) for _ in range(count)]
        self._held: OrderedDict[int, list[Row]] = OrderedDict()

    def questions(self, columns: Mapping[str, str]) -> list[str]:
        column = self._file.read(columns=[columns["question"]]).column(0)
        return [_question(question) for question in column.to_pylist()]

    def row(self, number: int) -> Row:
        group = self._group[number]
        if group not in self._held:
            self._held[group] = self._file.read_row_group(group, columns=self._names).to_pylist()
            if len(self._held) > _GROUPS_HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(group)
        return self._held[group][number - self._starts[group]]


def _check(place: str, columns: Mapping[str, str], held: Sequence[str]) -> None:
    for field, column in columns.items():
        if column not in held:
            raise EngineError(f"{place} has no column {column} (engine.{field}); it has: {', '.join(held)}.")


def _question(value: object) -> str:
    """The text that a benchmark makes of the same cell."""
    try:
        return question_text(value) or ""
    except ValueError:
        return str(value)


def _key(question: str) -> bytes:
    """Questions are matched but for white space, which copies of a data set differ in."""
    return hashlib.sha256(" ".join(question.split()).encode()).digest()[:16]


def outputs_of(cell: object, *, strict: bool = True) -> list[str | None]:
    """A cell's outputs, texts or messages, None for one that is absent. Raises ValueError for what is neither.

    Not `strict`: numbers and the like are written as text.
    """
    found = [None if is_nan(value) else value for value in spoken(cell)]
    return [
        recorded_text(value) if strict or value is None or isinstance(value, dict) else str(value)
        for value in found
    ]


def _number(value: object) -> float:
    """Raises ValueError for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def _time(value: object) -> datetime | None:
    """A time of Parquet as it is, one of JSON from its text."""
    return (
        datetime.fromisoformat(value)
        if isinstance(value, str)
        else value
        if isinstance(value, datetime)
        else None
    )
