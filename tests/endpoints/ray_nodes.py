"""A Ray cluster of real nodes on loopback, each a process of ours that can be killed or frozen with all that it started."""

import contextlib
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tasks.engines.processes import start

NODE = Path(__file__).parents[1] / "ray" / "node.py"
START_SECONDS = 180.0


class RayNode:
    """One node."""

    def __init__(self, folder, cpus, head=None):
        self.folder = folder
        log = Path(tempfile.mkstemp(dir=folder, prefix="node-", suffix=".log")[1])
        command = [sys.executable, str(NODE), str(folder), str(cpus), *([head] if head else [])]
        self.child = start(command, log, dies_with_us=True)
        until = time.monotonic() + START_SECONDS
        while not (said := [line for line in log.read_text().splitlines() if line.startswith("127.0.0.1:")]):
            assert self.child.code is None and time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        [self.head] = said

    def processes(self):
        """All that it started; found anew each time, for workers come and go."""
        with contextlib.suppress(psutil.Error):
            ours = psutil.Process(self.child.id.pid)
            return [ours, *ours.children(recursive=True)]
        return []

    def signal(self, number):
        """Kill, freeze or wake all of it; its leader last, so that nothing is orphaned unseen."""
        for process in reversed(self.processes()):
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def wake(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.child.end(seconds=0.1)


class RayCluster:
    """A head and further nodes, all gone with the block."""

    def __init__(self, *cpus):
        self.folder = Path(tempfile.mkdtemp(prefix="a2r-cl-", dir="/tmp"))
        self.nodes = []
        for each in cpus:
            self.join(each)

    @property
    def address(self):
        return self.nodes[0].head

    def join(self, cpus=1):
        """One more node; the first is the head."""
        self.nodes.append(RayNode(self.folder, cpus, self.nodes[0].head if self.nodes else None))
        return self.nodes[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in reversed(self.nodes):
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def listening(processes):
    """Addresses on which processes listen that are not loopback's."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):
            for each in process.net_connections(kind="inet"):
                if each.status == psutil.CONN_LISTEN and each.laddr.ip not in {
                    "127.0.0.1",
                    "::1",
                    "::ffff:127.0.0.1",
                }:
                    found.add((process.name(), each.laddr.ip, each.laddr.port))
    return found


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]
