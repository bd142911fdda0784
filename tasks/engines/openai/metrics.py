"""What a server says of itself under /metrics (Prometheus text), summed up for the run's record."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tasks.engines.openai.http import Replica

READ_SECONDS = 5.0

_NAMES = {
    # vLLM
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "vllm:kv_cache_usage_perc": "kv_cache_usage",
    "vllm:prompt_tokens_total": "prompt_tokens",
    "vllm:generation_tokens_total": "completion_tokens",
    "vllm:prefix_cache_queries_total": "prefix_cache_queries",
    "vllm:prefix_cache_hits_total": "prefix_cache_hits",
    "vllm:num_preemptions_total": "preemptions",
    # SGLang
    "sglang:num_running_reqs": "running",
    "sglang:num_queue_reqs": "waiting",
    "sglang:token_usage": "kv_cache_usage",
    "sglang:prompt_tokens_total": "prompt_tokens",
    "sglang:generation_tokens_total": "completion_tokens",
    # llama.cpp, started with --metrics
    "llamacpp:requests_processing": "running",
    "llamacpp:requests_deferred": "waiting",
    "llamacpp:kv_cache_usage_ratio": "kv_cache_usage",
    "llamacpp:prompt_tokens_total": "prompt_tokens",
    "llamacpp:tokens_predicted_total": "completion_tokens",
}
_LINE = re.compile(r"^((?:vllm|sglang|llamacpp):\w+)(\{[^\n]*\})? ([0-9.eE+-]+)", re.MULTILINE)
_COUNTERS = (
    "prompt_tokens",
    "completion_tokens",
    "prefix_cache_queries",
    "prefix_cache_hits",
    "preemptions",
)


@dataclass
class ServerRecord:
    """One server during one stage of a run. None: it did not say. Other users of the server count too."""

    url: str
    model: str
    num_reads: int = 0
    """How often it was asked; the maxima and means are over these moments."""
    max_running: float | None = None
    mean_running: float | None = None
    """Requests that it worked on."""
    max_waiting: float | None = None
    mean_waiting: float | None = None
    """Requests in its queue."""
    max_kv_cache_usage: float | None = None
    """Share of the KV cache in use, 0 to 1."""
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    prefix_cache_queries: float | None = None
    prefix_cache_hits: float | None = None
    """Prompt tokens looked up and found in the prefix cache."""
    preemptions: float | None = None
    """Requests thrown out of a full KV cache and computed again."""
    start_seconds: float | None = None
    """From starting it until it answered, where the run started it."""
    num_restarts: int = 0


class Watch:
    """Reads a server's metrics now and then."""

    def __init__(self, replica: Replica, model: str) -> None:
        self.record = ServerRecord(replica.url, model)
        self._replica, self._model = replica, model
        self._before: Mapping[str, float] = {}

    async def go_on(self, every_seconds: float) -> None:
        """Read for ever."""
        while True:
            await asyncio.sleep(every_seconds)
            await self.read()

    async def read(self) -> bool:
        """Read once and take it in; whether there was something."""
        text = await self._replica.text("/metrics", READ_SECONDS)
        now = parsed(text, self._model) if text else {}
        if now:
            _take_in(self.record, self._before, now)
            self._before = now
        return bool(now)


def parsed(text: str, model: str) -> dict[str, float]:
    """Our names for what the text holds of this model: sums over a server's engines, of usage the maximum."""
    found: dict[str, float] = {}
    for name, labels, value in _LINE.findall(text):
        ours = _NAMES.get(name)
        if ours is None or ('model_name="' in labels and f'model_name="{model}"' not in labels):
            continue
        number = float(value)
        is_share = ours == "kv_cache_usage"
        found[ours] = max(found.get(ours, 0.0), number) if is_share else found.get(ours, 0.0) + number
    return found


def _take_in(record: ServerRecord, before: Mapping[str, float], now: Mapping[str, float]) -> None:
    """Counters grow by what was added since the last reading; a restarted server begins at 0 again."""
    values: dict[str, Any] = asdict(record)
    n = record.num_reads
    for name in ("running", "waiting"):
        if name in now:
            values[f"max_{name}"] = max(values[f"max_{name}"] or 0.0, now[name])
            values[f"mean_{name}"] = ((values[f"mean_{name}"] or 0.0) * n + now[name]) / (n + 1)
    if "kv_cache_usage" in now:
        values["max_kv_cache_usage"] = max(record.max_kv_cache_usage or 0.0, now["kv_cache_usage"])
    for name in _COUNTERS:
        if name in now:
            earlier = before.get(name, now[name] if not before else 0.0)
            grown = now[name] - earlier if now[name] >= earlier else now[name]
            values[name] = (values[name] or 0.0) + grown
    for name, value in values.items():
        setattr(record, name, value)
    record.num_reads = n + 1
