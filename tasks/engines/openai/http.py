"""One OpenAI-compatible address: what goes over the wire to it, and what its answers mean."""

import asyncio
import email.utils
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import aiohttp
import orjson
from yarl import URL

from configs.engines import OpenAISettings
from tasks.engines.openai.replies import (
    error_message,
    error_status,
    is_final,
    models_served,
    refusal_code,
)
from tasks.engines.protocol import EngineError
from warehouse.failures import FailureCode

CONNECT_SECONDS = 10.0
OK = 200
_TRANSIENT = frozenset({408, 409, 425, 429})
_UNKNOWN_ADDRESS = frozenset({404, 405, 501})


@dataclass
class TransientError(Exception):
    """A try that failed in a way that may pass."""

    code: FailureCode
    message: str
    retry_after: float = 0.0
    is_passed_on: bool = False
    """Whether another replica can be asked instead."""


@dataclass
class RefusedError(Exception):
    """A request that will be refused whenever it is sent."""

    code: FailureCode
    message: str


class Replica:
    """One address that serves the model. Lives on the engines' loop."""

    def __init__(
        self, url: str, settings: OpenAISettings, revive: Callable[[], Awaitable[bool]] | None = None
    ) -> None:
        self.url = url
        self.in_flight = 0
        """Samples asked of it and not yet answered."""
        self.is_up = True
        self.last_alive = time.monotonic()
        self._settings, self._revive = settings, revive
        self._key = ""
        self._session: aiohttp.ClientSession | None = None

    def open(self, key: str) -> None:
        """Be ready to send, with this API key if it is not empty."""
        if self._session:
            return
        self._key = key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = aiohttp.ClientTimeout(total=self._settings.timeout_seconds, sock_connect=CONNECT_SECONDS)
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            timeout=timeout,
            headers={**headers, "Content-Type": "application/json"},
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

    async def call(self, method: str, path: str, body: bytes | None = None) -> Any:  # noqa: ANN401 - JSON
        """One HTTP exchange. Raises TransientError, RefusedError or EngineError for all but a good reply."""
        if self._session is None:
            raise EngineError("the endpoint's client is closed.")
        try:
            async with self._session.request(method, _address(self.url, path), data=body) as response:
                data, status = await response.read(), response.status
                self.last_alive = time.monotonic()
                retry_after = response.headers.get("Retry-After") if status != OK else None
        except aiohttp.InvalidURL:
            raise EngineError(f"engine.base_url is {self.url!r}, which is no URL.") from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            await self._revived()
            raise TransientError(FailureCode.UNREACHABLE, str(error)) from None
        except TimeoutError:
            seconds = self._settings.timeout_seconds
            raise TransientError(
                FailureCode.TIMEOUT, f"no reply within timeout_seconds ({seconds:g})"
            ) from None
        except (aiohttp.ClientError, ConnectionError) as error:
            await self._revived()
            raise TransientError(FailureCode.CONNECTION, f"{type(error).__name__}: {error}") from None
        return self._meaning(data, status, retry_after, f"{method} {path}")

    def _meaning(self, data: bytes, status: int, retry_after: str | None, asked: str) -> Any:  # noqa: ANN401
        """The one place that knows what a reply means."""
        try:
            reply = orjson.loads(data)
        except orjson.JSONDecodeError:
            reply = None
        if status == OK:
            if reply is None:
                raise TransientError(FailureCode.BAD_REPLY, f"the reply is no whole JSON ({len(data)} bytes)")
            status = error_status(reply)
            if status == OK:
                return reply
        message = self._hidden(error_message(status, data, reply))
        if is_final(reply):
            raise RefusedError(refusal_code(message), message)
        if status in _TRANSIENT or status >= 500:  # noqa: PLR2004
            code = FailureCode.RATE_LIMITED if status == 429 else FailureCode.SERVER_ERROR  # noqa: PLR2004
            raise TransientError(code, message, _seconds(retry_after))
        if status in {401, 403}:
            named = self._settings.api_key_env or "engine.api_key_env"
            raise EngineError(f"{self.url} refuses the API key ({message}); check {named}.")
        if status in _UNKNOWN_ADDRESS and asked.startswith("POST"):
            raise EngineError(f"{self.url}: {asked}: {message}; check engine.base_url and model.id.")
        raise RefusedError(refusal_code(message), message)

    async def text(self, path: str, seconds: float) -> str | None:
        """What stands beside the API, such as /metrics; None where there is nothing to be had."""
        if self._session is None:
            return None
        address = URL(self.url).origin().with_path(path)
        try:
            async with self._session.get(address, timeout=aiohttp.ClientTimeout(total=seconds)) as response:
                return await response.text() if response.status == OK else None
        except (aiohttp.ClientError, TimeoutError, ConnectionError, UnicodeDecodeError):
            return None

    async def check_model(self, name: str) -> None:
        """See that it serves the model. Raises EngineError with what it serves instead."""
        try:
            served = models_served(await self.call("GET", "/models"))
        except RefusedError:
            return  # a server without a list of models is asked by the first request
        if served and name not in served and f"{name}:latest" not in served:
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
            f"{self.url} does not answer ({self._hidden(error.message)}); start it, or correct engine.base_url, "
            "and run again."
        )

    async def _revived(self) -> None:
        """A connection broke: a server of ours that has died is started again, and all wait for it here."""
        if self._revive and await self._revive():
            self.last_alive = time.monotonic()

    def _hidden(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


@lru_cache(maxsize=256)
def _address(url: str, path: str) -> URL:
    """A parsed address, once for all requests to it. Raises EngineError for what is none."""
    try:
        return URL(url + path)
    except ValueError:
        raise EngineError(f"engine.base_url is {url!r}, which is no URL.") from None


def _seconds(retry_after: str | None) -> float:
    """Seconds that a Retry-After header asks for; 0 where it says nothing usable."""
    if not retry_after:
        return 0.0
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return 0.0
