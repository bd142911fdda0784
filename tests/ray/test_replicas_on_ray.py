"""Replicas on real Ray nodes: they share the work, come and go with the cluster, and nothing is lost or doubled."""

import asyncio
import json
import os
import pickle
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

if (spec := find_spec("ray")) is None or spec.origin is None:
    pytest.skip("Ray is not installed here; `make test-ray` builds an environment", allow_module_level=True)

from endpoints.on_ray import Driven, settings_of, traces
from endpoints.ray_nodes import RayCluster, free_port, listening
from endpoints.slow_engine import lines

from tasks.engines.protocol import EngineError, Failure
from tasks.engines.ray.look import placement_of

A2R = str(Path(sys.executable).with_name("a2r"))
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def cluster():
    with RayCluster(2, 2) as made:
        yield made


def driven(settings, work):
    """Run `work(driven)` on an engine that is started before and closed behind it."""

    async def whole():
        made = Driven(settings)
        try:
            await made.engine.start()
            await work(made)
        finally:
            await made.engine.close()
        return made

    return asyncio.run(whole())


def test_replicas_load_once_share_the_work_and_deliver_each_sample_once(cluster, tmp_path):
    async def work(made):
        await made.up(4)
        await made.ask(60)
        await made.ask(60, first=60)

    made = driven(settings_of(tmp_path, cluster.address, 4, seconds=0.05), work)
    assert made.is_whole and len(made.delivered) == 120
    assert len(lines(tmp_path, "starts")) == 4
    assert len(lines(tmp_path, "samples")) == 120
    shares = [len(path.read_text().splitlines()) for path in tmp_path.glob("samples-*")]
    assert len(shares) == 4 and min(shares) >= 15


def test_a_node_that_joins_has_a_replica_soon_and_one_that_is_killed_loses_only_what_was_in_flight(
    cluster, tmp_path
):
    async def work(made):
        await made.up(4)
        asking = asyncio.create_task(made.ask(200))
        node = await asyncio.to_thread(cluster.join, 2)
        joined = time.monotonic()
        await made.up(6, seconds=60)
        seconds_until_it_works = time.monotonic() - joined
        assert seconds_until_it_works < 10
        await made.until(lambda: len(made.delivered) > 60)
        in_flight = sum(call.units for call in made.engine._calls.values())
        await asyncio.to_thread(node.kill)
        cluster.nodes.remove(node)
        await asking
        made.again = len(lines(tmp_path, "samples")) - 200
        assert 0 <= made.again <= in_flight

    settings = settings_of(tmp_path, cluster.address, 6, ray={"cpus": 1}, seconds=0.2)
    made = driven(settings, work)
    assert made.is_whole and len(made.delivered) == 200


def test_what_was_in_flight_on_a_frozen_node_is_sent_elsewhere_and_its_late_answers_are_not_heard(
    cluster, tmp_path
):
    node = cluster.join(2)

    async def work(made):
        await made.up(6)
        asking = asyncio.create_task(made.ask(120))
        await made.until(lambda: len(made.delivered) > 20)
        node.freeze()
        frozen = time.monotonic()
        await asking
        assert time.monotonic() - frozen < 60
        node.wake()
        await asyncio.sleep(3)

    try:
        settings = settings_of(
            tmp_path, cluster.address, 6, ray={"cpus": 1, "silence_seconds": 5}, seconds=0.2
        )
        made = driven(settings, work)
    finally:
        node.wake()
        node.kill()
        cluster.nodes.remove(node)
    assert made.is_whole and len(made.delivered) == 120
    assert len(lines(tmp_path, "samples")) <= 120 + 12


def test_a_driver_that_is_killed_is_replaced_and_everything_is_answered_once(cluster, tmp_path):
    async def work(made):
        await made.up(2)
        asking = asyncio.create_task(made.ask(80))
        await made.until(lambda: len(made.delivered) > 10)
        made.engine._driver._process.kill()
        await asking

    made = driven(settings_of(tmp_path, cluster.address, seconds=0.1), work)
    assert made.is_whole and len(made.delivered) == 80
    assert len(lines(tmp_path, "samples")) <= 80 + 4, "two replicas, each with one at work and one that waits"


