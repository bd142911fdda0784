"""What one replica takes of a cluster, and how many of them fit."""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pydantic import JsonValue

from configs.engines import EngineSettings, OpenAISettings, VllmSettings
from tasks.engines.protocol import EVERY_GPU
from tasks.engines.resolving import resolved_here

_PARALLEL = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")


class Demand(NamedTuple):
    """Of one replica."""

    gpus: float
    cpus: float

    def fits(self, gpus: float, cpus: float) -> int:
        """How many replicas find place in so much; many where they take nothing."""
        wanted = ((self.gpus, gpus), (self.cpus, cpus))
        counts = [math.floor(there / each + 1e-9) for each, there in wanted if each]
        return max(0, min(counts)) if counts else MANY

    def __str__(self) -> str:
        """For people: `2 GPUs and 1 core`."""
        gpus = [f"{self.gpus:g} GPU{'s' * (self.gpus != 1)}"] if self.gpus else []
        return " and ".join([*gpus, f"{self.cpus:g} core{'s' * (self.cpus != 1)}"])


MANY = 1_000_000


def demand_of(engine: EngineSettings) -> Demand:
    """The settings' own word, else the GPUs that the engine's parallelism needs."""
    cluster = engine.cluster
    return Demand(_gpus(engine) if cluster.gpus is None else cluster.gpus, cluster.cpus)


def place_for(demand: Demand, nodes: Iterable[tuple[float, float]]) -> int:
    """How many replicas find place on empty nodes of so many GPUs and cores each; a replica is on one node."""
    return sum(demand.fits(gpus, cpus) for gpus, cpus in nodes)


def _gpus(engine: EngineSettings) -> float:
    if isinstance(engine, VllmSettings):
        return _parallel(engine.args)
    if isinstance(engine, OpenAISettings) and engine.serve:
        gpus = engine.serve.gpus
        return len(gpus) if gpus is not None else _parallel(engine.serve.options)
    kind, settings = resolved_here(engine)
    claims = kind.claims(settings)
    return 1 if EVERY_GPU in claims else sum(claim.startswith("gpu ") for claim in claims)


def _parallel(args: Mapping[str, JsonValue]) -> float:
    """VLLM's own Ray executor reserves GPUs by itself, on as many nodes as it needs."""
    if args.get("distributed_executor_backend") == "ray":
        return 0
    return math.prod(int(str(args.get(name) or 1)) for name in _PARALLEL)
