"""A model's folder: which files it has, and the digest by which its weights are known."""

import hashlib
from functools import lru_cache
from pathlib import Path

from configs.engines import OnnxSettings
from configs.models import Model
from tasks.engines.protocol import EngineError
from tasks.engines.weights import MODELS

FILES = (
    "model.onnx",
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
)


def model_folder(model: Model, settings: OnnxSettings) -> Path:
    """Where the model is. Raises EngineError naming what is missing."""
    folder = Path(settings.path) if settings.path else MODELS / model.id
    if not folder.is_dir():
        shipped = ", ".join(sorted(entry.name for entry in MODELS.iterdir() if entry.is_dir()))
        raise EngineError(
            f"{folder} is not a folder with a model; set engine.path to one, or model.id to a shipped model: {shipped}."
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
