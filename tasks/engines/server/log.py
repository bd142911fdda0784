"""What a server's log says about why it ended, in words that tell what to do."""

import re
from collections.abc import Sequence
from pathlib import Path

NUM_LINES = 15
_LONGEST_LINE = 300
_TAIL_BYTES = 65536

_ADVICE = {
    r"out of memory|Free memory on device|No available memory for the cache|not enough memory|OutOfMemory": (
        "It ran out of memory: lower args.gpu_memory_utilization, args.max_model_len or args.max_num_seqs, give it "
        "more GPUs (gpus, args.tensor_parallel_size), or stop what else uses them."
    ),
    r"larger than the (maximum number of tokens|available KV cache)|KV cache is needed": (
        "The context does not fit the memory that is left for the KV cache: lower args.max_model_len, or raise "
        "args.gpu_memory_utilization."
    ),
    r"[Aa]ddress already in use": "Its port is taken: choose another in engine.serve.port.",
    r"unrecognized arguments|invalid choice|error: argument": (
        "It does not know one of engine.serve.args: `vllm serve --help=all` lists what there is."
    ),
    r"No module named|command not found": (
        "engine.serve.command starts an environment that lacks vLLM: install it there, or name another."
    ),
    r"Repository Not Found|is not a local folder|LocalEntryNotFound|in the cached files|OfflineModeIsEnabled": (
        "The weights were not found: check model.id, model.revision and engine.serve.model, the access token "
        "(HF_TOKEN), and whether HF_HUB_OFFLINE is set."
    ),
    r"No CUDA GPUs|CUDA driver|Failed to infer device type": (
        "It finds no usable GPU: check engine.serve.gpus and `nvidia-smi`."
    ),
}
"""What the end of a log may hold, and what to do about it; the first that fits is told."""


def tail(log: Path, secrets: Sequence[str] = (), num_lines: int = NUM_LINES) -> list[str]:
    """The log's last lines that say something, cut, secrets struck out."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    for secret in secrets:
        text = text.replace(secret, "***")
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return [line[:_LONGEST_LINE] for line in lines[-num_lines:]]


def advice(log: Path) -> str:
    """What to do, by what the end of the log says; empty where it says nothing known."""
    text = "\n".join(tail(log, num_lines=200))
    return next((told for pattern, told in _ADVICE.items() if re.search(pattern, text)), "")
