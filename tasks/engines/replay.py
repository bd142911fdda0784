"""Recorded outputs in place of a model: what exists can be graded, voted over and synthesized from."""

import asyncio
import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from configs.engines import ReplayEngine
from configs.models import Model
from tasks.benchmarks.files import read_rows
from tasks.engines.protocol import Completion, Deliver, EngineError, Failure, Request
from tasks.engines.reasoning import split_reasoning


def recording_digest(settings: ReplayEngine) -> str:
    """Identity of a recording, 16 hexadecimal digits: its bytes and which columns are read."""
    return _digest(settings.path, settings.question, settings.outputs)


@lru_cache(maxsize=32)
def _digest(path: str, question: str, outputs: str) -> str:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {error.strerror}; correct engine.path.") from error
    columns = f"{question}\n{outputs}".encode()
    return hashlib.sha256(hashlib.sha256(content).digest() + columns).hexdigest()[:16]


class RecordedEngine:
    """`Engine` over a file of recorded outputs; problems are found by their question, samples by index."""

    concurrency = group = 64

    def __init__(self, model: Model, settings: ReplayEngine) -> None:
        self._model, self._settings = model, settings
        self._outputs: dict[str, list[str]] = {}

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
            reasoning, answer = split_reasoning(outputs[index])
            deliver(place, _completion(reasoning, answer, request.seeds[place], now))

    async def close(self) -> None:
        """Forget the recording."""
        self._outputs = {}

    def _read(self) -> dict[str, list[str]]:
        settings, held = self._settings, {}
        for number, row in enumerate(read_rows(settings.path)):
            for field, column in (("question", settings.question), ("outputs", settings.outputs)):
                if column not in row:
                    raise EngineError(
                        f"{settings.path}, row {number} has no column {column} (engine.{field}); it has: {', '.join(row)}."
                    )
            outputs = row[settings.outputs]
            texts = outputs if isinstance(outputs, list) else [outputs]
            held.setdefault(_words(str(row[settings.question])), []).extend(str(text) for text in texts)
        return held


def _words(question: str) -> str:
    """Questions are matched but for white space, which copies of a data set differ in."""
    return " ".join(question.split())


def _completion(reasoning: str | None, answer: str, seed: int, now: datetime) -> Completion:
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
    )
