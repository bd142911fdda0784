"""NeMo-Skills: `output-rs<seed>.jsonl`, one file per seed with one line per problem, or a single `output.jsonl`.

A line has the benchmark's own columns, `generation`, and what the server reported: tokens, finish reason,
reasoning. If the reasoning was removed from the generation, `_full_generation` has the complete text. The
verdicts come from its evaluation step: `symbolic_correct` and the judge's `judgement`.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from configs.schema import JsonObject
from tasks.benchmarks.cell_text import after_mark, answer_text, question_text
from tasks.engines.replay.recorded_outputs import Recorded
from tasks.exchange.imports.samples import (
    Judgement,
    LogHeader,
    Options,
    ReadReport,
    Sample,
    details,
    has_question,
    number,
    numbered_lines,
    text_of,
    verdict_of,
)

NAME = "nemo_skills"
FILE = re.compile(r"output(-rs(?P<seed>\d+))?\.jsonl")
_IDS = ("id", "problem_id", "unique_id")
_DETAILS = {
    "reasoning": "reasoning_content",
    "finish_reason": "finish_reason",
    "num_prompt_tokens": "num_input_tokens",
    "num_completion_tokens": "num_generated_tokens",
    "latency_seconds": "generation_time",
}
_VERDICTS = ("symbolic_correct", "is_correct")
_ADDED = re.compile(
    r"generation.*|_full_generation|reasoning_content|num_.*tokens|finish_reason|usage|serialized_output|logprobs|"
    r"tokens|top_logprobs|predicted_answer|symbolic_correct|is_correct|judgement|_.*|tool_calls"
)
"""Columns that describe the sample, not the problem."""
_LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


def is_row(row: JsonObject) -> bool:
    """Whether a line is from a file of this format."""
    return {"generation", "expected_answer"} <= row.keys()


def read(
    files: list[Path], options: Options, report: ReadReport
) -> tuple[LogHeader, Iterator[Sample | Judgement]]:
    """The samples of all seeds, file by file, ordered by seed."""
    ordered = sorted(files, key=lambda file: (_seed(file), file.name))
    folder = ordered[0].resolve().parent.name
    header = LogHeader(NAME, folder or ordered[0].stem)
    header.notes.append(
        f"{len(ordered)} files, one per sample; they do not name the model: set it with --model"
    )
    return header, _samples(ordered, options, report)


def _seed(file: Path) -> int:
    named = FILE.fullmatch(file.name)
    return int(named["seed"]) if named and named["seed"] else -1


def _samples(files: list[Path], options: Options, report: ReadReport) -> Iterator[Sample | Judgement]:
    numbers = _Numbers()
    for index, file in enumerate(files):
        numbers.begin_file()
        for line, where, row in numbered_lines(file, report):
            try:
                sample = _sample(row, index, where, options)
            except ValueError as error:
                report.broken(f"{where} {error}")
                continue
            if not sample.problem_id:
                sample = replace(sample, problem_id=numbers.of(sample.question, line))
            yield sample
            if sample.recorded.output is None:
                continue
            extracted = text_of(row.get("predicted_answer"))
            for name in _VERDICTS:
                is_correct = verdict_of(row.get(name))
                if is_correct is not None:
                    yield Judgement(sample.problem_id, index, name, is_correct, extracted)
            verdict = str(row.get("judgement") or "").lower().rpartition("judgement:")[2].strip()
            if verdict.startswith(("yes", "no")):
                yield Judgement(sample.problem_id, index, "judgement", verdict.startswith("yes"), extracted)


class _Numbers:
    """Ids for problems without one: the line in the first file that has the problem, from 0.

    In the other files a problem is found by its question, since a cut or lost line moves all that follow. A question
    that a file repeats is another problem each time.
    """

    def __init__(self) -> None:
        self._named: dict[tuple[bytes, int], str] = {}
        self._taken: set[str] = set()
        self._repeats = Counter[bytes]()

    def begin_file(self) -> None:
        """Count repeated questions from the beginning."""
        self._repeats.clear()

    def of(self, question: str, line: int) -> str:
        """The id of the problem on a line, which is counted from 1."""
        digest = hashlib.sha256(question.encode()).digest()[:16]
        key = digest, self._repeats[digest]
        self._repeats[digest] += 1
        if key not in self._named:
            free = next(str(number) for number in count(line - 1) if str(number) not in self._taken)
            self._named[key] = free
            self._taken.add(free)
        return self._named[key]


def _sample(row: JsonObject, index: int, where: str, options: Options) -> Sample:
    """The sample, without a problem's id if the line has none. Raises ValueError with the field and the remedy."""
    question_column = options.question or next(
        (name for name in ("problem", "question") if has_question(row.get(name))), "problem"
    )
    question = question_text(row.get(question_column))
    if question is None:
        raise ValueError(
            f"has no text in {question_column}; it has: {', '.join(row)} (name it with --question)"
        )
    gold_column = options.gold or "expected_answer"
    answer = answer_text(row.get(gold_column))
    gold = after_mark(options.gold_after, answer) if answer else None
    if gold is None:
        raise ValueError(
            f"has no gold answer in {gold_column}; it has: {', '.join(row)} (name it with --gold)"
        )
    column = options.outputs or "generation"
    output = row.get("_full_generation") or row.get(column)
    if column not in row or not isinstance(output, str | None):
        raise ValueError("has no text in generation; was the file still being written?")
    identity = options.id or next((name for name in _IDS if text_of(row.get(name))), None)
    began = number(row.get("generation_start_time")) or 0.0
    return Sample(
        problem_id=(text_of(row.get(identity)) if identity else None) or "",
        question=question,
        gold=gold,
        sample_index=index,
        recorded=Recorded(
            output=output,
            started_at=datetime.fromtimestamp(began, UTC) if 0 < began < _LATEST else None,
            **details(row, _DETAILS),
        ),
        where=where,
        metadata={
            name: value
            for name, value in row.items()
            if name not in {question_column, gold_column, identity} and not _ADDED.fullmatch(name)
        },
    )
