"""What every reader makes of a log: samples and judgements one by one, and what the log says of itself."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from configs.schema import UserError
from tasks.engines.replay.recordings import Recorded

SHOWN_BREAKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Recorded):
    """One recorded output, or the recorded failure to get one, and the problem it is of."""

    problem_id: str
    question: str
    gold: str
    sample_index: int
    """Where the log puts it among its problem's samples (epoch, repeat, seed); only the order counts."""
    metadata: Mapping[str, object] = field(default_factory=dict)
    """What else the log knows of the problem."""


class Judgement(NamedTuple):
    """The log's own verdict on one of its samples; kept as the grade of a grader named after the log."""

    problem_id: str
    sample_index: int
    scorer: str
    is_correct: bool
    extracted: str | None
    """The answer as the log's scorer found it."""


@dataclass(slots=True)
class LogHeader:
    """What a log says of itself; absent where it does not say."""

    tool: str
    """The format's name."""
    task: str
    """Names the benchmark."""
    version: str | None = None
    model: str | None = None
    sampling: dict[str, Any] = field(default_factory=dict)
    """Settings of `Sampling` that the log records."""
    results: dict[str, float] = field(default_factory=dict)
    """The log's own totals, to be held against ours."""
    notes: list[str] = field(default_factory=list)
    """What was decided for want of an option, in sentences."""


@dataclass(slots=True)
class Options:
    """Which column holds what, where the person says so."""

    question: str | None = None
    outputs: str | None = None
    gold: str | None = None
    gold_after: str | None = None
    id: str | None = None
    scores: str | None = None
    verdict: str | None = None


@dataclass(slots=True)
class ReadReport:
    """What a reader tells while it reads: bytes done, and lines it could not use."""

    num_bytes: int = 0
    num_broken: int = 0
    breaks: list[str] = field(default_factory=list)
    """The first few, with file, line, field and what to do."""

    def broken(self, sentence: str) -> None:
        """Count a line that cannot be used."""
        self.num_broken += 1
        if len(self.breaks) < SHOWN_BREAKS:
            self.breaks.append(sentence)


def json_lines(file: Path, report: ReadReport) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSONL file, each with its place, one line in memory at a time; broken ones are reported."""
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                report.num_bytes += len(line)
                if not line.strip():
                    continue
                place = f"{file}, line {number}"
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    cut = "" if line.endswith(b"\n") else " (the file ends here: was it cut off?)"
                    report.broken(f"{place} is no JSON{cut}: {error}")
                    continue
                if isinstance(row, dict):
                    yield place, row
                else:
                    report.broken(f"{place} is {type(row).__name__}, not an object with columns")
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}; correct its path.") from error


def json_file(file: Path) -> dict[str, Any]:
    """The object a JSON file holds. Raises UserError."""
    try:
        data = orjson.loads(file.read_bytes())
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}; correct its path.") from error
    except orjson.JSONDecodeError as error:
        raise UserError(f"{file} is no JSON: {error}; copy it again, or name another file.") from error
    if not isinstance(data, dict):
        raise UserError(f"{file} holds {type(data).__name__}, not an object; name another file.")
    return data


def text_of(value: object) -> str | None:
    """A question's, answer's or id's text as people write it: 27.0 is 27; None where there is none."""
    match value:
        case None:
            return None
        case bool():
            return str(value)
        case float() if value.is_integer():
            return str(int(value))
        case str() | int() | float():
            return str(value).strip() or None
        case [single]:
            return text_of(single)
        case _:
            return None


def gold_behind(mark: str | None, text: str) -> str | None:
    """The gold answer behind the last mark, thousands' commas removed; the whole text without a mark."""
    if mark is None:
        return text
    _, found, gold = text.rpartition(mark)
    return gold.strip().replace(",", "") or None if found else None


def whole(value: object) -> int | None:
    """A count, or None for what is none."""
    found = number(value)
    return int(found) if found is not None and found >= 0 and found.is_integer() else None


def number(value: object) -> float | None:
    """A number, or None for what is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def verdict_of(value: object) -> bool | None:
    """Right or wrong as logs write it; None for partial credit and for what is no verdict."""
    match value:
        case bool():
            return value
        case int() | float():
            return {1.0: True, 0.0: False}.get(float(value))
        case str():
            return {"c": True, "i": False, "true": True, "false": False, "1": True, "0": False}.get(
                value.strip().lower()
            )
        case _:
            return None


_READ: dict[str, Callable[[object], Any]] = {
    "reasoning": text_of,
    "finish_reason": text_of,
    "num_prompt_tokens": whole,
    "num_completion_tokens": whole,
    "latency_seconds": number,
    "error": text_of,
}


def details(row: Mapping[str, object], columns: Mapping[str, str]) -> dict[str, Any]:
    """What a row says of its output, as fields of `Sample`; `columns` tells under which names."""
    return {name: _READ[name](row.get(column)) for name, column in columns.items()}
