"""The kind `onnx`: a small model on this machine's CPU, known by its folder's bytes."""

import hashlib
from functools import lru_cache
from pathlib import Path

from configs.engines import OnnxSettings
from configs.models import Model
from tasks.engines.protocol import (
    Engine,
    EngineError,
    EngineKind,
    always_quick,
    by_settings,
    claims_nothing,
    no_context_setting,
)
from tasks.engines.weights import MODELS, positions

FILES = (
    "model.onnx",
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
)


def model_folder(model: Model, settings: OnnxSettings) -> Path:
    """Where the model lies. Raises EngineError naming what is missing."""
    folder = Path(settings.path) if settings.path else MODELS / model.id
    if not folder.is_dir():
        shipped = ", ".join(sorted(entry.name for entry in MODELS.iterdir() if entry.is_dir()))
        raise EngineError(
            f"{folder} is no folder with a model; set engine.path to one, or model.id to a shipped model: {shipped}."
        )
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise EngineError(
            f"{folder} lacks {', '.join(missing)}; model.onnx is made from a Qwen3 checkpoint by "
            "`python -m tasks.research.training.onnx_export FOLDER`."
        )
    return folder


@lru_cache(maxsize=32)
def weights_digest(folder: Path) -> str:
    """Identity of a model folder: graph, weights, tokenizer, chat format and ends, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()[:16]


def _build(model: Model, settings: OnnxSettings) -> Engine:
    from tasks.engines.onnx.engine import OnnxEngine  # noqa: PLC0415 - onnxruntime, for those alone who use it

    return OnnxEngine(model, settings)


def _check(model: Model, settings: OnnxSettings) -> None:
    model_folder(model, settings)


def _identify(model: Model, settings: OnnxSettings) -> str | None:
    return weights_digest(model_folder(model, settings)) if model.revision is None else model.revision


def _weights(model: Model, settings: OnnxSettings) -> str:
    return str(model_folder(model, settings))


def _context(model: Model, settings: OnnxSettings) -> int | None:
    return positions(_weights(model, settings), model)


ONNX = EngineKind(
    settings=OnnxSettings,
    build=_build,
    check=_check,
    starts_quickly=always_quick,
    identify=_identify,
    weights=_weights,
    context=_context,
    context_setting=no_context_setting,
    largest_shard=lambda settings: 16 * settings.batch_size,
    claims=claims_nothing,
    process=by_settings,
)
