"""The kinds of engines, and how the one that an experiment names is found."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from configs.engines import CustomSettings, EngineSettings
from configs.loading import validated
from configs.schema import ConfigModel
from tasks.engines.custom import kind_at
from tasks.engines.onnx.kind import ONNX
from tasks.engines.openai.kind import OPENAI
from tasks.engines.protocol import EVERY_GPU, EngineKind
from tasks.engines.replay.kind import REPLAY
from tasks.engines.vllm.kind import VLLM

KINDS: Mapping[str, EngineKind[Any]] = {"onnx": ONNX, "openai": OPENAI, "vllm": VLLM, "replay": REPLAY}


class Resolved(NamedTuple):
    """A kind and the settings that its functions take."""

    kind: EngineKind[Any]
    settings: ConfigModel


def resolved(engine: EngineSettings) -> Resolved:
    """What an experiment's `engine` means. Raises UserError for a kind from outside that is not there or its settings."""
    if isinstance(engine, CustomSettings):
        kind = kind_at(engine)
        return Resolved(kind, validated(kind.settings, engine.options, "engine"))
    return Resolved(KINDS[engine.kind], engine)


def is_same_process(one: EngineSettings, other: EngineSettings) -> bool:
    """Whether two engines of the same model are one process here."""
    ours, theirs = resolved(one), resolved(other)
    return ours.kind is theirs.kind and ours.kind.process(ours.settings) == theirs.kind.process(
        theirs.settings
    )


def share_hardware(one: EngineSettings, other: EngineSettings) -> bool:
    """Whether both engines want the same accelerator or port here, so that one must go before the other comes."""
    ours, theirs = (engine.kind.claims(engine.settings) for engine in (resolved(one), resolved(other)))
    if EVERY_GPU in ours | theirs:
        return any(c.startswith("gpu") for c in ours) and any(c.startswith("gpu") for c in theirs)
    return bool(ours & theirs)
