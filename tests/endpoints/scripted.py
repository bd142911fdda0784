"""An OpenAI-compatible endpoint on loopback whose every answer, fault and delay a test decides.

It runs on a thread of its own and counts what it is asked. The text of a completion is a function
of (prompt, seed), so that equal requests get equal answers; whether it is right depends on the seed.
"""

import asyncio
import contextlib
import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from aiohttp import web


@dataclass
class ScriptedEndpoint:
    models: tuple[str, ...] = ("small", "big")
    key: str | None = None
    honours_n: bool = True
    streams: bool = False
    """Whether a good answer comes in events where it is asked for so; else as a whole all the same."""
    refuses_n: bool = False
    latency: float = 0.0
    reasoning_field: str | None = None
    fault: Callable[[int, dict[str, Any]], Any] | None = None
    """Called with the request's number and body; a dict or tuple replaces the good answer (see `_faulty`)."""
    answer: Callable[[str, int], str] | None = None
    models_reply: tuple[int, bytes, str] | None = None
    """Status, body and type of the list of models in place of the good one."""
    health: Callable[[], int] | None = None
    """The status of /health, 0 where it is never answered; None: there is no such page."""
    metrics: Callable[[], str] | None = None
    """The text of /metrics; None: there is no such page."""
    silent: threading.Event = field(default_factory=threading.Event)
    """While set, connections are taken and nothing is ever answered."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    num_samples: int = 0
    in_flight: int = 0
    peak: int = 0
    last_headers: Any = None
    last_query: dict[str, str] = field(default_factory=dict)
    by_model: Counter = field(default_factory=Counter)
    port: int = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def open(self) -> None:
        """Listen, on the same port as before if there was one."""
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)

    def shut(self) -> None:
        """Refuse connections until `open`."""
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)

    def reset(self) -> None:
        """Forget what was counted."""
        self.requests, self.num_samples, self.by_model, self.peak = [], 0, Counter(), 0

    async def _open(self) -> None:
        app = web.Application(client_max_size=2**26, middlewares=[self._silence])
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health", self._health)
        app.router.add_post("/v1/chat/completions", self._complete)
        self.beside(app)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]

    def beside(self, app: web.Application) -> None:
        """Further pages, of endpoints that have some."""

    @web.middleware
    async def _silence(self, request: web.Request, handler: Any) -> web.StreamResponse:
        while self.silent.is_set():  # noqa: ASYNC110 - set from another thread
            await asyncio.sleep(0.05)
        return await handler(request)

    async def _health(self, _: web.Request) -> web.Response:
        status = self.health() if self.health else 404
        if not status:
            await asyncio.sleep(600)
        return web.Response(status=status)

    async def _metrics(self, _: web.Request) -> web.Response:
        if self.metrics is None:
            raise web.HTTPNotFound
        return web.Response(text=self.metrics())

    async def _models(self, request: web.Request) -> web.Response:
        if denied := self._denied(request):
            return denied
        if self.models_reply:
            status, data, kind = self.models_reply
            return web.Response(status=status, body=data, headers={"Content-Type": kind})
        return web.json_response({"object": "list", "data": [{"id": name} for name in self.models]})

    def _denied(self, request: web.Request) -> web.Response | None:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            shown = request.headers.get("Authorization", "")
            return web.json_response(
                {"error": {"message": f"Incorrect API key provided: {shown}"}}, status=401
            )
        return None

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        if denied := self._denied(request):
            return denied
        body = await request.json()
        self.last_headers, self.last_query = request.headers, dict(request.query)
        self.requests.append(body)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            fault = self.fault(len(self.requests), body) if self.fault else None
            match fault:
                case None:
                    pass
                case ("slow", seconds):
                    await asyncio.sleep(seconds)
                case ("until", threading.Event() as event):
                    while not event.is_set():  # noqa: ASYNC110 - set from anywhere
                        await asyncio.sleep(0.01)
                case ("stream", list(steps)):
                    return await self._streamed(request, steps)
                case _:
                    return await self._faulty(request, body, fault)
            if self.streams and body.get("stream"):
                return await self._streamed(request, events_of(self._reply(body), body))
            return web.json_response(self._reply(body))
        finally:
            self.in_flight -= 1

    async def _faulty(self, request: web.Request, body: dict[str, Any], fault: Any) -> web.StreamResponse:
        match fault:
            case "reset":
                request.transport.abort()
                return web.Response()
            case "cut":
                text = web.json_response(self._reply(body)).text
                return web.Response(text=text[: len(text) // 2], content_type="application/json")
            case ("hang", seconds):
                await asyncio.sleep(seconds)
                return web.Response(status=500)
            case (int(status), str(message), dict(headers)):
                return web.json_response({"error": {"message": message}}, status=status, headers=headers)
            case (int(status), bytes(data), str(kind)):
                return web.Response(status=status, body=data, headers={"Content-Type": kind})
            case dict():
                return web.json_response(fault)
        raise AssertionError(fault)

    async def _streamed(self, request: web.Request, steps: list[Any]) -> web.StreamResponse:
        """Events (an object, or bytes as they are), pauses (seconds), and at the end "cut" or "reset" for a break."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for step in steps:
            match step:
                case bytes() | dict():
                    data = step if isinstance(step, bytes) else b"data: " + orjson.dumps(step) + b"\n\n"
                    with contextlib.suppress(ConnectionError):  # whoever asked has gone
                        await response.write(data)
                case "cut":
                    return response
                case "reset":
                    request.transport.abort()
                    return response
                case _:
                    await asyncio.sleep(step)
        return response

    def _reply(self, body: dict[str, Any]) -> dict[str, Any]:
        wanted = body.get("n", 1)
        if wanted > 1 and self.refuses_n:
            raise web.HTTPBadRequest(
                text='{"error": {"message": "n must be 1"}}', content_type="application/json"
            )
        num = wanted if self.honours_n else 1
        prompt = body["messages"][-1]["content"]
        self.num_samples += num
        self.by_model[body["model"]] += num
        choices = []
        for index in range(num):
            text = (self.answer or answered)(prompt, body.get("seed", index) + index)
            message = {"role": "assistant", "content": text}
            if self.reasoning_field:
                message[self.reasoning_field] = "because"
            choice = {"index": index, "message": message, "finish_reason": "stop"}
            if body.get("logprobs"):
                tokens = [{"token": t, "logprob": -0.1 * t} for t in range(1, 4)]
                if k := body.get("top_logprobs"):
                    tokens = [t | {"top_logprobs": [{"logprob": -0.5 * i} for i in range(k)]} for t in tokens]
                choice["logprobs"] = {"content": tokens}
            choices.append(choice)
        usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": 25 * num}
        return {"model": body["model"], "choices": choices, "usage": usage}


