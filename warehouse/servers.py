"""What a server tells of itself while a run uses it."""

from dataclasses import dataclass


@dataclass
class ServerStats:
    """One server during one use of it. None: it did not say. Other users of the server count too.

    Floats that count whole things stay floats: Prometheus has no others.
    """

    url: str
    model: str
    num_reads: int = 0
    """How often it was read; the maxima and means are over these moments."""
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
    """Requests evicted from a full KV cache and computed again."""
    start_seconds: float | None = None
    """From starting it until it answered, where the run started it."""
    num_restarts: int = 0
    template_digest: str | None = None
    """Of how it turns messages into prompts; equal while its chat template and tokenizer are."""
