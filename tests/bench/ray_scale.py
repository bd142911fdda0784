"""A latency-bound engine (200 ms a sample) on 1 to 64 replicas on two real Ray nodes: how near to the ideal span.

    .venv-ray/bin/python tests/bench/ray_scale.py [--replicas 1 2 4 8 16 32 64] [--rounds 40]

Each replica answers one sample at a time; the ideal is `rounds` × 200 ms. Printed too: the same of the least that Ray can do
(as many plain actors that sleep, one call after the other to each, a reply of 2 KB), and how often an engine was loaded.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from endpoints.on_ray import Driven, settings_of
from endpoints.ray_nodes import RayCluster
from endpoints.slow_engine import lines

from tasks.engines.ray.driver import STAY_ON_LOOPBACK, SURROUNDINGS

SECONDS = 0.2
REPLY_BYTES = 2048


async def measured(address, notes, replicas, rounds):
    """Seconds until all replicas are up, and the span of the requests."""
    made = Driven(settings_of(notes, address, replicas, seconds=SECONDS))
    began = time.monotonic()
    try:
        await made.engine.start()
        await made.up(replicas, seconds=600)
        up = time.monotonic() - began
        await made.ask(replicas * rounds)
    finally:
        await made.engine.close()
    assert made.is_whole and len(made.delivered) == replicas * rounds
    return up, made.ended - made.began


def bare_span(address, replicas, rounds):
    """The span of plain actors, measured in a process of its own, which Ray is in."""
    command = [sys.executable, __file__, "--bare", address, str(replicas), str(rounds)]
    surroundings = os.environ | SURROUNDINGS | STAY_ON_LOOPBACK
    return float(subprocess.check_output(command, text=True, env=surroundings).split()[-1])


def bare(address, replicas, rounds):
    """Print how long plain actors of that cluster take for the same."""
    import ray

    ray.init(address=address, log_to_driver=False, logging_level="error")
    actors = [ray.remote(Sleeper).options(num_cpus=0).remote() for _ in range(replicas)]
    ray.get([actor.work.remote(0.0) for actor in actors])

    async def ask(actor):
        for _ in range(rounds):
            await actor.work.remote(SECONDS)

    async def ask_all():
        await asyncio.gather(*map(ask, actors))

    began = time.monotonic()
    asyncio.run(ask_all())
    print(time.monotonic() - began)


class Sleeper:
    """An actor that takes its time."""

    def work(self, seconds):
        """A reply after so many seconds."""
        time.sleep(seconds)
        return bytes(REPLY_BYTES)


def main():
    """Print a row per number of replicas."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--bare", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        address, replicas, rounds = options.bare
        bare(address, int(replicas), int(rounds))
        return
    print("replicas  up after  span   span/ideal  bare Ray/ideal  loads  samples asked")
    with RayCluster(32, 32) as cluster, tempfile.TemporaryDirectory() as name:
        for replicas in options.replicas:
            notes = Path(name) / str(replicas)
            up, span = asyncio.run(measured(cluster.address, notes, replicas, options.rounds))
            ideal = options.rounds * SECONDS
            least = bare_span(cluster.address, replicas, options.rounds) / ideal
            loads, samples = len(lines(notes, "starts")), len(lines(notes, "samples"))
            print(
                f"{replicas:>8}  {up:>7.1f}s  {span:>5.1f}s  {span / ideal:>9.3f}  {least:>14.3f}  {loads:>5}  {samples:>6}",
                flush=True,
            )


if __name__ == "__main__":
    main()
