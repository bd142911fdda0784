"""The kind `replay`: recorded outputs in place of a model, known by the recording's bytes."""

import hashlib
from functools import lru_cache
from pathlib import Path

from configs.engines import ReplaySettings
from configs.models import Model
from tasks.engines.protocol import (
    Engine,
    EngineError,
    EngineKind,
    accepts_all,
    always_quick,
    by_settings,
    claims_nothing,
    no_context_setting,
)
from tasks.engines.weights import positions, shipped_or_hub

LARGEST_SHARD = 4096


def recording_digest(settings: ReplaySettings) -> str:
    """Identity of a recording, 16 hexadecimal digits: its bytes and which columns are read."""
    from tasks.engines.replay.recorded_outputs import columns_of  # noqa: PLC0415

    return _digest(settings.path, "\n".join(columns_of(settings).values()))


@lru_cache(maxsize=32)
def _digest(path: str, columns: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {error.strerror}; correct engine.path.") from error
    return hashlib.sha256(content + columns.encode()).hexdigest()[:16]


def _build(model: Model, settings: ReplaySettings) -> Engine:
    from tasks.engines.replay.engine import ReplayEngine  # noqa: PLC0415 - pyarrow, for those alone who use it

    return ReplayEngine(model, settings)


def _identify(model: Model, settings: ReplaySettings) -> str | None:
    return recording_digest(settings) if model.revision is None else model.revision


REPLAY = EngineKind(
    settings=ReplaySettings,
    build=_build,
    check=accepts_all,
    starts_quickly=always_quick,
    identify=_identify,
    weights=lambda model, _: shipped_or_hub(model.id),
    context=lambda model, _: positions(shipped_or_hub(model.id), model),
    context_setting=no_context_setting,
    largest_shard=lambda _: LARGEST_SHARD,
    claims=claims_nothing,
    process=by_settings,
)
