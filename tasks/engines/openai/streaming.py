"""How a reply is waited for: streamed, by limits on its silence; whole, by one limit on all of it.

A streamed reply may take any time while it goes on. Until its first text a generous limit holds, since it may queue
behind others; from then on one on the silence between two pieces, which comments that only keep the connection open
do not end. A reply that was cut off is no answer, however much of it there was; one whose end was said is one,
also where the connection then broke or stayed open.
"""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any, NamedTuple

import aiohttp

from configs.engines import OpenAISettings
from tasks.engines.openai.events import Events, looks_like_events
from tasks.engines.openai.faults import OK, TransientError
from tasks.engines.openai.replies import parsed
from warehouse.failures import FailureCode

CLOSING_SECONDS = 1.0
"""How long the end of the connection's message is waited for behind the end of the reply, to use the connection again."""
_ENOUGH_TO_TELL = 16
"""Bytes that tell a stream from JSON."""


class Received(NamedTuple):
    """One HTTP reply."""

    status: int
    headers: Any
    data: bytes
    """The body, of which a stream keeps nothing."""
    content: Any
    """What it says; None where it is not whole."""


async def received_whole(exchange: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> Received:
    """A reply that is waited for as a whole, as long as its session says."""
    async with exchange as response:
        data = await response.read()
        headers = response.headers
        return Received(response.status, headers, data, parsed(data, headers.get("Content-Type", "")))


class Stream:
    """One streamed reply on its way."""

    def __init__(self, settings: OpenAISettings, num_choices: int, on_text: Callable[[], None]) -> None:
        self._on_text = on_text
        self._first, self._idle = settings.longest_wait_for_text, settings.idle_seconds
        self._events = Events(num_choices)
        self._bytes = bytearray()
        self._is_stream: bool | None = None
        self._type = ""

    @property
    def has_begun(self) -> bool:
        """Whether any of the answer came, which is paid for then."""
        return self._events.has_begun

    async def received(self, exchange: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> Received:
        """The whole reply. Raises TransientError where it is cut off or silent for too long, aiohttp's errors as they are."""
        status, headers, limit = 0, {}, asyncio.timeout(self._first)
        try:
            async with limit, exchange as response:
                status, headers = response.status, response.headers
                self._type = headers.get("Content-Type", "")
                if not OK <= status < HTTPStatus.MULTIPLE_CHOICES:  # an error comes whole, in either form
                    data = await response.read()
                    return Received(status, headers, data, parsed(data, self._type))
                await self._read(response, limit)
        except TimeoutError as error:
            if not limit.expired():
                raise
            if not self._events.is_whole:
                raise self._too_late() from error
        except (aiohttp.ClientError, ConnectionError):
            if not self._events.is_whole:
                raise
        content = self._content()
        if content is None and self._is_stream:
            raise TransientError(
                FailureCode.BAD_REPLY,
                "the stream ended before the answer did: neither finish_reason nor [DONE] came",
                is_paid=self.has_begun,
            )
        return Received(status, headers, bytes(self._bytes), content)

    async def _read(self, response: aiohttp.ClientResponse, limit: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()
        seen, extended_at = 0, 0.0
        async for data in response.content.iter_any():
            self._take(data)
            if self._events.is_over:
                with contextlib.suppress(TimeoutError, aiohttp.ClientError, ConnectionError):
                    async with asyncio.timeout(CLOSING_SECONDS):
                        await response.content.read()
                return
            if self._num_signs > seen:
                seen, now = self._num_signs, loop.time()
                if now - extended_at > min(1.0, self._idle / 8):  # not for each of a thousand pieces
                    extended_at = now
                    self._on_text()
                    limit.reschedule(now + self._idle * 9 / 8)

    @property
    def _num_signs(self) -> int:
        """Signs of life after which the limit on silence begins anew."""
        return (
            len(self._bytes) if self._is_stream is False else self._events.num_pieces * self._events.has_begun
        )

    def _take(self, data: bytes) -> None:
        if self._is_stream:
            self._events.feed(data)
            return
        self._bytes += data
        if self._is_stream is False:
            return
        start = bytes(self._bytes[:512]).lstrip()
        if len(start) >= _ENOUGH_TO_TELL or start.startswith((b"{", b"[")):
            self._is_stream = looks_like_events(start, self._type)
        if self._is_stream:
            self._events.feed(bytes(self._bytes))
            self._bytes.clear()

    def _content(self) -> Any:  # noqa: ANN401 - JSON
        """What came; a server that does not stream answers as if nobody had asked for it."""
        return self._events.reply() if self._is_stream else parsed(bytes(self._bytes), self._type)

    def _too_late(self) -> TransientError:
        if self.has_begun or self._is_stream is False:
            said = f"the stream was silent for longer than engine.idle_seconds ({self._idle:g}); raise it to wait longer"
        else:
            said = (
                f"no first token within engine.first_token_seconds ({self._first:g}); raise it, or lower "
                "engine.concurrency where the server has a queue"
            )
        return TransientError(FailureCode.TIMEOUT, said, is_paid=self.has_begun)
