"""Any OpenAI-compatible endpoint, or several that serve the same model, by a thin client on aiohttp.

One layer retries, here: 408, 409, 5xx, timeouts, resets and broken replies, with jittered exponential backoff,
up to `retries`; on another replica at once where there is one. Endpoints that all refuse connections, or
turn requests away as too many (429), are waited for by everyone together, up to `patience_seconds` after
one of them last answered. What only a person can mend stops the engine: nothing more is sent.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from configs.engines import OpenAISettings
from configs.models import Model
from tasks.engines.openai.bodies import body_of, dialect_of, learnt_of, left_out_of
from tasks.engines.openai.concurrency import MOST
from tasks.engines.openai.connecting import file_limit, room_for
from tasks.engines.openai.faults import RefusedError, TransientError, refuses_many_choices
from tasks.engines.openai.health import SAID_DEAD, says_it_is_dead, watch_health
from tasks.engines.openai.http import Replica
from tasks.engines.openai.key import api_key
from tasks.engines.openai.replicas import Replicas
from tasks.engines.openai.replies import Outcome, Sent, outcomes_of
from tasks.engines.openai.resending import Resends
from tasks.engines.openai.retrying import retrying
from tasks.engines.protocol import Completion, Deliver, EngineError, Failure, Request
from tasks.engines.reasoning import marks_of
from tasks.engines.server.managed import ManagedServer
from tasks.progress import PROGRESS
from warehouse.failures import FailureCode
from warehouse.servers import ServerStats


@dataclass(slots=True)
class _Sending:
    """One request on its way."""

    replica: Replica | None = None
    """Who was asked last."""
    tries: int = 0
    error: TransientError | None = None
    """What the latest try failed with."""
    is_again: bool = False
    """Whether the first failure has been told to tenacity."""


class OpenAIEngine:
    """`Engine` over HTTP."""

    def __init__(self, model: Model, settings: OpenAISettings) -> None:
        self._model, self._settings = model, settings
        self._marks = marks_of(settings.think_marks)
        self._server = ManagedServer(model, settings.serve) if settings.serve else None
        revive = self._server.revive if self._server else None
        self._replicas = Replicas([Replica(url, settings, revive) for url in settings.urls], model.id)
        self._room = len(self._replicas) * (MOST if settings.concurrency == "auto" else settings.concurrency)
        """Connections that this process may hold."""
        self._resends = Resends(settings.patience_seconds)
        self._probing = asyncio.Lock()
        self._health: list[asyncio.Task[None]] = []
        self._stopped_by = ""
        """What a person has to mend before anything more is sent."""
        self._num_asked = 0
        self._all_replied = asyncio.Event()
        self._learnt = learnt_of(settings, model.id)
        self._has_told = False
        limit = settings.samples_per_request
        takes_many = dialect_of(settings).takes_many
        self._takes_many: bool | None = takes_many if limit == "auto" else limit > 1
        self._largest_group = 1 if takes_many is False else None if limit == "auto" else limit
        """None: as many as one replica is kept busy with."""

    @property
    def concurrency(self) -> int:
        """As many as the addresses are kept busy with now."""
        return min(self._replicas.window, self._room)

    @property
    def group(self) -> int:
        """As many as can be asked for at once."""
        return self._largest_group or self._replicas.largest_window

    async def start(self) -> None:
        """Read the key, start the server if it is ours, reach it, and see that it serves the model."""
        key = api_key(self._settings)
        self._room = room_for(wanted := self._room)
        if self._room < wanted and self._settings.concurrency != "auto":
            PROGRESS.say(f"Only {self._room} of {wanted} sequences are kept in flight: {file_limit()}.")
        if self._server:
            await self._server.start(key)
        try:
            await retrying(self._settings, self._replicas)(self._replicas.open, key)
        except TransientError as error:
            await self._replicas.close()
            raise EngineError(self._replicas.pick().unreachable(error)) from None
        await self._replicas.watch(self._settings)
        silent = max(self._settings.timeout_seconds, self._settings.idle_seconds)
        self._health = [asyncio.create_task(watch_health(r, silent, self._dead)) for r in self._replicas]

    async def complete(self, request: Request, deliver: Deliver) -> None:
        """Deliver every sample; grouped into one request where the server honours `n`."""
        places = list(range(len(request.seeds)))
        if len(places) > 1 and request.sampling.temperature > 0:
            if self._takes_many is None:
                async with self._probing:
                    if self._takes_many is None:
                        places = await self._group(request, places, deliver)
            if self._takes_many and len(places) > 1:
                places = await self._group(request, places, deliver)
        if len(places) == 1:
            await self._single(request, places[0], deliver)
        elif places:
            await asyncio.gather(*(self._single(request, place, deliver) for place in places))

    async def close(self) -> list[ServerStats]:
        """Close the connections, leave the server if it is ours; returns what the servers told of themselves."""
        for watcher in self._health:
            watcher.cancel()
        await asyncio.gather(*self._health, return_exceptions=True)
        told = await self._replicas.close()
        if self._server:
            for stats in told:
                stats.start_seconds = self._server.start_seconds
                stats.num_restarts = self._server.num_restarts
            await self._server.close()
        return told

    # --- one request ---

    async def _single(self, request: Request, place: int, deliver: Deliver) -> Completion | Failure:
        outcome = (await self._outcomes(request, [place]))[0]
        assert not isinstance(outcome, TransientError)  # noqa: S101 - one that is alone is raised and tried again
        deliver(place, outcome)
        return outcome

    async def _group(self, request: Request, places: Sequence[int], deliver: Deliver) -> list[int]:
        """Ask for several samples at once; returns the places that have to be asked for one by one."""
        try:
            outcomes = await self._outcomes(request, places)
        except RefusedError as error:
            if refuses_many_choices(error.message):
                self._takes_many, self._largest_group = False, 1
                return list(places)
            return await self._after_refusal(request, places, deliver, error)
        if any(isinstance(outcome, Completion) for outcome in outcomes):
            self._takes_many = len(outcomes) >= len(places)
            self._largest_group = self._largest_group if self._takes_many else 1
        again = list(places[len(outcomes) :])
        for place, outcome in zip(places, outcomes, strict=False):
            if isinstance(outcome, TransientError):
                again.append(place)
            else:
                deliver(place, outcome)
        return again

    async def _after_refusal(
        self, request: Request, places: Sequence[int], deliver: Deliver, error: RefusedError
    ) -> list[int]:
        """A group was refused in words that do not say whether because of `n`: one sample alone shows it.

        Not asked where `n` was honoured before, or where the prompt's length or content is named.
        """
        now = datetime.now(UTC)
        if self._takes_many or error.code in {FailureCode.CONTEXT_OVERFLOW, FailureCode.CONTENT_FILTER}:
            refused = Failure(error.code, error.message, now, 1)
            for place in places:
                deliver(place, refused)
            return []
        first, *rest = places
        outcome = await self._single(request, first, deliver)
        if isinstance(outcome, Completion):
            self._takes_many, self._largest_group = False, 1
            return rest
        for place in rest:
            deliver(place, outcome)
        return []

    async def _outcomes(self, request: Request, places: Sequence[int]) -> Sequence[Outcome]:
        """Send until answered or given up. Raises RefusedError where several samples at once were refused."""
        sending = _Sending()
        started = datetime.now(UTC)

        async def send_again() -> list[Outcome]:
            if sending.error and not sending.is_again:
                sending.is_again = True
                raise sending.error
            if sending.error and not sending.error.is_paced and sending.error.code != FailureCode.UNREACHABLE:
                await self._resends.acquire(sending.error)
            return await self._send(request, places, sending)

        try:
            try:  # without tenacity, whose 30 µs of CPU most requests need not pay
                return await self._send(request, places, sending)
            except TransientError:
                return await retrying(self._settings, self._replicas)(send_again)
        except TransientError as error:
            message = error.message
            if sending.replica and error.code == FailureCode.UNREACHABLE:
                message = sending.replica.unreachable(error)
            return [Failure(error.code, message, started, sending.tries)] * len(places)
        except RefusedError as error:
            if len(places) > 1:
                raise
            return [Failure(error.code, error.message, started, sending.tries)]

    async def _send(self, request: Request, places: Sequence[int], sending: _Sending) -> list[Outcome]:
        """One try, and again at once where it teaches that a field of the body has to go."""
        while True:
            body = self._body(request, places)
            sending.replica = replica = self._replicas.pick(sending.replica)
            replica.in_flight += len(places)
            sending.tries += 1
            try:
                return await self._post(replica, body, sending.tries, len(places))
            except RefusedError as error:
                if error.field is None:
                    raise
                await self._learn(error.field, error.message, replica)
            except TransientError as error:
                sending.error = error
                if says_it_is_dead(error.message):
                    await self._said_dead(replica, error.message)
                raise
            finally:
                replica.in_flight -= len(places)

    def _body(self, request: Request, places: Sequence[int]) -> dict[str, Any]:
        body = body_of(self._model.id, request, places, self._settings, self._learnt)
        if not self._has_told:
            self._has_told = True
            if unsent := left_out_of(request.sampling, self._settings):
                PROGRESS.say(
                    f"{self._model.id}: {', '.join(unsent)} of sampling "
                    f"{'is' if len(unsent) == 1 else 'are'} left out; the recipe is without."
                )
        return body

    async def _post(
        self, replica: Replica, body: dict[str, Any], tries: int, num_places: int
    ) -> list[Outcome]:
        if self._stopped_by:
            raise await self._stopped()
        self._num_asked += 1
        is_streamed = bool(body.get("stream"))
        try:
            answer = await replica.ask(orjson.dumps(body), num_places, is_streamed=is_streamed)
        except TransientError as error:
            if error.code == FailureCode.TIMEOUT and self._settings.stream == "auto" and not is_streamed:
                self._stream_from_now_on(replica)
            if error.code == FailureCode.UNREACHABLE:
                await self._replicas.leave(replica, "it refuses connections.")
            error.is_passed_on = self._replicas.has_another(replica)
            raise
        except EngineError as error:
            if self._replicas.has_another(replica):
                await self._replicas.leave(replica, str(error))
                raise TransientError(FailureCode.SERVER_ERROR, str(error), is_passed_on=True) from None
            self._stopped_by = str(error)
            answer = None
        finally:
            self._num_asked -= 1
            self._all_replied.set()
        if answer is None:
            raise await self._stopped()
        sent = Sent(body.get("seed"), answer.sent_at, answer.latency_seconds, tries, self._marks)
        outcomes = outcomes_of(answer.reply, sent, replica.hidden)[:num_places]
        if isinstance(outcomes[0], TransientError) and not any(isinstance(o, Completion) for o in outcomes):
            raise outcomes[0]
        self._resends.answered()
        return outcomes

    def _stream_from_now_on(self, replica: Replica) -> None:
        if not self._learnt.takes_long:
            self._learnt.takes_long = True
            PROGRESS.say(
                f"{replica.url} takes longer than engine.timeout_seconds ({self._settings.timeout_seconds:g}) for a reply; "
                "its replies are streamed from now on, which limits silence and not the length of the answer."
            )

    async def _learn(self, field: str, message: str, replica: Replica) -> None:
        """Do without the field that was refused. Raises EngineError where other texts would be sampled then."""
        try:
            if told := self._learnt.take_in(field, replica.url, message):
                PROGRESS.say(told)
        except EngineError as stopping:
            self._stopped_by = self._stopped_by or str(stopping)
            raise await self._stopped() from None

    async def _said_dead(self, replica: Replica, message: str) -> None:
        """An error names the engine's death; the third in a row is believed."""
        replica.num_said_dead += 1
        if replica.num_said_dead == SAID_DEAD:
            await self._dead(replica, f"says that its engine is dead ({message})")
            replica.num_said_dead = 0

    async def _dead(self, replica: Replica, why: str) -> None:
        """The engine behind a living address is dead: ours is started again, others are left out or stop the stage."""
        if self._server:
            PROGRESS.say(f"The server on {replica.url} {why}; it is stopped and started again.")
            await self._server.end()
            with contextlib.suppress(EngineError):  # whose requests meet it themselves
                await self._server.revive()
        elif self._replicas.has_another(replica):
            await self._replicas.leave(replica, f"it {why}.")
            return
        else:
            replica.is_dead = self._stopped_by = (
                f"{replica.url} {why}: the engine behind it is dead. Restart the server and run again: what was answered "
                "is stored."
            )
        await replica.drain()

    async def _stopped(self) -> EngineError:
        """What the engine stopped by, once the requests in flight are over: their answers are paid for."""
        while self._num_asked:
            self._all_replied.clear()
            await self._all_replied.wait()
        return EngineError(self._stopped_by)
