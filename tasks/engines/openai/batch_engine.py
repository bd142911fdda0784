"""An endpoint's batch interface as an engine: half the price, for an answer within a day.

The samples that are asked for together go out as one batch, a line each, under their trace ids. The provider's list of
batches is the only memory: whoever starts again, on whatever machine, finds there which lines are under way or answered,
and sends none of them twice. Lines that failed or expired are failures of this run, and asked for again.
"""

import asyncio
from collections.abc import Coroutine, Sequence

from configs.engines import OpenAISettings
from configs.models import Model
from tasks.engines.openai.batch_files import BatchFiles
from tasks.engines.openai.batch_lines import Batch, Line, ids_in, line_of, never_came, outcomes_in, pieces
from tasks.engines.openai.batch_memory import remember, told_of
from tasks.engines.openai.bodies import body_of, learnt_of
from tasks.engines.openai.faults import RefusedError, TransientError
from tasks.engines.openai.http import Replica
from tasks.engines.openai.key import api_key
from tasks.engines.openai.replicas import Replicas
from tasks.engines.openai.retrying import retrying
from tasks.engines.protocol import Completion, Deliver, EngineError, Failure, Request, StillUnderWay
from tasks.engines.reasoning import marks_of
from tasks.progress import PROGRESS
from warehouse.canonical import digest
from warehouse.servers import ServerStats

MOST_AT_ONCE = 200_000
"""Samples that may be under way: four of the largest batches."""
GATHER_SECONDS = 1.0
"""How long it stays quiet before what was asked for goes out together."""

Outcome = Completion | Failure
UnderWay = dict[str, tuple[Batch, dict[str, int | None]]]
"""Batches that have not ended, by id, each with the traces in it that are waited for and their seeds."""


