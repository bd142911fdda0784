"""One OpenAI-compatible address: what goes over the wire to it, and what its answers mean."""

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from configs.engines import OpenAISettings
from tasks.engines.openai.bodies import dialect_of
from tasks.engines.openai.concurrency import Concurrency
from tasks.engines.openai.connecting import address, connection_to, file_limit, to_mend
from tasks.engines.openai.faults import (
    OK,
    Meaning,
    RefusedError,
    TransientError,
    error_message,
    error_status,
    meaning_of,
    one_line,
)
from tasks.engines.openai.limits import Limits, wait_told
from tasks.engines.openai.pacing import Pace, Turn
from tasks.engines.openai.refusals import refused_field
from tasks.engines.openai.replies import models_served
from tasks.engines.openai.streaming import Received, Stream, received_whole
from tasks.engines.openai.usage import tokens_of
from tasks.engines.protocol import EngineError
from warehouse.failures import FailureCode

CONNECT_SECONDS = 10.0
SILENT = 0
"""In place of a status: the connection was taken, and nothing came in time."""
STREAM_BUFFER_BYTES = 2**18
"""Of a streamed reply; with less, reading one that comes fast is paused and resumed again and again."""
NO_LIMIT_ON_THE_WHOLE = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
"""Of a streamed reply, whose silences are limited instead (`Stream`)."""
_BUSY = frozenset({503, 529})
MOST_DOUBTS = 8
"""Refusals in a row, none answered between them, after which what may concern one request concerns them all."""


class Answer(NamedTuple):
    """A good reply to a chat request."""

    reply: Any
    sent_at: datetime
    latency_seconds: float


