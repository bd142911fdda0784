"""What a batch interface is asked over HTTP: files up and down, batches created, listed and looked at.

A batch is created by one request that is never repeated blindly: where its answer did not arrive, the list of batches
says whether it was. Everything else may be asked again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import aiohttp
import orjson

from configs.engines import OpenAISettings
from tasks.engines.openai.batch_lines import Batch, Line, batch_of, described
from tasks.engines.openai.faults import RefusedError, TransientError
from tasks.engines.openai.http import Replica
from tasks.engines.protocol import EngineError

T = TypeVar("T")

_PAGE = 100
_KEPT = timedelta(days=29)
"""How long ago a batch may have been created for its results to be there still; providers keep files for 30 days."""
_LONGEST_PAUSE_SECONDS = 60.0


class BatchFiles:
    """One address's batch interface."""

    def __init__(self, replica: Replica, settings: OpenAISettings) -> None:
        self._replica, self._settings = replica, settings

    async def listed(self, scope: str) -> list[Batch]:
        """Our batches of a scope whose results can still be had, the newest first. Raises EngineError, TransientError."""
        found: list[Batch] = []
        after, oldest = "", datetime.now(UTC) - _KEPT
        while True:
            path = f"/batches?limit={_PAGE}" + (f"&after={after}" if after else "")
            page = await self._patiently(lambda path=path: self._replica.call("GET", path))
            entries = page.get("data") if isinstance(page, dict) else None
            if not isinstance(entries, list):
                raise EngineError(
                    f"{self._replica.url}/batches does not list batches; set engine.batch: false."
                )
            batches = [batch for entry in cast("list[Any]", entries) if (batch := batch_of(entry))]
            found += [batch for batch in batches if batch.scope in {scope, ""} and batch.created_at > oldest]
            last = entries[-1].get("id") if entries and isinstance(entries[-1], dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
            is_old = bool(batches) and batches[-1].created_at <= oldest
            if not page.get("has_more") or not last or is_old:
                return found
            after = str(last)  # pyright: ignore[reportUnknownArgumentType] - JSON

    async def look(self, batch: Batch) -> Batch:
        """The batch as it is now."""
        told = await self._patiently(lambda: self._replica.call("GET", f"/batches/{batch.batch_id}"))
        return batch_of(told) or batch

    async def file(self, file_id: str) -> bytes | None:
        """A file's content; None where it is gone."""
        try:
            return await self._patiently(lambda: self._replica.raw("GET", f"/files/{file_id}/content"))
        except RefusedError:
            return None

    async def hand_in(self, scope: str, lines: list[Line]) -> Batch:
        """Upload the lines and create their batch, or find it where that was done. Raises EngineError, TransientError."""
        data = b"\n".join(line.data for line in lines) + b"\n"
        uploaded = await self._patiently(lambda: self._upload(data))
        about = described(scope, lines)
        asked = orjson.dumps(
            {
                "input_file_id": uploaded,
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
                "metadata": about,
            }
        )

        async def create() -> Any:  # noqa: ANN401 - JSON
            if tries:
                for batch in await self.listed(scope):
                    if batch.input_file == uploaded:
                        return batch
            tries.append(1)
            return batch_of(await self._replica.call("POST", "/batches", asked))

        tries: list[int] = []
        created = await self._patiently(create)
        if created is None:
            raise EngineError(f"{self._replica.url}/batches created no batch; set engine.batch: false.")
        return created._replace(scope=about["scope"], lines=about["lines"])

    async def _upload(self, data: bytes) -> str:
        form = aiohttp.FormData({"purpose": "batch"})
        form.add_field("file", data, filename="a2r.jsonl", content_type="application/jsonl")
        payload = form()
        told = orjson.loads(await self._replica.raw("POST", "/files", payload, payload.content_type))
        if not isinstance(told, dict) or not isinstance(told.get("id"), str):  # pyright: ignore[reportUnknownMemberType] - JSON
            raise EngineError(f"{self._replica.url}/files took no file; set engine.batch: false.")
        return told["id"]

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until answered; what may pass is waited for, each time longer."""
        pause = 0.5
        for left in range(self._settings.retries, -1, -1):
            try:
                return await ask()
            except TransientError as error:
                if not left:
                    raise
                await asyncio.sleep(min(error.retry_after or pause, _LONGEST_PAUSE_SECONDS))
                pause *= 2
        raise AssertionError  # the last try returns or raises
