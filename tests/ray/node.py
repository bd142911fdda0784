"""One node of a Ray cluster on loopback, for as long as this process lives: `python node.py FOLDER CPUS [HEAD]`.

It prints the head's address. `ray start` cannot stay on loopback, so the node is made as Ray's own `Cluster` for tests does.
"""

import os
import signal
import sys

os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_worker_niceness": "0",
    "RAY_worker_register_timeout_seconds": "300",
}

from ray._private.node import Node
from ray._private.parameter import RayParams


def main(folder, cpus, head=None):
    shared = {
        "node_ip_address": "127.0.0.1",
        "num_cpus": int(cpus),
        "num_gpus": 0,
        "object_store_memory": 80_000_000,
        "min_worker_port": 0,
        "max_worker_port": 0,
        "node_manager_port": 0,
        "temp_dir": folder,
        "include_dashboard": False,
    }
    if head is None:
        params = RayParams(**shared)
    else:
        params = RayParams(**shared, gcs_address=head, include_log_monitor=False)
        params.dashboard_agent_listen_port = None
    node = Node(params, head=head is None, shutdown_at_exit=False, spawn_reaper=False)
    print(node.gcs_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
