"""Any OpenAI-compatible endpoint, by a thin client on aiohttp.

One layer retries, here: 429, 408, 409, 5xx, timeouts, resets and broken replies, with jittered
exponential backoff, `Retry-After` honoured, up to `retries`. An endpoint that refuses connections
is waited for by everyone together, up to `patience_seconds` after it last answered anything.
"""

import asyncio
import email.utils
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import aiohttp
import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential
from yarl import URL

from configs.engines import OpenAIEngine
from configs.models import Model
from tasks.engines.managed import ManagedServer
from tasks.engines.openai_replies import (
    Sent,
    error_message,
    outcomes_of,
    refusal_code,
    refuses_many_choices,
)
from tasks.engines.protocol import Completion, Deliver, EngineError, Failure, Request

MAX_WAIT_SECONDS = 30.0
MAX_WAIT_UNREACHABLE_SECONDS = 2.0
CONNECT_SECONDS = 10.0
_TRANSIENT = frozenset({408, 409, 425, 429})
_UNKNOWN_ADDRESS = frozenset({404, 405, 501})


@dataclass
class TransientError(Exception):
    """A try that failed in a way that may pass."""

    code: str
    message: str
    retry_after: float = 0.0


@dataclass
class RefusedError(Exception):
    """A request that will be refused whenever it is sent."""

    code: str
    message: str


