"""What a server says of itself under /metrics (Prometheus text), summed up for the run's stats."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import asdict

from prometheus_client.parser import text_string_to_metric_families

from tasks.engines.openai.http import Replica
from warehouse.servers import ServerStats

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
_COUNTERS = (
    "prompt_tokens",
    "completion_tokens",
    "prefix_cache_queries",
    "prefix_cache_hits",
    "preemptions",
)


class Watch:
    """Reads a server's metrics now and then."""

    def __init__(self, replica: Replica, model: str) -> None:
        self.stats = ServerStats(replica.url, model)
        self.replica, self._model = replica, model
        self._before: Mapping[str, float] = {}

    async def go_on(self, every_seconds: float) -> None:
        """Read until cancelled."""
        while True:
            await asyncio.sleep(every_seconds)
            await self.read()

    async def read(self) -> bool:
        """Read once and take it in; whether there was something."""
        text = await self.replica.text("/metrics", READ_SECONDS)
        now = parsed(text, self._model) if text else {}
        if now:
            _take_in(self.stats, self._before, now)
            if "running" in now and "waiting" in now:
                concurrency = self.replica.pace.concurrency
                concurrency.observed(asyncio.get_running_loop().time(), now["running"], now["waiting"])
            self._before = now
        return bool(now)


def parsed(text: str, model: str) -> dict[str, float]:
    """Our names for what the text holds of this model: sums over a server's engines, of usage the maximum.

    Empty where the text is not Prometheus's. Most of it is histograms: they are left out before the rest is parsed,
    which would hold up the engines' loop for 24 ms where a server tells 1,500 lines.
    """
    found: dict[str, float] = {}
    lines = "".join(line for line in text.splitlines(keepends=True) if line.startswith(tuple(_NAMES)))
    try:
        samples = [s for family in text_string_to_metric_families(lines) for s in family.samples]
    except ValueError:
        return {}
    for sample in samples:
        ours = _NAMES.get(sample.name)
        is_other = sample.labels.get("model_name", model) != model
        if ours is None or is_other or not math.isfinite(sample.value):
            continue
        is_share = ours == "kv_cache_usage"
        before = found.get(ours, 0.0)
        found[ours] = max(before, sample.value) if is_share else before + sample.value
    return found


def _take_in(stats: ServerStats, before: Mapping[str, float], now: Mapping[str, float]) -> None:
    """Counters grow by what was added since the last reading; a restarted server begins at 0 again."""
    values = asdict(stats)
    n = stats.num_reads
    for name in ("running", "waiting"):
        if name in now:
            values[f"max_{name}"] = max(values[f"max_{name}"] or 0.0, now[name])
            values[f"mean_{name}"] = ((values[f"mean_{name}"] or 0.0) * n + now[name]) / (n + 1)
    if "kv_cache_usage" in now:
        values["max_kv_cache_usage"] = max(stats.max_kv_cache_usage or 0.0, now["kv_cache_usage"])
    for name in _COUNTERS:
        if name in now:
            earlier = before.get(name, now[name] if not before else 0.0)
            grown = now[name] - earlier if now[name] >= earlier else now[name]
            values[name] = (values[name] or 0.0) + grown
    for name, value in values.items():
        setattr(stats, name, value)
    stats.num_reads = n + 1
