"""Recorded outputs in place of a model: what exists can be graded, voted over and synthesized from."""

import asyncio
import hashlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from configs.engines import ReplayEngine
from configs.models import Model
from tasks.benchmarks.files import read_rows
from tasks.engines.protocol import Completion, Deliver, EngineError, Failure, Request
from tasks.engines.reasoning import split_reasoning


def recording_digest(settings: ReplayEngine) -> str:
    """Identity of a recording, 16 hexadecimal digits: its bytes and which columns are read."""
    columns = [settings.question, settings.outputs, *([settings.scores] if settings.scores else [])]
    return _digest(settings.path, "\n".join(columns))


@lru_cache(maxsize=32)
def _digest(path: str, columns: str) -> str:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {error.strerror}; correct engine.path.") from error
    return hashlib.sha256(hashlib.sha256(content).digest() + columns.encode()).hexdigest()[:16]


class Recorded(NamedTuple):
    """One recorded output."""

    text: str
    score: float | None


class RecordedEngine:
    """`Engine` over a file of recorded outputs; problems are found by their question, samples by index."""

    concurrency = group = 64

    def __init__(self, model: Model, settings: ReplayEngine) -> None:
        self._model, self._settings = model, settings
        self._outputs: dict[str, list[Recorded]] = {}

    async def start(self) -> None:
        """Read the recording."""
        self._outputs = await asyncio.to_thread(self._read)

    async def complete(self, request: Request, deliver: Deliver) -> None:
        """Deliver the recorded outputs; a sample that was not recorded is a failure, never an answer."""
        outputs = self._outputs.get(_words(request.question), [])
        now = datetime.now(UTC)
        for place, index in enumerate(request.sample_indexes):
            if index >= len(outputs):
                message = (
                    f"{self._settings.path} holds {len(outputs)} outputs for this question, not {index + 1}"
                )
                deliver(
                    place, Failure("not_recorded", message, is_transient=False, started_at=now, num_tries=1)
                )
                continue
            deliver(place, _completion(outputs[index], request.seeds[place], now))

    async def close(self) -> None:
        """Forget the recording."""
        self._outputs = {}

    def _read(self) -> dict[str, list[Recorded]]:
        settings, held = self._settings, {}
        columns = {"question": settings.question, "outputs": settings.outputs, "scores": settings.scores}
        for number, row in enumerate(read_rows(settings.path)):
            for field, column in columns.items():
                if column is not None and column not in row:
                    raise EngineError(
                        f"{settings.path}, row {number} has no column {column} (engine.{field}); it has: {', '.join(row)}."
                    )
            outputs = row[settings.outputs]
            texts = outputs if isinstance(outputs, list) else [outputs]
            scores = self._scores(number, row, len(texts))
            recorded = (Recorded(str(text), score) for text, score in zip(texts, scores, strict=True))
            held.setdefault(_words(str(row[settings.question])), []).extend(recorded)
        return held

    def _scores(self, number: int, row: Mapping[str, Any], num_outputs: int) -> list[float | None]:
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


def _words(question: str) -> str:
    """Questions are matched but for white space, which copies of a data set differ in."""
    return " ".join(question.split())


def _number(value: object) -> float:
    """Raises ValueError for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def _completion(recorded: Recorded, seed: int, now: datetime) -> Completion:
    reasoning, answer = split_reasoning(recorded.text)
    return Completion(
        reasoning=reasoning,
        answer=answer,
        finish_reason="stop",
        seed=seed,
        choice_index=0,
        num_prompt_tokens=None,
        num_billed_prompt_tokens=None,
        num_completion_tokens=None,
        started_at=now,
        latency_seconds=0.0,
        num_tries=1,
        score=recorded.score,
    )
