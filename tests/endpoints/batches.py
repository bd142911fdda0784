"""An endpoint with a batch interface whose every step a test decides: files up and down, batches made, listed, ended.

Each request that a batch holds is worked on when its batch ends, and counted by its id: more than once is paid twice.
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from endpoints.scripted import ScriptedEndpoint


@dataclass
class BatchEndpoint(ScriptedEndpoint):
    looks_until_end: int = 1
    """How often a batch is looked at before it has ended."""
    ending: Callable[[str], Any] | None = None
    """Of a line by its custom id: a status and message for an error line, "expired", "lost", or None for an answer."""
    refuses_batch: str = ""
    """Why every batch fails as a whole."""
    step: Callable[[str, bool], None] | None = None
    """Called with each request's kind, before (False) and after (True) it takes effect."""
    worked_on: Counter = field(default_factory=Counter)
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)

    def beside(self, app: web.Application) -> None:
        app.router.add_post("/v1/files", self._told("upload", self._upload))
        app.router.add_get("/v1/files/{id}/content", self._told("download", self._content))
        app.router.add_post("/v1/batches", self._told("create", self._create))
        app.router.add_get("/v1/batches", self._told("list", self._list))
        app.router.add_get("/v1/batches/{id}", self._told("look", self._look))

    def _told(self, kind: str, handler: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.calls.append(kind)
            if self.step:
                self.step(kind, False)
            reply = await handler(request)
            if self.step:
                self.step(kind, True)
            return reply

        return handle

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["purpose"] == "batch"
        name = f"file-{next(self._numbers)}"
        self.files[name] = form["file"].file.read()
        return web.json_response({"id": name, "object": "file", "purpose": "batch", "status": "processed"})

    async def _content(self, request: web.Request) -> web.Response:
        content = self.files.get(request.match_info["id"])
        if content is None:
            return web.json_response({"error": {"message": "No such File object"}}, status=404)
        return web.Response(body=content, content_type="application/octet-stream")

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["endpoint"] == "/v1/chat/completions" and body["completion_window"] == "24h"
        lines = [orjson.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        name = f"batch_{next(self._numbers)}"
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": body["endpoint"],
            "input_file_id": body["input_file_id"],
            "status": "validating",
            "created_at": int(time.time()),
            "metadata": body["metadata"],
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
            "looks": 0,
        }
        return web.json_response(self._shown(name))

    async def _list(self, request: web.Request) -> web.Response:
        names = list(self.batches)[::-1]
        if after := request.query.get("after"):
            names = names[names.index(after) + 1 :]
        limit = int(request.query["limit"])
        page = [self._shown(name) for name in names[:limit]]
        return web.json_response({"object": "list", "data": page, "has_more": len(names) > limit})

    async def _look(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        batch = self.batches[name]
        batch["looks"] += 1
        if batch["status"] == "validating":
            batch["status"] = "in_progress"
        if batch["looks"] >= self.looks_until_end:
            self.end(name)
        return web.json_response(self._shown(name))

    def end(self, name: str) -> None:
        """Work on what a batch holds, once."""
        batch = self.batches[name]
        if batch["status"] in {"completed", "expired", "failed"}:
            return
        if self.refuses_batch:
            batch |= {
                "status": "failed",
                "errors": {"object": "list", "data": [{"message": self.refuses_batch}]},
            }
            return
        good, bad, is_expired = [], [], False
        for line in map(orjson.loads, self.files[batch["input_file_id"]].splitlines()):
            told = {"id": f"req-{next(self._numbers)}", "custom_id": line["custom_id"]}
            match self.ending(line["custom_id"]) if self.ending else None:
                case None:
                    self.worked_on[line["custom_id"]] += 1
                    response = {"status_code": 200, "request_id": "x", "body": self._reply(line["body"])}
                    good.append(told | {"response": response, "error": None})
                case "expired":
                    is_expired = True
                    error = {
                        "code": "batch_expired",
                        "message": "This request could not be executed before it expired.",
                    }
                    bad.append(told | {"response": None, "error": error})
                case "lost":
                    pass
                case (int(status), str(message)):
                    body = {"error": {"message": message, "type": "invalid_request_error"}}
                    bad.append(told | {"response": {"status_code": status, "body": body}, "error": None})
        for kind, rows in (("output", good), ("error", bad)):
            if rows:
                self.files[f"{kind}-{name}"] = b"".join(orjson.dumps(row) + b"\n" for row in rows[::-1])
                batch[f"{kind}_file_id"] = f"{kind}-{name}"
        batch["request_counts"] |= {"completed": len(good), "failed": len(bad)}
        batch["status"] = "expired" if is_expired else "completed"

    def _shown(self, name: str) -> dict[str, Any]:
        return {key: value for key, value in self.batches[name].items() if key != "looks"}
