"""The kind `onnx`: a small model on this machine's CPU, known by its folder's bytes."""

from configs.engines import OnnxSettings
from configs.models import Model
from tasks.engines.onnx.model_folder import model_folder, weights_digest
from tasks.engines.protocol import (
    Engine,
    EngineKind,
    always_quick,
    by_settings,
    claims_nothing,
    no_context_setting,
)
from tasks.engines.weights import positions


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