def test_a_prompt_that_ends_every_process_it_meets_fails_alone(cluster, tmp_path):
    async def work(made):
        await made.ask(12)

    made = driven(settings_of(tmp_path, cluster.address, seconds=0.02, crashes="q5"), work)
    failed = made.outcomes.pop(5)
    assert isinstance(failed, Failure) and "5 replicas" in failed.message
    assert made.is_whole and len(made.outcomes) == 11


def test_an_engine_that_cannot_start_says_so_once(cluster, tmp_path):
    with pytest.raises(EngineError, match="there are no such weights"):
        driven(settings_of(tmp_path, cluster.address, refuses="there are no such weights."), None)


def test_a_cluster_that_is_not_there_is_told_within_seconds(tmp_path):
    address = f"127.0.0.1:{free_port()}"
    began = time.monotonic()
    with pytest.raises(EngineError, match=f"engine.ray.address is {address}"):
        driven(settings_of(tmp_path, address), None)
    with pytest.raises(EngineError, match=f"engine.ray.address is {address}"):
        placement_of(settings_of(tmp_path, address))
    assert time.monotonic() - began < 30


def test_a_check_says_how_many_replicas_find_place(cluster, tmp_path):
    assert "3 of 3 replicas on 2 nodes" in placement_of(settings_of(tmp_path, cluster.address, 3)).text
    fits = placement_of(settings_of(tmp_path, cluster.address, 9, ray={"cpus": 1}))
    assert fits.fits == 4 and "5 more wait for nodes that join" in fits.text
    with pytest.raises(EngineError, match="each replica takes 8 GPUs"):
        placement_of(settings_of(tmp_path, cluster.address, ray={"gpus": 8}))


def run(root, *settings, check=0):
    """`a2r run` of the quickstart's first problems."""
    told = [word for setting in settings for word in ("--set", setting)]
    command = [A2R, "run", "quickstart", "--limit", "40", "--root", str(root), "--json", *told]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == check, done.stderr[-4000:]
    return json.loads(done.stdout) if check == 0 else done.stderr


def on_ray(**ray):
    told = [f"ray.{name}={value}" for name, value in ray.items()]
    return [
        f"{role}.engine.{setting}"
        for role in ("explorer", "synthesizer")
        for setting in ("on=ray", "replicas=2", *told)
    ]


def test_a_store_made_on_ray_equals_one_made_here_trace_for_trace(cluster, tmp_path):
    here = run(tmp_path / "here")
    there = run(tmp_path / "ray", *on_ray(address=cluster.address))
    ours, theirs = traces(tmp_path / "here"), traces(tmp_path / "ray")
    assert len(ours) == 240 and theirs == ours
    assert here["metrics"] == there["metrics"]
    again = run(tmp_path / "here", *on_ray(address=f"127.0.0.1:{free_port()}"))
    assert again["stages"]["explore"]["generated"] == 0, "where the replicas are is in no key"


def test_a_local_cluster_stays_on_loopback_and_leaves_nothing_when_its_run_is_killed(tmp_path):
    settings = settings_of(tmp_path / "notes", "local", ray={"cpus": 0})
    script = f"""
import asyncio, pickle, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from endpoints.on_ray import Driven
async def main():
    made = Driven(pickle.loads({pickle.dumps(settings)!r}))
    await made.engine.start()
    print(made.engine._driver.folder, flush=True)
    await made.ask(100000)
asyncio.run(main())
"""
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    folder = Path(run.stdout.readline().strip())
    held = psutil.Process(run.pid).children(recursive=True)
    assert folder.is_dir() and len(held) > 5
    assert listening(held) == set()
    run.kill()
    run.wait()
    until = time.monotonic() + 10
    while (any(p.is_running() for p in held) or folder.exists()) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [p for p in held if p.is_running()] and not folder.exists()
