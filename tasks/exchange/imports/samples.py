"""What every reader returns: samples and judgements one by one, and a header that describes the log."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

from configs.schema import JsonObject, UserError
from tasks.benchmarks.cell_text import answer_text, question_text
from tasks.benchmarks.json_text import parse_json
from tasks.engines.replay.recorded_outputs import Recorded

SHOWN_BREAKS = 5
_MOST = 2**31 - 1
"""The largest count that a trace's columns hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One recorded output, or a recorded failure, with its problem."""

    recorded: Recorded
    problem_id: str
    question: str
    gold: str
    sample_index: int
    """Its index among its problem's samples in the log (epoch, repeat, seed); only the order matters."""
    metadata: Mapping[str, object] = field(default_factory=dict)
    """Other fields of the problem in the log."""
    where: str = field(default="", compare=False)
    """File and line, for messages about it."""


class Judgement(NamedTuple):
    """The log's own verdict on one of its samples; stored as the grade of a grader named after the log."""

    problem_id: str
    sample_index: int
    scorer: str
    is_correct: bool
    extracted: str | None
    """The answer that the log's scorer extracted."""


@dataclass(slots=True)
class LogHeader:
    """What a log records about itself; None or empty if it does not."""

    tool: str
    """The name of the format."""
    task: str
    """The name of the benchmark."""
    version: str | None = None
    model: str | None = None
    sampling: dict[str, Any] = field(default_factory=dict)
    """Settings of `Sampling` that the log records."""
    results: dict[str, float] = field(default_factory=dict)
    """The log's own totals, for comparison with ours."""
    notes: list[str] = field(default_factory=list)
    """Choices made because no option was given, in sentences."""


@dataclass(slots=True)
class Options:
    """The columns that the user named."""

    question: str | None = None
    outputs: str | None = None
    gold: str | None = None
    gold_after: str | None = None
    id: str | None = None
    scores: str | None = None
    verdict: str | None = None


@dataclass(slots=True)
class ReadReport:
    """A reader's progress: bytes read, and lines that it could not use."""

    num_bytes: int = 0
    num_broken: int = 0
    breaks: list[str] = field(default_factory=list)
    """The first few, with file, line, field and what to do."""

    def broken(self, sentence: str) -> None:
        """Count a line that cannot be used."""
        self.num_broken += 1
        if len(self.breaks) < SHOWN_BREAKS:
            self.breaks.append(sentence)


def json_lines(file: Path, report: ReadReport) -> Iterator[tuple[str, JsonObject]]:
    """The objects of a JSONL file, each with its file and line, one at a time; broken lines are reported."""
    for _, where, row in numbered_lines(file, report):
        yield where, row


def numbered_lines(file: Path, report: ReadReport) -> Iterator[tuple[int, str, JsonObject]]:
    """The same with the line's number in the file, from 1, which broken and empty lines count towards."""
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                report.num_bytes += len(line)
                if not line.strip():
                    continue
                where = f"{file}, line {number}"
                try:
                    row = parse_json(line)
                except ValueError as error:
                    cut = "" if line.endswith(b"\n") else " (the file ends here: was it cut off?)"
                    report.broken(f"{where} is not JSON{cut}: {error}")
                    continue
                if isinstance(row, dict):
                    yield number, where, row
                else:
                    report.broken(f"{where} is {type(row).__name__}, not an object with columns")
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}; correct its path.") from error


def json_file(file: Path) -> JsonObject:
    """The object in a JSON file. Raises UserError."""
    try:
        data = parse_json(file.read_bytes())
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}; correct its path.") from error
    except ValueError as error:
        raise UserError(f"{file} is not JSON: {error}; copy it again, or name another file.") from error
    if not isinstance(data, dict):
        raise UserError(f"{file} holds {type(data).__name__}, not an object; name another file.")
    return data


def text_of(value: object) -> str | None:
    """A text, number or id as people write it, see `answer_text`; None for anything else."""
    try:
        return answer_text(value)
    except ValueError:
        return None


def object_of(value: object) -> JsonObject:
    """The value where it is an object, else an empty one: what has another form says nothing."""
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def has_question(value: object) -> bool:
    """Whether a column holds a question's text, or a chat that asks one."""
    try:
        return question_text(value) is not None
    except ValueError:
        return False


def count_of(value: object) -> int | None:
    """The value as a count, or None if it is not one."""
    found = number(value)
    return int(found) if found is not None and 0 <= found <= _MOST and found.is_integer() else None


def number(value: object) -> float | None:
    """The value as a number, or None if it is not one or not finite."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if math.isfinite(value) else None


_WORDS = {
    **dict.fromkeys(("c", "true", "1", "1.0", "yes", "correct"), True),
    **dict.fromkeys(("i", "false", "0", "0.0", "no", "incorrect", "wrong"), False),
}


def verdict_of(value: object) -> bool | None:
    """Right or wrong in any notation of logs; None for partial credit and for anything else."""
    match value:
        case bool():
            return value
        case int() | float():
            return {1.0: True, 0.0: False}.get(float(value))
        case str():
            return _WORDS.get(value.strip().lower())
        case [single]:
            return verdict_of(single)
        case _:
            return None


_READ: dict[str, Callable[[object], Any]] = {
    "reasoning": text_of,
    "finish_reason": text_of,
    "num_prompt_tokens": count_of,
    "num_completion_tokens": count_of,
    "latency_seconds": number,
    "error": text_of,
}


def details(row: Mapping[str, object], columns: Mapping[str, str]) -> dict[str, Any]:
    """A row's details of its output, as fields of `Sample`; `columns` maps these fields to the row's columns."""
    return {name: _READ[name](row.get(column)) for name, column in columns.items()}
