"""The kind of every engine with `on: ray`: its replicas' own kind, at work on the nodes of a cluster.

What identifies the weights is asked of the replicas' kind, here as anywhere, so a recipe knows nothing of Ray.
"""

from importlib.util import find_spec

from configs.engines import EngineSettings
from configs.models import Model
from configs.schema import ConfigModel
from tasks.engines.protocol import EVERY_GPU, Engine, EngineAbsent, EngineKind, by_settings
from tasks.engines.ray.demand import demand_of
from tasks.engines.resolving import resolved_here


class OnRay(ConfigModel):
    """An engine whose replicas are on Ray."""

    engine: EngineSettings


def _build(model: Model, settings: OnRay) -> Engine:
    from tasks.engines.ray.engine import RayEngine  # noqa: PLC0415 - as all kinds do it

    return RayEngine(model, settings.engine)


def _check(model: Model, settings: OnRay) -> None:
    """Here nothing but Ray is needed; what its own kind needs, the nodes have, which are this machine if it is `local`."""
    spec = find_spec("ray")
    if spec is None or spec.origin is None:
        raise EngineAbsent(
            "engine.on is ray, but Ray is not installed here; install the extra: pip install 'a2r[ray]', or beside a "
            "checkout: .venv/bin/uv pip install --python .venv/bin/python -r requirements-ray.lock."
        )
    kind, inner = resolved_here(settings.engine)
    try:
        kind.check(model, inner)
    except EngineAbsent:
        if settings.engine.cluster.address == "local":
            raise


def _claims(settings: OnRay) -> frozenset[str]:
    """The cluster, if replicas reserve anything of it: two stages that both want all of it would wait for each other."""
    demand, address = demand_of(settings.engine), settings.engine.cluster.address
    held = [f"ray {address}"] if demand.gpus or demand.cpus else []
    return frozenset([*held, EVERY_GPU] if demand.gpus and address == "local" else held)


def _largest_shard(settings: OnRay) -> int:
    kind, inner = resolved_here(settings.engine)
    replicas = settings.engine.replicas
    return kind.largest_shard(inner) * (replicas if isinstance(replicas, int) else 1)


def _identify(model: Model, settings: OnRay) -> str | None:
    kind, inner = resolved_here(settings.engine)
    return kind.identify(model, inner)


def _weights(model: Model, settings: OnRay) -> str:
    kind, inner = resolved_here(settings.engine)
    return kind.weights(model, inner)


def _context(model: Model, settings: OnRay) -> int | None:
    kind, inner = resolved_here(settings.engine)
    return kind.context(model, inner)


def _context_setting(settings: OnRay) -> str | None:
    kind, inner = resolved_here(settings.engine)
    return kind.context_setting(inner)


RAY = EngineKind(
    settings=OnRay,
    build=_build,
    check=_check,
    starts_quickly=lambda _: False,
    identify=_identify,
    weights=_weights,
    context=_context,
    context_setting=_context_setting,
    largest_shard=_largest_shard,
    claims=_claims,
    process=by_settings,
)
