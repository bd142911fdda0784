"""How many tokens vLLM's key-value cache would hold, worked out before anything is loaded.

Memory that `gpu_memory_utilization` leaves after weights and working memory, divided by the bytes of a token: 2 × layers ×
key-value heads × head size × bytes per value. An estimate, within some per cent of what vLLM says when it has loaded:
models with sliding windows, latent attention or states hold more.
"""

import json
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import JsonValue

from configs.models import Model
from tasks.engines.weights import weights_file

_UTILIZATION = 0.92
"""vLLM's own, where the settings say nothing."""
_WORKING_BYTES = 3 * 2**30
"""Of each GPU, for activations, graphs and the runtime."""
_ASK_SECONDS = 10.0
_BYTES = {
    "fp8": 1.0,
    "int8": 1.0,
    "awq": 0.56,
    "gptq": 0.56,
    "bitsandbytes": 0.56,
    "nvfp4": 0.56,
    "mxfp4": 0.56,
}
"""Bytes per parameter of weights that are quantised, by a part of the setting's name; others have two."""


@lru_cache(maxsize=1)
def gpu_bytes() -> int | None:
    """Memory of this machine's first GPU; None without one."""
    asked = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True).stdout  # noqa: S603 - fixed words
        return int(told.split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def cache_tokens(
    model: Model, location: str, args: Mapping[str, JsonValue], memory: int | None
) -> int | None:
    """Tokens of all requests together; None where the model's files or the GPU are not here, or it is of another kind.

    Args:
        model: Whose weights.
        location: Their folder or hub id; nothing is downloaded.
        args: vLLM's settings.
        memory: Bytes of one GPU.
    """
    config = weights_file(location, model, "config.json")
    per_token = token_bytes(json.loads(config.read_text(encoding="utf-8")), args) if config else None
    if memory is None or per_token is None or config is None:
        return None
    weights = _weights_bytes(config.parent, model, args)
    if weights is None:
        return None
    shards = _number(args, "tensor_parallel_size", 1) * _number(args, "pipeline_parallel_size", 1)
    replicas = _number(args, "data_parallel_size", 1)
    usable = memory * _number(args, "gpu_memory_utilization", _UTILIZATION) - _WORKING_BYTES
    return max(0, int(replicas * (shards * usable - weights) / per_token))


def token_bytes(config: Mapping[str, JsonValue], args: Mapping[str, JsonValue]) -> float | None:
    """Bytes of one token in the cache; None for a model whose attention is of another kind."""
    inner = config.get("text_config")
    said = inner if isinstance(inner, dict) else config
    if said.get("kv_lora_rank") or (said.get("layer_types") and len(set(map(str, said["layer_types"]))) > 1):  # pyright: ignore[reportArgumentType] - a list where it is there
        return None
    layers, heads = said.get("num_hidden_layers"), said.get("num_attention_heads")
    groups, hidden = said.get("num_key_value_heads") or heads, said.get("hidden_size")
    if not (
        isinstance(layers, int)
        and isinstance(heads, int)
        and isinstance(groups, int)
        and isinstance(hidden, int)
    ):
        return None
    size = said.get("head_dim") or hidden / heads
    is_small = str(args.get("kv_cache_dtype", "auto")).startswith(("fp8", "int8"))
    return (
        2 * layers * groups * float(size) * (1 if is_small else 2) if isinstance(size, int | float) else None
    )


def _weights_bytes(folder: Path, model: Model, args: Mapping[str, JsonValue]) -> float | None:
    """Of files that are here as they are; of what vLLM quantises as it loads, and of files elsewhere, by `model.params`."""
    quantised = str(args.get("quantization") or "")
    files = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    if files and not quantised:
        return float(files)
    per_parameter = next((size for name, size in _BYTES.items() if name in quantised), 2.0)
    return model.params * per_parameter if model.params else files or None


def _number(args: Mapping[str, JsonValue], name: str, usual: float) -> float:
    value = args.get(name)
    return value if isinstance(value, int | float) and value > 0 else usual
