"""An engine that only waits: each sample takes `seconds`. It notes every start and every sample in a folder."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

from configs.schema import ConfigModel
from tasks.engines import protocol
from tasks.engines.protocol import Completion, EngineKind


class Slow(ConfigModel):
    concurrency: int = 1
    seconds: float = 0.2
    notes: str
    """Folder of the notes."""
    crashes: str | None = None
    """A question on which the process ends."""
    refuses: str | None = None
    """What it says instead of starting."""


class SlowEngine:
    def __init__(self, model, settings):
        self.concurrency, self.group, self._settings = settings.concurrency, 1, settings

    async def start(self):
        if self._settings.refuses:
            raise protocol.EngineError(self._settings.refuses)
        self._note("starts", "started")

    async def complete(self, request, deliver):
        for place, seed in enumerate(request.seeds):
            began = datetime.now(UTC)
            self._note("samples", f"{seed} {request.question}")
            if request.question == self._settings.crashes:
                os._exit(1)
            await asyncio.sleep(self._settings.seconds)
            deliver(
                place,
                Completion(
                    reasoning=None,
                    answer=f"\\boxed{{{seed % 7}}}",
                    finish_reason="stop",
                    seed=seed,
                    choice_index=0,
                    num_prompt_tokens=1,
                    num_billed_prompt_tokens=1,
                    num_completion_tokens=1,
                    started_at=began,
                    latency_seconds=self._settings.seconds,
                    num_tries=1,
                ),
            )

    async def close(self):
        return ()

    def _note(self, name, text):
        """One line in a file of this process: appends of several never mix."""
        with (Path(self._settings.notes) / f"{name}-{os.getpid()}").open("a") as file:
            file.write(f"{text}\n")


def lines(folder, name):
    """All notes of that name."""
    return [line for path in Path(folder).glob(f"{name}-*") for line in path.read_text().splitlines()]


SLOW = EngineKind(
    settings=Slow,
    build=SlowEngine,
    check=protocol.accepts_all,
    starts_quickly=protocol.always_quick,
    identify=protocol.as_given,
    weights=lambda model, settings: model.id,
    context=protocol.unknown_context,
    context_setting=protocol.no_context_setting,
    largest_shard=lambda settings: 512,
    claims=protocol.claims_nothing,
    process=protocol.by_settings,
)