def events_of(reply: dict[str, Any], body: dict[str, Any], pause: float = 0.0, size: int = 4) -> list[Any]:
    """A reply as events, its choices interleaved, in pieces of so many characters with pauses between them."""
    events: list[Any] = []
    pieces = []
    for choice in reply["choices"]:
        texts = [(f, t) for f, t in choice["message"].items() if f != "role"]
        texts.sort(key=lambda field: field[0] == "content")
        pieces.append([{f: t[at : at + size]} for f, t in texts for at in range(0, len(t), size)])
    for place in range(max(map(len, pieces))):
        for choice, deltas in zip(reply["choices"], pieces, strict=True):
            if place < len(deltas):
                piece = {"index": choice["index"], "delta": deltas[place], "finish_reason": None}
                if tokens := choice.get("logprobs"):
                    piece["logprobs"] = tokens
                events += [
                    {"object": "chat.completion.chunk", "choices": [piece]},
                    *([pause] if pause else []),
                ]
    ends = [{"index": c["index"], "delta": {}, "finish_reason": c["finish_reason"]} for c in reply["choices"]]
    events += [{"object": "chat.completion.chunk", "choices": [end]} for end in ends]
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append({"object": "chat.completion.chunk", "choices": [], "usage": reply["usage"]})
    return [*events, b"data: [DONE]\n\n"]


def answered(prompt: str, seed: int) -> str:
    """A boxed answer to "What is A plus B?", right for three seeds in five."""
    digest = hashlib.sha256(f"{prompt}/{seed}".encode()).digest()
    numbers = [int(word) for word in prompt.split("?", maxsplit=1)[0].split() if word.isdigit()]
    total = sum(numbers[:2]) + (0 if digest[0] % 5 < 3 else 1 + digest[1] % 7)
    return f"<think>let me see {digest.hex()[:8]}</think>So it is \\boxed{{{total}}}."
