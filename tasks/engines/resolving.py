"""The kind of engine that an experiment names, and what two engines have in common."""

from typing import Any, NamedTuple

from configs.engines import KINDS, CustomSettings, EngineSettings
from configs.loading import validated
from configs.placement import is_on_ray
from configs.schema import ConfigModel
from tasks.engines.address import kind_at
from tasks.engines.protocol import EVERY_GPU, EngineKind

ON_RAY = "tasks.engines.ray.kind:RAY"


class Resolved(NamedTuple):
    """A kind and the settings that its functions take."""

    kind: EngineKind[Any]
    settings: ConfigModel


def resolved(engine: EngineSettings) -> Resolved:
    """What an experiment's `engine` means. Raises UserError for a kind from outside that is not there or its settings."""
    if is_on_ray(engine):
        kind = kind_at(ON_RAY)
        return Resolved(kind, kind.settings(engine=engine))
    return resolved_here(engine)


def resolved_here(engine: EngineSettings) -> Resolved:
    """The same of one replica of it, wherever that works."""
    if isinstance(engine, CustomSettings):
        kind = kind_at(engine.kind, engine.import_from)
        return Resolved(kind, validated(kind.settings, engine.options, "engine"))
    return Resolved(kind_at(KINDS[engine.kind]), engine)


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
