# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
"""The replicas of one engine on a cluster: started where there is place, watched, replaced.

A replica's outstanding `collect` is its heartbeat: it returns every second. One that fails is a dead replica, one that
is silent a frozen or cut-off one; both lose what was in flight to the others at once, and are never heard again.
We choose the node ourselves: Ray takes a frozen node for a good one for a minute.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tasks.engines.ray import wire
from tasks.engines.ray.demand import Demand
from tasks.engines.ray.dispatch import MOST_LOSSES, Dispatch, Request
from tasks.engines.ray.replica import Replica, Sent
from warehouse.servers import ServerStats

LOOK_SECONDS = 1.0
"""Between two looks at the cluster: a node that joins has a replica soon after."""
ASK_SECONDS = 20.0
"""How long the cluster's head may take to say which nodes there are, before it is taken for gone."""
FIRST_WORD_SECONDS = 180.0
"""How long the process of a replica may take until it says anything at all; loading the engine is not in it."""
GATHER_SECONDS = 0.005
"""Between hearing what is done and the next call, which takes along what the run sends in its place."""
AVOID_SECONDS = 20.0
"""How long a node on which a replica could not start is left alone; longer each time."""
FROZEN_SECONDS = 75.0
"""The same of a node on which one fell silent: longer than Ray takes to notice."""
LONGEST_AVOID_SECONDS = 600.0
CLOSE_SECONDS, KILL_SECONDS = 20.0, 2.0
_THREADS = 8
"""Calls that an actor takes at once: one collects, the others submit and cancel."""


class ClusterGone(Exception):
    """The cluster's head does not answer."""


@dataclass(slots=True, eq=False)
class Actor:
    """One replica, from its start on."""

    number: int
    handle: Any
    node: str
    has_spoken: bool = False
    is_up: bool = False
    is_collecting: bool = False
    outbox: list[Sent] = field(default_factory=list)
    watcher: "asyncio.Task[None] | None" = None


class _Trouble(NamedTuple):
    until: float
    times: int


