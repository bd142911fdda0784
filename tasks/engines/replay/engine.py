"""Recorded outputs in place of a model: what exists can be graded, voted over and synthesized from."""

import asyncio
from datetime import UTC, datetime

from configs.engines import ReplaySettings
from configs.models import Model
from tasks.engines.protocol import Completion, Deliver, EngineError, Failure, Request
from tasks.engines.reasoning import Marks, marks_of, split_reasoning
from tasks.engines.replay.recorded_outputs import Recorded, RecordedOutputs
from warehouse.failures import FailureCode
from warehouse.servers import ServerStats


class ReplayEngine:
    """`Engine` over a file of recorded outputs; problems are found by their question, samples by index."""

    concurrency = group = 64

    def __init__(self, model: Model, settings: ReplaySettings) -> None:
        self._model, self._settings = model, settings
        self._marks = marks_of(settings.think_marks)
        self._recorded: RecordedOutputs | None = None

    async def start(self) -> None:
        """Read the recording's questions."""
        self._recorded = await asyncio.to_thread(RecordedOutputs, self._settings)

    async def complete(self, request: Request, deliver: Deliver) -> None:
        """Deliver the recorded outputs; a sample that was not recorded is a failure, never an answer."""
        if self._recorded is None:
            raise EngineError("The recording has not been read yet.")
        outputs = await asyncio.to_thread(self._recorded.of, request.question)
        now = datetime.now(UTC)
        for place, index in enumerate(request.sample_indexes):
            recorded = outputs[index] if index < len(outputs) else None
            if recorded is not None and recorded.output is not None:
                deliver(place, _completion(recorded, recorded.output, now, self._marks))
                continue
            if recorded is not None:
                reason = recorded.error or "there is no output in the recording"
                message, began = f"recorded as a failure: {reason}", recorded.started_at or now
            else:
                held = f"{len(outputs)} outputs for this question"
                message, began = f"{self._settings.path} holds {held}, not {index + 1}", now
            failure = Failure(FailureCode.NOT_RECORDED, message, started_at=began, num_tries=1)
            deliver(place, failure)

    async def close(self) -> tuple[ServerStats, ...]:
        """Forget the recording."""
        self._recorded = None
        return ()


def _completion(recorded: Recorded, text: str, now: datetime, marks: tuple[Marks, ...]) -> Completion:
    reasoning, answer = (
        split_reasoning(text, marks) if recorded.reasoning is None else (recorded.reasoning, text)
    )
    return Completion(
        reasoning=reasoning,
        answer=answer,
        finish_reason=recorded.finish_reason,
        seed=None,
        choice_index=0,
        num_prompt_tokens=recorded.num_prompt_tokens,
        num_billed_prompt_tokens=recorded.num_prompt_tokens,
        num_completion_tokens=recorded.num_completion_tokens,
        started_at=recorded.started_at or now,
        latency_seconds=recorded.latency_seconds,
        num_tries=1,
        score=recorded.score,
    )
