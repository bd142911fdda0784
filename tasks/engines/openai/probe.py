"""What an endpoint says of itself before a run: how long a request may be, how much it holds at once, whether the key is good.

Nothing is generated: a request without a message is refused by every server, but with 401 or 403 where the key is wrong,
also by one whose list of models is public.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import orjson

from configs.engines import OpenAISettings
from configs.models import Model
from tasks.engines.openai.faults import RefusedError, TransientError
from tasks.engines.openai.http import Replica
from tasks.engines.openai.key import api_key

READ_SECONDS = 5.0
_LENGTHS = ("max_model_len", "context_length", "context_window", "max_context_length")
"""Where servers write the longest prompt and completion together in their list of models, vLLM's name first."""
_CACHE = re.compile(r"^vllm:cache_config_info\{(?P<labels>[^}]*)\}", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="(\d+)"')


@dataclass(frozen=True, slots=True)
class Probe:
    """What one address told; None: it does not say."""

    context: int | None
    """Tokens of a prompt and its completion together, at most."""
    cache: int | None
    """Tokens that its key-value cache holds, of all requests together."""


def probe(model: Model, settings: OpenAISettings) -> Probe:
    """Ask the first address. Raises EngineError for a key that it refuses; one that is silent tells nothing."""
    return asyncio.run(_probe(model, settings))


async def _probe(model: Model, settings: OpenAISettings) -> Probe:
    replica = Replica(settings.urls[0], settings, None)
    replica.open(api_key(settings))
    try:
        listed = await _said(replica, "GET", "/models", None)
        if settings.api_key_env:
            await _said(replica, "POST", "/chat/completions", {"model": model.id, "messages": []})
        metrics = await replica.text("/metrics", READ_SECONDS)
    finally:
        await replica.close()
    return Probe(context_told(listed, model.id), cache_told(metrics or ""))


async def _said(replica: Replica, method: str, path: str, body: dict[str, Any] | None) -> object:
    """The reply; None for a refusal or silence."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await replica.call(method, path, orjson.dumps(body) if body else None)
    except (RefusedError, TransientError, TimeoutError):
        return None


def context_told(listed: object, model: str) -> int | None:
    """What the list of models says of this one's context."""
    entries = listed.get("data") if isinstance(listed, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("id") == model:
            meta = entry.get("meta")  # llama.cpp
            told = [entry.get(name) for name in _LENGTHS] + [
                meta.get("n_ctx") if isinstance(meta, dict) else None
            ]
            return next((value for value in told if isinstance(value, int) and value > 0), None)
    return None


def cache_told(metrics: str) -> int | None:
    """Tokens in vLLM's key-value cache: blocks times their size, over all of a server's engines."""
    total = 0
    for found in _CACHE.finditer(metrics):
        labels = {name: int(value) for name, value in _LABEL.findall(found["labels"])}
        total += labels.get("block_size", 0) * labels.get("num_gpu_blocks", 0)
    return total or None