class Replicas:
    """All of them, on the driver's loop."""

    def __init__(self, fleet: wire.Fleet, tell: Callable[..., None]) -> None:
        self._fleet, self._tell = fleet, tell
        self._demand = Demand(fleet.gpus, fleet.cpus)
        self._spec = ray.put(fleet.spec)
        self._actors: set[Actor] = set()
        self._dispatch: Dispatch[Actor] = Dispatch()
        self._trouble: dict[str, _Trouble] = {}
        self._refusal = ""
        self._told = (0, 0)
        self._short_since: float | None = None
        self._last_loss = ""
        self._class = ray.remote(Replica)

    # --- what the run asks ---

    def request(self, number: int, payload: bytes, units: int, done: frozenset[int]) -> None:
        """Send a request to the least loaded replica, or as soon as one is up."""
        self._place(Request(number, payload, units, set(done)))

    def cancel(self, number: int) -> None:
        """Forget a request."""
        actor = self._dispatch.ends(number)
        if actor:
            actor.handle.cancel.remote(number)

    async def close(self) -> list[ServerStats]:
        """Close the engines that are up, and end all actors; returns what the engines' servers said."""
        ups = [actor for actor in self._actors if actor.is_up]
        for actor in self._actors:
            if actor.watcher:
                actor.watcher.cancel()
        closing = [actor.handle.close.remote().as_future() for actor in ups]
        told = list[ServerStats]()
        if closing:
            done, _ = await asyncio.wait(closing, timeout=CLOSE_SECONDS)
            for each in done:
                with contextlib.suppress(RayError):
                    told += each.result()
        await self.end()
        return told

    async def end(self) -> None:
        """End all actors at once; those that Ray cannot be told of end when this process has."""
        killing = [asyncio.to_thread(_kill, actor.handle) for actor in self._actors]
        self._actors.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILL_SECONDS):
                await asyncio.gather(*killing)

    # --- the cluster ---

    async def look_after(self) -> None:
        """Keep as many replicas as are wanted, for as long as the cluster answers. Raises ClusterGone."""
        while True:
            nodes, free = await self._nodes()
            self._fill(nodes, free)
            self._judge(nodes)
            await asyncio.sleep(LOOK_SECONDS)

    async def _nodes(self) -> tuple[dict[str, Mapping[str, float]], Mapping[str, Mapping[str, float]]]:
        """What each node that is up has in all, and what of it is free as far as Ray says."""
        try:
            async with asyncio.timeout(ASK_SECONDS):
                nodes = await asyncio.to_thread(ray.nodes)
                free = await asyncio.to_thread(_free)
        except (TimeoutError, RayError, ConnectionError, OSError) as error:
            raise ClusterGone(f"its head has not answered for {ASK_SECONDS:.0f} s") from error
        return {node["NodeID"]: node["Resources"] for node in nodes if node["Alive"]}, free

    def _fill(
        self, nodes: Mapping[str, Mapping[str, float]], free: Mapping[str, Mapping[str, float]]
    ) -> None:
        """Start replicas on the emptiest nodes, as many as are wanted and fit."""
        ours = Counter(actor.node for actor in self._actors)
        now = time.monotonic()
        places = dict[str, int]()
        for node, has in nodes.items():
            if (trouble := self._trouble.get(node)) and now < trouble.until:
                continue
            in_all = self._demand.fits(has.get("GPU", 0), has.get("CPU", 0)) - ours[node]
            left = free.get(node)
            at_once = in_all if left is None else self._demand.fits(left.get("GPU", 0), left.get("CPU", 0))
            places[node] = min(in_all, at_once)
        wanted = self._fleet.replicas
        if wanted is None:  # without a share of anything, one replica per node
            wanted = len(self._actors) + sum(
                place if self._demand.gpus or self._demand.cpus else not ours[node]
                for node, place in places.items()
            )
        while len(self._actors) < wanted and any(place > 0 for place in places.values()):
            node = min((n for n, place in places.items() if place > 0), key=lambda n: (ours[n], -places[n]))
            self._begin(node)
            ours[node] += 1
            places[node] -= 1

    def _begin(self, node: str) -> None:
        taken = {actor.number for actor in self._actors}
        number = next(n for n in range(len(taken) + 1) if n not in taken)
        handle = self._class.options(
            num_cpus=self._demand.cpus,
            num_gpus=self._demand.gpus,
            max_concurrency=_THREADS,
            max_restarts=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        ).remote(self._spec, number)
        actor = Actor(number, handle, node)
        self._actors.add(actor)
        actor.watcher = asyncio.create_task(self._watch(actor))

    def _judge(self, nodes: Mapping[str, Mapping[str, float]]) -> None:
        """End the run's waiting where no replica can come up, or none has for too long."""
        if self._dispatch.members:
            self._short_since = None
            return
        if self._refusal and not any(not actor.is_up for actor in self._actors):
            self._tell("failed", self._refusal)
            return
        if self._actors:
            return
        now = time.monotonic()
        self._short_since = self._short_since or now
        seconds = self._fleet.patience_seconds
        if now - self._short_since < seconds:
            return
        where = f"the Ray cluster at {self._fleet.address}"
        if not any(self._demand.fits(has.get("GPU", 0), has.get("CPU", 0)) for has in nodes.values()):
            self._tell(
                "failed",
                f"no node of {where} has {self._demand} for a replica, and none has come for {seconds:.0f} s "
                "(engine.ray.patience_seconds).",
            )
        elif self._trouble:
            self._tell("failed", f"no replica could be kept up on {where}: {self._last_loss}.")
        else:
            self._tell("say", f"Others use all of {where}; waiting for {self._demand}.")
            self._short_since = now

    # --- one replica ---

    async def _watch(self, actor: Actor) -> None:
        """Collect what it says until it is lost."""
        silence = self._fleet.silence_seconds
        while True:
            limit = silence if actor.has_spoken else FIRST_WORD_SECONDS
            try:
                requests, actor.outbox = actor.outbox, []
                collecting = actor.handle.collect.remote(requests).as_future()
                actor.is_collecting = True
                async with asyncio.timeout(limit):
                    events = await collecting
            except TimeoutError:
                self._avoid(actor.node, FROZEN_SECONDS)
                self._lose(actor, f"has said nothing for {limit:.0f} s")
                return
            except RayError as error:
                if getattr(error, "actor_init_failed", False):
                    self._refusal = (
                        f"a replica's process on a node of Ray could not load A2R: {_last_line(error)}. Every node needs "
                        "the same A2R and engine as the run, in the environment that its Ray runs in."
                    )
                if not actor.is_up:
                    self._avoid(actor.node)
                self._lose(actor, f"is gone ({type(error).__name__})")
                return
            actor.has_spoken, actor.is_collecting = True, False
            for event in events:
                self._hear(actor, *event)
            if actor not in self._actors:
                return
            if events:
                await asyncio.sleep(GATHER_SECONDS)

    def _hear(self, actor: Actor, what: str, *rest: Any) -> None:  # noqa: ANN401 - as `Event` says
        if actor not in self._actors:
            return
        match what:
            case "up":
                actor.is_up = True
                self._trouble.pop(actor.node, None)
                concurrency, group, ahead = rest
                for target, request in self._dispatch.joins(actor, concurrency, group, ahead):
                    self._send(target, request)
                self._tell_size()
            case "outcome":
                number, place, outcome = rest
                if self._dispatch.heard(actor, number, place):
                    self._tell("outcome", number, place, outcome)
            case "done":
                [number] = rest
                if self._dispatch.at(actor, number):
                    self._dispatch.ends(number)
                    self._tell("done", number)
            case _:
                self._broke(actor, what, *rest)

    def _broke(self, actor: Actor, what: str, number: int | None, why: str) -> None:
        """Its engine could not start, or cannot go on."""
        if number is None:
            self._refusal = why
            self._avoid(actor.node)
            if what == "defect":
                self._tell("defect", None, why)
            self._lose(actor, f"could not start: {why.splitlines()[-1]}")
            return
        request = self._dispatch.at(actor, number)
        if request is None:
            return
        request.refusals += 1
        if what == "defect" or request.refusals > 1:
            self._dispatch.ends(number)
            self._tell(what, number, why)
            return
        self._lose(actor, f"broke: {why}")

    def _lose(self, actor: Actor, why: str) -> None:
        """Send what was in flight there to others; what it still says is not heard."""
        self._actors.discard(actor)
        asyncio.get_running_loop().run_in_executor(None, _kill, actor.handle)
        requests = self._dispatch.leaves(actor)
        self._last_loss = f"replica {actor.number} on node {actor.node[:8]} {why}"
        again = f"; {len(requests)} requests are sent to others" if requests else ""
        self._tell("say", f"Ray: {self._last_loss}{again}.")
        self._tell_size()
        for request in requests:
            if request.losses >= MOST_LOSSES:
                self._tell("lost", request.number, request.losses)
            else:
                self._place(request)

    def _avoid(self, node: str, seconds: float = AVOID_SECONDS) -> None:
        times = self._trouble[node].times + 1 if node in self._trouble else 1
        seconds = min(LONGEST_AVOID_SECONDS, seconds * 2 ** (times - 1))
        self._trouble[node] = _Trouble(time.monotonic() + seconds, times)

    # --- sending ---

    def _place(self, request: Request) -> None:
        placed = self._dispatch.place(request)
        if placed:
            self._send(*placed)

    def _send(self, actor: Actor, request: Request) -> None:
        """With whatever else goes there: one call for many requests, the next `collect` where that is due."""
        if not actor.outbox and actor.is_collecting:
            asyncio.get_running_loop().call_soon(self._flush, actor)
        actor.outbox.append((request.number, request.payload, frozenset(request.done)))

    def _flush(self, actor: Actor) -> None:
        requests, actor.outbox = actor.outbox, []
        if requests and actor in self._actors:
            actor.handle.submit.remote(requests)

    def _tell_size(self) -> None:
        size = (self._dispatch.concurrency, self._dispatch.group)
        if size != self._told and size[0]:
            self._told = size
            self._tell("up", *size, len(self._dispatch.members))


def _kill(handle: Any) -> None:  # noqa: ANN401 - Ray's
    """It waits for the cluster's head, which may be gone."""
    with contextlib.suppress(RayError):
        ray.kill(handle)


def _free() -> Mapping[str, Mapping[str, float]]:
    """What is free on each node; nothing from outside a cluster, where Ray does not say."""
    from ray._private.state import available_resources_per_node  # noqa: PLC0415 - nothing public says it

    try:
        return available_resources_per_node()
    except (RuntimeError, RayError):
        return {}


def _last_line(error: Exception) -> str:
    return str(error).strip().rsplit("\n", 1)[-1][:300] or type(error).__name__
