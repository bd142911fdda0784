"""What a cluster is, seen from `a2r check`: its nodes, and how many replicas find place. Nothing is started on it."""

from typing import NamedTuple

from configs.engines import EngineSettings
from tasks.engines.protocol import EngineError
from tasks.engines.ray import wire
from tasks.engines.ray.demand import MANY, demand_of, place_for
from tasks.engines.ray.engine import Driver, fleet_of, unreachable

LOOK_SECONDS = 45.0


class Placement(NamedTuple):
    """Where the replicas of an engine would be."""

    text: str
    """For people."""
    fits: int | None
    """Replicas that find place, at most as many as are wanted; None: a cluster that the run starts decides."""


def placement_of(engine: EngineSettings) -> Placement:
    """Ask the cluster. Raises EngineError where it cannot be reached or has no place for one replica."""
    demand, address, wanted = demand_of(engine), engine.cluster.address, engine.replicas
    if address == "local":
        return Placement(f"{wanted} replicas on a Ray cluster on this machine, each with {demand}", None)
    nodes = _nodes(engine)
    there = place_for(demand, ((node.gpus, node.cpus) for node in nodes))
    has = f"{len(nodes)} node{'s' * (len(nodes) != 1)} of Ray at {address}"
    if not there:
        most = max(((node.gpus, node.cpus) for node in nodes), default=(0, 0))
        raise EngineError(
            f"each replica takes {demand}, but no node of the {has} has that (the largest: {most[0]:g} GPUs and "
            f"{most[1]:g} cores); set engine.ray.gpus and engine.ray.cpus, or lower the engine's parallelism."
        )
    num = len(nodes) if there >= MANY else there
    if wanted == "auto":
        return Placement(f"{num} replicas on {has}, each with {demand}", num)
    fits = min(wanted, there)
    short = "" if fits == wanted else f"; {wanted - fits} more wait for nodes that join"
    return Placement(f"{fits} of {wanted} replicas on {has}, each with {demand}{short}", fits)


def _nodes(engine: EngineSettings) -> list[wire.Node]:
    driver = Driver()
    try:
        driver.socket.settimeout(LOOK_SECONDS)
        driver.socket.sendall(wire.packed((fleet_of(None, engine, driver.folder),)))
        match wire.received_now(driver.socket):
            case ("nodes", nodes):
                return nodes
            case ("unreachable", str(text)):
                raise EngineError(unreachable(engine.cluster.address, text))
            case _:
                raise EngineError(unreachable(engine.cluster.address, driver.last_words() or "it ended"))
    except TimeoutError as error:
        text = f"no answer for {LOOK_SECONDS:.0f} s"
        raise EngineError(unreachable(engine.cluster.address, text)) from error
    finally:
        driver.end()
