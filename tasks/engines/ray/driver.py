# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
"""The process that is Ray's driver for one engine of one run.

    python -m tasks.engines.ray.driver SOCKET

Ray is in this process and not in the run's: it installs signal handlers, keeps threads that hold up an exit, and ends the
process that it is in when the cluster's head is gone. The run speaks with it over SOCKET, a file descriptor, and
starts another one if it dies. It ends when the run's end of the socket is closed, and never stops what it did not start.
"""

import asyncio
import contextlib
import logging
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.engines.ray import wire

if TYPE_CHECKING:
    from tasks.engines.ray.fleet import Replicas

Tell = Callable[..., None]
"""Sends a message to the run."""
CONNECT_SECONDS = 5.0
ATTACH_SECONDS, LOCAL_SECONDS = 40.0, 300.0
"""How long Ray may take to connect, and to start a cluster on a busy machine."""
STORE_BYTES = 80_000_000
"""Shared memory of a cluster of our own: requests and replies are small."""
LEASH_SECONDS = 10.0
"""Within which the leash ends a cluster of our own and this process at one stroke: Ray's agents outlive a raylet that ends
first."""
LOOPBACK = "127.0.0.1"
SURROUNDINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_worker_register_timeout_seconds": "300",  # of a busy machine
    "RAY_enable_metrics_collection": "0",
    "RAY_worker_niceness": "0",  # a replica is the work itself, not what waits behind others
}
STAY_ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""The switch that keeps Ray on loopback where it has no clusters; without it Ray turns 127.0.0.1 into the network's
address."""


async def main(descriptor: int) -> None:
    """Serve the run until it closes the socket or the cluster is gone."""
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))

    def tell(*message: Any) -> None:  # noqa: ANN401 - as the run reads them
        writer.write(wire.packed(message))

    first = await wire.received(reader)
    if first is None:
        return
    fleet: wire.Fleet = first[0]
    try:
        async with asyncio.timeout(LOCAL_SECONDS if fleet.address == "local" else ATTACH_SECONDS):
            await asyncio.to_thread(connect, fleet)
    except TimeoutError:
        tell("unreachable", "no answer in time")
        await writer.drain()
        return
    except Exception as error:  # noqa: BLE001 - Ray raises many; the run says where it could not connect
        tell("unreachable", f"{type(error).__name__}: {' '.join(str(error).split())[:400]}")
        await writer.drain()
        return
    if fleet.spec is None:
        tell("nodes", await asyncio.to_thread(nodes))
        await writer.drain()
        return
    await _serve(fleet, reader, writer, tell)


async def _serve(
    fleet: wire.Fleet, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tell: Tell
) -> None:
    from tasks.engines.ray.fleet import ClusterGone, Replicas  # noqa: PLC0415 - after the environment is set

    replicas = Replicas(fleet, tell)
    looking = asyncio.create_task(replicas.look_after())
    reading = asyncio.create_task(_heed(replicas, reader, tell))
    await asyncio.wait({looking, reading}, return_when=asyncio.FIRST_COMPLETED)
    if looking.done():
        with contextlib.suppress(ClusterGone):
            looking.result()
    else:
        reading.result()
        looking.cancel()
    await replicas.end()
    with contextlib.suppress(OSError):
        await writer.drain()
    if fleet.address == "local" and reading.done():
        await asyncio.sleep(LEASH_SECONDS)


async def _heed(replicas: "Replicas", reader: asyncio.StreamReader, tell: Tell) -> None:
    """Do what the run says until it says close, or is gone."""
    while message := await wire.received(reader):
        match message:
            case ("request", number, payload, units, done):
                replicas.request(number, payload, units, done)
            case ("cancel", number):
                replicas.cancel(number)
            case _:
                tell("closed", await replicas.close())
                return


def connect(fleet: wire.Fleet) -> None:
    """Start a cluster on loopback, or connect to one. Raises what Ray raises, OSError for an address nobody listens at."""
    os.environ.update(SURROUNDINGS)
    address = fleet.address
    if address == "local" or _is_on_loopback(address):
        os.environ.update(STAY_ON_LOOPBACK)
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
            pass
    import ray  # noqa: PLC0415 - seconds, and reads the environment as it is imported

    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": f"a2r-{os.getpid()}"}
    if address == "local":
        ray.init(
            address="local",
            include_dashboard=False,
            object_store_memory=STORE_BYTES,
            _node_ip_address=LOOPBACK,
            _temp_dir=fleet.folder,
            **quiet,
        )
    else:
        ray.init(address=address, **quiet)


def nodes() -> list[wire.Node]:
    """What the cluster has."""
    import ray  # noqa: PLC0415 - connected already

    return [
        wire.Node(
            node["NodeManagerHostname"],
            node["Resources"].get("CPU", 0),
            node["Resources"].get("GPU", 0),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def _is_on_loopback(address: str) -> bool:
    """Whether the cluster's head is; `auto` is looked up where Ray would."""
    if address == "auto":
        known = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"  # noqa: S108 - Ray's own place
        address = os.environ.get("RAY_ADDRESS") or (known.read_text() if known.is_file() else "")
    host = address.removeprefix("ray://").rpartition(":")[0]
    return host in {"localhost", "::1", "[::1]"} or host.startswith("127.")


async def _main() -> None:
    """`main`, and an end that waits for no thread: one may be in a call to a cluster that is gone."""
    status = 1
    try:
        await main(int(sys.argv[1]))
        status = 0
    except Exception:  # noqa: BLE001 - the process ends, and the run shows what it wrote
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    asyncio.run(_main())