class Replica:
    """One address that serves the model. Lives on the engines' loop."""

    def __init__(
        self, url: str, settings: OpenAISettings, revive: Callable[[], Awaitable[bool]] | None = None
    ) -> None:
        self.url = url
        self.in_flight = 0
        """Samples asked of it and not yet answered."""
        self.is_up = True
        self.is_dead = ""
        """Why nothing is sent to it any more, as a sentence."""
        self.last_alive = self.last_text = time.monotonic()
        """When it last answered anything, and when any of an answer's text last came (monotonic seconds)."""
        self.num_said_dead = 0
        """Errors in a row that say that the engine behind it is dead."""
        self._settings, self._revive = settings, revive
        self.pace = Pace(
            settings.patience_seconds,
            concurrency_of(settings),
            Limits(settings.requests_per_minute, settings.tokens_per_minute),
        )
        self._has_answered = False
        self._doubts = 0
        self._key = ""
        self._secrets: tuple[str, ...] = ()
        self._session: aiohttp.ClientSession | None = None

    def open(self, key: str) -> None:
        """Be ready to send, with this API key if it is not empty."""
        if self._session:
            return
        self._key = key
        way = connection_to(self.url, key, dialect_of(self._settings), self._settings.headers)
        self._secrets = way.secrets
        timeout = aiohttp.ClientTimeout(total=self._settings.timeout_seconds, sock_connect=CONNECT_SECONDS)
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ssl=way.tls),
            timeout=timeout,
            headers={**way.headers, "Content-Type": "application/json"},
            proxy=way.proxy,
        )
        self.last_alive = time.monotonic()

    async def close(self) -> None:
        """Close its connections; what is in flight fails as a broken connection."""
        session, self._session = self._session, None
        if session:
            await session.close()

    async def drain(self) -> None:
        """Break what is in flight, so that it is asked for elsewhere; it can be asked again at once."""
        broken, self._session = self._session, None
        self.open(self._key)
        if broken:
            await broken.close()

    async def ask(self, body: bytes, num_choices: int, *, is_streamed: bool) -> Answer:
        """One chat request, sent once the address is not too busy. Raises as `call` does."""
        turn = await self.pace.acquire(num_choices)
        try:
            if self.is_dead:
                raise EngineError(self.is_dead)
            sent_at, began = datetime.now(UTC), time.perf_counter()
            stream = Stream(self._settings, num_choices, self._heard) if is_streamed else None
            reply = await self.call("POST", "/chat/completions", body, stream, turn)
            self.pace.answered(turn, *tokens_of(reply))
            self._has_answered, self._doubts = True, 0
            self._heard()
            return Answer(reply, sent_at, time.perf_counter() - began)
        except TransientError as error:
            if error.code == FailureCode.RATE_LIMITED or error.is_busy or error.retry_after is not None:
                self.pace.limited(turn, error)
            raise
        finally:
            self.pace.release(turn)

    async def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        stream: Stream | None = None,
        turn: Turn | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """One HTTP exchange. Raises TransientError, RefusedError or EngineError for all but a good reply."""
        received = await self._received(method, path, body, stream)
        status, headers, data, reply = received
        if turn:
            self.pace.told(turn, headers)
        if OK <= status < HTTPStatus.MULTIPLE_CHOICES and (status := error_status(reply)) == OK:
            if reply is None:
                said = self.hidden(one_line(data.decode(errors="replace"))[:200])
                raise TransientError(
                    FailureCode.BAD_REPLY, f"the reply is not whole JSON ({len(data)} bytes): {said}"
                )
            return reply
        raise self._refused(f"{method} {path}", received._replace(status=status), body, turn)

    async def raw(
        self,
        method: str,
        path: str,
        body: aiohttp.Payload | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        """The same of an exchange whose reply need not be JSON: its bytes."""
        received = await self._received(method, path, body, None, {"Content-Type": content_type})
        if OK <= received.status < HTTPStatus.MULTIPLE_CHOICES:
            return received.data
        raise self._refused(f"{method} {path}", received, None, None)

    async def _received(
        self,
        method: str,
        path: str,
        body: bytes | aiohttp.Payload | None,
        stream: Stream | None,
        headers: Mapping[str, str] | None = None,
    ) -> Received:
        """One HTTP exchange, whatever its status. Raises TransientError or EngineError where there is no reply."""
        if self._session is None:
            raise EngineError("the endpoint's client is closed.")
        try:
            where = address(self.url, path)
            if stream is None:
                asked = self._session.request(method, where, data=body, headers=headers)
                received = await received_whole(asked)
            else:
                asked = self._session.request(
                    method, where, data=body, timeout=NO_LIMIT_ON_THE_WHOLE, read_bufsize=STREAM_BUFFER_BYTES
                )
                received = await stream.received(asked)
            self.last_alive = time.monotonic()
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            broken = await self._broken(error)
            if stream and isinstance(broken, TransientError):
                broken.is_paid = stream.has_begun
            raise broken from None
        return received

    def _refused(
        self, asked: str, received: Received, body: bytes | None, turn: Turn | None
    ) -> TransientError | RefusedError | EngineError:
        """What an exchange that ended in an error means."""
        status, headers, data, reply = received
        message = self.hidden(error_message(status, data, reply))
        is_group = turn is not None and turn.units > 1
        error = self._error(asked, status, message, reply, body, is_group=is_group)
        if isinstance(error, TransientError):
            error.retry_after = wait_told(headers, message)
        return error

    async def _broken(self, error: Exception) -> TransientError | EngineError:
        """What an exchange without a reply means; a server of ours that has died is started again first."""
        if said := to_mend(error):
            return EngineError(f"{self.url}: {self.hidden(said)}")
        match error:
            case OSError(errno=errno.EMFILE | errno.ENFILE):
                return TransientError(FailureCode.CONNECTION, file_limit())
            case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
                await self._revived()
                return TransientError(FailureCode.UNREACHABLE, self.hidden(str(error)))
            case TimeoutError():
                seconds = self._settings.timeout_seconds
                return TransientError(
                    FailureCode.TIMEOUT,
                    f"no whole reply within engine.timeout_seconds ({seconds:g}); raise it, or set engine.stream: true, "
                    "under which silence is limited and not the length of the answer",
                )
            case _:
                await self._revived()
                said = self.hidden(f"{type(error).__name__}: {error}")
                return TransientError(FailureCode.CONNECTION, said)

    def _error(
        self, asked: str, status: int, message: str, reply: object, body: bytes | None, *, is_group: bool
    ) -> TransientError | RefusedError | EngineError:
        """What a reply that is not a good one means."""
        if field := refused_field(status, message, reply, body):
            return RefusedError(FailureCode.BAD_REQUEST, message, field)
        meaning, code = meaning_of(status, message, reply)
        if meaning is Meaning.MAY_PASS:
            return TransientError(code, message, is_busy=status in _BUSY)
        is_listing = asked.startswith("GET") and status not in {
            400,
            401,
        }  # a key that may ask but not list, or no list
        if meaning is Meaning.REFUSED or is_listing or (is_group and code == FailureCode.BAD_REQUEST):
            return RefusedError(code, message)
        return self._to_mend(meaning, code, message, asked)

    def _to_mend(
        self, meaning: Meaning, code: FailureCode, message: str, asked: str
    ) -> RefusedError | EngineError:
        """What a person has to mend, with what to do; or a refusal, where it concerns one request and others are answered."""
        named = self._settings.api_key_env or "engine.api_key_env"
        if meaning is Meaning.UNPAID:
            return EngineError(
                f"{self.url} has no credit left for us ({message}); add some, or check {named}, and run again: "
                "what was answered is stored."
            )
        if meaning is Meaning.WRONG_KEY:
            return EngineError(f"{self.url} refuses the API key ({message}); check {named}.")
        self._doubts += 1
        if self._has_answered and self._doubts <= MOST_DOUBTS:
            return RefusedError(code, message)
        return EngineError(
            f"{self.url}: {asked}: {message}; check engine.base_url, model.id, the settings of sampling and {named}."
        )

    def _heard(self) -> None:
        self.last_text, self.num_said_dead = time.monotonic(), 0

    async def status(self, path: str, seconds: float) -> int | None:
        """The status of a page beside the API, such as /health; SILENT where it is not answered, None out of reach."""
        if self._session is None:
            return None
        beside = URL(self.url).origin().with_path(path)
        try:
            limit = aiohttp.ClientTimeout(total=seconds, sock_connect=seconds / 2)
            async with self._session.get(beside, timeout=limit) as response:
                return response.status
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            is_silent = isinstance(error, TimeoutError) and not isinstance(
                error, aiohttp.ConnectionTimeoutError
            )
            return SILENT if is_silent else None

    async def text(self, path: str, seconds: float, body: bytes | None = None) -> str | None:
        """What stands beside the API, such as /metrics, or answers this body there; None where there is nothing to be had."""
        if self._session is None:
            return None
        beside = URL(self.url).origin().with_path(path)
        try:
            limit = aiohttp.ClientTimeout(total=seconds)
            async with self._session.request(
                "POST" if body else "GET", beside, data=body, timeout=limit
            ) as response:
                return await response.text() if response.status == OK else None
        except (aiohttp.ClientError, TimeoutError, ConnectionError, UnicodeDecodeError):
            return None

    async def check_model(self, name: str) -> None:
        """See that it serves the model. Raises EngineError with what it serves instead."""
        if not self._settings.list_models:
            return
        try:
            served = models_served(await self.call("GET", "/models"))
        except RefusedError:
            return  # a server without a list of models is asked by the first request
        if served and not {name, f"{name}:latest", f"models/{name}", name.removeprefix("models/")} & set(
            served
        ):
            more = f" and {len(served) - 10} more" if len(served) > 10 else ""  # noqa: PLR2004
            raise EngineError(
                f"{self.url} does not serve {name}; it serves {', '.join(served[:10])}{more}. Set model.id."
            )

    async def is_alive(self, seconds: float) -> bool:
        """Whether it answers anything within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self.call("GET", "/models")
        except (TransientError, TimeoutError) as error:
            return isinstance(error, TransientError) and error.code in {
                FailureCode.RATE_LIMITED,
                FailureCode.BAD_REPLY,
            }
        except (RefusedError, EngineError):
            pass
        return True

    def unreachable(self, error: TransientError) -> str:
        """What to do about an address that does not answer."""
        return (
            f"{self.url} does not answer ({self.hidden(error.message)}); start it, or correct engine.base_url, "
            "and run again."
        )

    async def _revived(self) -> None:
        """A connection broke: a server of ours that has died is started again, and all wait for it here."""
        if self._revive and await self._revive():
            self.last_alive = time.monotonic()

    def hidden(self, text: str) -> str:
        """The text without the API key and what else is secret."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def concurrency_of(settings: OpenAISettings) -> Concurrency:
    """The window that the settings begin with."""
    fixed = settings.concurrency
    return Concurrency() if fixed == "auto" else Concurrency(fixed, fixed)