class BatchEngine:
    """`Engine` over /files and /batches."""

    def __init__(self, model: Model, settings: OpenAISettings) -> None:
        self.concurrency, self.group = MOST_AT_ONCE, 1
        self._model, self._settings = model, settings
        self._replica = Replica(settings.urls[0], settings)
        self._files = BatchFiles(self._replica, settings)
        self._gathered: dict[str, dict[str, Line]] = {}
        """Lines that go out next, by scope and trace id."""
        self._awaited: dict[str, asyncio.Future[Outcome]] = {}
        self._arrived = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Read the key, reach the endpoint, and see that it serves the model."""
        replicas = Replicas([self._replica], self._model.id)
        try:
            await retrying(self._settings, replicas)(replicas.open, api_key(self._settings))
        except TransientError as error:
            await self._replica.close()
            raise EngineError(self._replica.unreachable(error)) from None
        self._spawn(self._gather())

    async def complete(self, request: Request, deliver: Deliver) -> None:
        """Deliver each sample when its batch has ended. Raises EngineError where no batch can be, or none is waited for."""
        sampling = request.sampling.model_dump(mode="json", exclude={"n"})
        scope = digest([self._model.id, sampling])[:16]
        await asyncio.gather(
            *(self._single(request, place, scope, deliver) for place in range(len(request.seeds)))
        )

    async def close(self) -> Sequence[ServerStats]:
        """Leave the batches to their provider: the next run collects them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._replica.close()
        return ()

    async def _single(self, request: Request, place: int, scope: str, deliver: Deliver) -> None:
        body = body_of(
            self._model.id, request, [place], self._settings, learnt_of(self._settings, self._model.id)
        )
        for name in ("stream", "stream_options"):
            body.pop(name, None)
        line = line_of(request.trace_ids[place], body)
        self._gathered.setdefault(scope, {})[line.trace_id] = line
        waiting = self._awaited[line.trace_id] = asyncio.get_running_loop().create_future()
        self._arrived.set()
        deliver(place, await waiting)

    # --- batches ---

    async def _gather(self) -> None:
        """Send on what was asked for, once nothing more comes for a moment."""
        while True:
            await self._arrived.wait()
            while self._arrived.is_set():
                self._arrived.clear()
                await asyncio.sleep(GATHER_SECONDS)
            gathered, self._gathered = self._gathered, {}
            for scope, lines in gathered.items():
                self._spawn(self._made(scope, lines))

    async def _made(self, scope: str, lines: dict[str, Line]) -> None:
        """Collect what earlier batches hold, hand in the rest, and wait for all of it."""
        under_way: UnderWay = {}
        try:
            under_way.update(await self._collected(scope, lines))
            for piece in pieces(self._left(lines, under_way)):
                batch = await self._files.hand_in(scope, piece)
                under_way[batch.batch_id] = (batch, {line.trace_id: line.seed for line in piece})
                PROGRESS.say(
                    f"{len(piece):,} requests are handed in as {batch.batch_id} to {self._replica.url}."
                )
            async with asyncio.timeout(self._settings.batch_wait_seconds), asyncio.TaskGroup() as group:
                for batch, seeds in under_way.values():
                    group.create_task(self._ended(batch, seeds))
        except* TimeoutError:
            said = _unfinished(list(under_way), self._replica.url)
            self._stop(lines, StillUnderWay(said, self._settings.batch_again_seconds))
        except* (EngineError, RefusedError, TransientError) as errors:
            first = errors.exceptions[0]
            said = str(first) if isinstance(first, EngineError) else f"{self._replica.url}: {first}"
            self._stop(
                lines, EngineError(f"{said} The batches that were handed in are collected by the next run.")
            )
        finally:  # whatever ended it: nobody is left waiting
            self._stop(lines, EngineError(f"{self._replica.url}: the batches are no longer waited for."))

    async def _collected(self, scope: str, lines: dict[str, Line]) -> UnderWay:
        """Take what batches that have ended hold of these lines; returns those that have not, with their part of them."""
        under_way: UnderWay = {}
        for batch in await self._files.listed(scope):
            left = {line.trace_id: line.seed for line in self._left(lines, under_way)}
            if not left:
                break
            if not batch.has_ended:
                file = await self._files.file(batch.input_file)
                if file is None:  # nobody knows what it holds, so it has to be waited for
                    await self._ended(batch, {})
                    batch = await self._files.look(batch)  # noqa: PLW2901
                elif ours := left.keys() & ids_in(file):
                    under_way[batch.batch_id] = (batch, {trace_id: left[trace_id] for trace_id in ours})
                    PROGRESS.say(f"{len(ours):,} requests are in {batch.batch_id} already; waiting for it.")
            if batch.has_ended and not batch.is_refused:
                await self._take(batch, left)
        return under_way

    async def _ended(self, batch: Batch, seeds: dict[str, int | None]) -> None:
        """Wait for a batch's end and deliver what it holds of these traces. Raises EngineError where it was refused."""
        while not batch.has_ended:
            await asyncio.sleep(self._settings.batch_poll_seconds)
            before, batch = batch, await self._files.look(batch)
            if batch.status != before.status:
                PROGRESS.say(
                    f"{batch.batch_id}: {batch.status} ({batch.num_done:,} of {batch.num_lines:,} done)"
                )
        if batch.is_refused:
            raise EngineError(
                f"{self._replica.url} refused the batch {batch.batch_id} ({self._replica.hidden(batch.reason)}); nothing of it "
                "was worked on. Correct what it names and run again."
            )
        await self._take(batch, seeds)
        for trace_id in seeds:
            self._deliver(trace_id, never_came(batch))

    async def _take(self, batch: Batch, seeds: dict[str, int | None]) -> None:
        """Deliver what an ended batch holds of these traces; of its failures, those that were not delivered before."""
        is_news = not told_of(batch.batch_id)
        for file_id in batch.result_files:
            file = await self._files.file(file_id)
            for trace_id, outcome in outcomes_in(
                file or b"", batch, seeds, marks_of(self._settings.think_marks)
            ):
                if is_news or isinstance(outcome, Completion):
                    self._deliver(trace_id, outcome)
        remember(batch.batch_id)

    # --- who waits ---

    def _left(self, lines: dict[str, Line], under_way: UnderWay) -> list[Line]:
        """The lines of which nothing has come and that are in no batch."""
        held = {trace_id for _, seeds in under_way.values() for trace_id in seeds}
        return [
            line for trace_id, line in lines.items() if trace_id in self._awaited and trace_id not in held
        ]

    def _deliver(self, trace_id: str, outcome: Outcome) -> None:
        waiting = self._awaited.pop(trace_id, None)
        if waiting and not waiting.done():
            message = getattr(outcome, "message", None)
            if message:
                outcome = outcome._replace(message=self._replica.hidden(message))  # pyright: ignore[reportCallIssue] - a Failure
            waiting.set_result(outcome)

    def _stop(self, lines: dict[str, Line], error: EngineError) -> None:
        for trace_id in lines:
            waiting = self._awaited.pop(trace_id, None)
            if waiting and not waiting.done():
                waiting.set_exception(error)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _unfinished(batches: Sequence[str], url: str) -> str:
    shown = ", ".join(batches[:3]) + (f" and {len(batches) - 3} more" if len(batches) > 3 else "")  # noqa: PLR2004
    return (
        f"The batches {shown} at {url} have not ended within engine.batch_wait_seconds; run again later, on any machine, to "
        "collect them: nothing is sent twice."
    )