class EndpointEngine:
    """`Engine` over HTTP."""

    def __init__(self, model: Model, settings: OpenAIEngine) -> None:
        self.concurrency = settings.concurrency
        self._model, self._settings = model, settings
        self._url = settings.url
        self._server = ManagedServer(model, settings.serve) if settings.serve else None
        self._key = ""
        self._session: aiohttp.ClientSession | None = None
        self._last_alive = time.monotonic()
        self._probing = asyncio.Lock()
        limit = settings.samples_per_request
        self._takes_many: bool | None = None if limit == "auto" else limit > 1
        self.group = settings.concurrency if limit == "auto" else limit

    async def start(self) -> None:
        """Read the key, start the server if it is ours, reach it, and see that it serves the model."""
        if name := self._settings.api_key_env:
            self._key = os.environ.get(name, "")
            if not self._key:
                raise EngineError(
                    f"The environment variable {name} is not set; `export {name}=…` with the API key."
                )
        if self._server:
            await self._server.start(self._key)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        timeout = aiohttp.ClientTimeout(total=self._settings.timeout_seconds, sock_connect=CONNECT_SECONDS)
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=connector,
            timeout=timeout,
            headers={**headers, "Content-Type": "application/json"},
        )
        self._last_alive = time.monotonic()
        try:
            await self._retrying(self._check_model, None)
        except TransientError as error:
            await self.close()
            raise EngineError(self._unreachable(error)) from None
        except RefusedError as error:
            await self.close()
            raise EngineError(f"{self._url}/models: {error.message}") from None

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

    async def close(self) -> None:
        """Close the connections, then leave the server if it is ours."""
        if self._session:
            await self._session.close()
            self._session = None
        if self._server:
            await self._server.close()

    # --- one request ---

    async def _single(self, request: Request, place: int, deliver: Deliver) -> None:
        [outcome, *_] = await self._outcomes(request, [place])
        deliver(place, outcome)

    async def _group(self, request: Request, places: Sequence[int], deliver: Deliver) -> list[int]:
        """Ask for several samples at once; returns the places that have to be asked for one by one."""
        try:
            outcomes = await self._outcomes(request, places)
        except RefusedError:
            self._takes_many, self.group = False, 1
            return list(places)
        if any(isinstance(outcome, Completion) for outcome in outcomes):
            self._takes_many = len(outcomes) >= len(places)
            self.group = self.group if self._takes_many else 1
        for place, outcome in zip(places, outcomes, strict=False):
            deliver(place, outcome)
        return list(places[len(outcomes) :])

    async def _outcomes(self, request: Request, places: Sequence[int]) -> list[Completion | Failure]:
        """Send until answered or given up. Raises RefusedError only where `n` itself was refused."""
        body = self._body(request, places)
        tries = [0]
        started = datetime.now(UTC)

        async def send() -> list[Completion | Failure]:
            tries[0] += 1
            return await self._post(body, request.seeds[places[0]], tries[0])

        try:
            try:
                return await send()
            except TransientError as error:
                return await self._retrying(send, error)
        except TransientError as error:
            message = self._unreachable(error) if error.code == "unreachable" else error.message
            return [Failure(error.code, message, True, started, tries[0])] * len(places)
        except RefusedError as error:
            if len(places) > 1 and refuses_many_choices(error.message):
                raise
            return [Failure(error.code, error.message, False, started, tries[0])] * len(places)

    def _body(self, request: Request, places: Sequence[int]) -> bytes:
        s = request.sampling
        body: dict[str, Any] = {
            "model": self._model.id,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "temperature": s.temperature,
            "max_tokens": s.max_tokens,
            "seed": request.seeds[places[0]],
        }
        for name in ("top_p", "top_k", "min_p", "presence_penalty", "repetition_penalty"):
            if (value := getattr(s, name)) is not None:
                body[name] = value
        if self._settings.logprobs:
            body["logprobs"] = True
        if len(places) > 1:
            body["n"] = len(places)
        if s.stop:
            body["stop"] = s.stop
        if s.enable_thinking is not None:
            body["chat_template_kwargs"] = {"enable_thinking": s.enable_thinking}
        return orjson.dumps(body | s.extra)

    async def _post(self, body: bytes, seed: int, tries: int) -> list[Completion | Failure]:
        sent_at, began = datetime.now(UTC), time.perf_counter()
        reply = await self._call("POST", "/chat/completions", body)
        sent = Sent(seed, sent_at, time.perf_counter() - began, tries)
        try:
            outcomes = outcomes_of(reply, sent)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TransientError("bad_reply", f"the reply is no chat completion ({error!r})") from None
        if not outcomes:
            raise TransientError("bad_reply", "the reply has no choices")
        return outcomes

    async def _call(self, method: str, path: str, body: bytes | None = None) -> Any:  # noqa: ANN401, C901 - JSON; one place knows what a reply means
        """One HTTP exchange. Raises TransientError, RefusedError or EngineError for all but a good reply."""
        if self._session is None:
            raise EngineError("the endpoint's client is closed.")
        try:
            async with self._session.request(method, _address(self._url, path), data=body) as response:
                data, status = await response.read(), response.status
                self._last_alive = time.monotonic()
                retry_after = response.headers.get("Retry-After") if status != 200 else None  # noqa: PLR2004
        except aiohttp.InvalidURL:
            raise EngineError(f"engine.base_url is {self._url!r}, which is no URL.") from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            await self._revived()
            raise TransientError("unreachable", str(error)) from None
        except TimeoutError:
            seconds = self._settings.timeout_seconds
            raise TransientError("timeout", f"no reply within timeout_seconds ({seconds:g})") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            await self._revived()
            raise TransientError("connection", f"{type(error).__name__}: {error}") from None
        try:
            reply = orjson.loads(data)
        except orjson.JSONDecodeError:
            reply = None
        if status == 200:  # noqa: PLR2004
            if reply is None:
                raise TransientError("bad_reply", f"the reply is no whole JSON ({len(data)} bytes)")
            return reply
        message = self._hidden(error_message(status, data, reply))
        if status in _TRANSIENT or status >= 500:  # noqa: PLR2004
            code = "rate_limited" if status == 429 else "server_error"  # noqa: PLR2004
            raise TransientError(code, message, _seconds(retry_after))
        if status in {401, 403}:
            named = self._settings.api_key_env or "engine.api_key_env"
            raise EngineError(f"{self._url} refuses the API key ({message}); check {named}.")
        if status in _UNKNOWN_ADDRESS and method == "POST":
            raise EngineError(f"{self._url}{path}: {message}; check engine.base_url and model.id.")
        raise RefusedError(refusal_code(message), message)

    # --- waiting ---

    async def _retrying(self, send: Any, first: TransientError | None) -> Any:  # noqa: ANN401
        """Try again until it works, `retries` are used up, or the endpoint stays away too long."""
        used = 0
        error = first

        def gives_up(state: RetryCallState) -> bool:
            nonlocal used, error
            failed = state.outcome.exception() if state.outcome else None
            error = failed if isinstance(failed, TransientError) else None
            return not self._may_retry(
                error, used := used + (error is not None and error.code != "unreachable")
            )

        def wait(state: RetryCallState) -> float:
            return self._wait(state.attempt_number, error)

        if first is not None:
            used = int(first.code != "unreachable")
            if not self._may_retry(first, used):
                raise first
            await asyncio.sleep(self._wait(1, first))
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(TransientError), stop=gives_up, wait=wait, reraise=True
        )
        return await retrying(send)

    def _may_retry(self, error: TransientError | None, used: int) -> bool:
        if error is not None and error.code == "unreachable":
            return time.monotonic() - self._last_alive < self._settings.patience_seconds
        return used <= self._settings.retries

    def _wait(self, attempt: int, error: TransientError | None) -> float:
        state = RetryCallState(AsyncRetrying(), None, (), {})
        state.attempt_number = attempt
        jittered = wait_random_exponential(multiplier=0.5, max=MAX_WAIT_SECONDS)(state)
        if error is None:
            return jittered
        if error.code == "unreachable":
            return min(jittered, MAX_WAIT_UNREACHABLE_SECONDS)
        return min(max(jittered, error.retry_after), 2 * MAX_WAIT_SECONDS)

    async def _revived(self) -> None:
        """A connection broke: a server of ours that has died is started again, and all wait for it here."""
        if self._server and await self._server.revive():
            self._last_alive = time.monotonic()

    async def _check_model(self) -> None:
        try:
            reply = await self._call("GET", "/models")
        except RefusedError:
            return  # a server without a list of models is asked by the first request
        served = reply.get("data") if isinstance(reply, dict) else None
        if not isinstance(served, list) or any(m.get("owned_by") == "llamacpp" for m in served):
            return  # llama.cpp serves its one model under any name
        names = [str(m.get("id")) for m in served]
        if names and self._model.id not in names and f"{self._model.id}:latest" not in names:
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""  # noqa: PLR2004
            raise EngineError(
                f"{self._url} does not serve {self._model.id}; it serves {', '.join(names[:10])}{more}. Set model.id."
            )

    def _unreachable(self, error: TransientError) -> str:
        return (
            f"{self._url} does not answer ({self._hidden(error.message)}); start it, or correct engine.base_url, "
            "and run again."
        )

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
