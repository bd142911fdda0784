"""What an operator may meet, under a real `a2r up`: what state the run ends in, what is done, what is lost.

    python tests/bench/troubles.py [worker server disk silence]      # disk mounts a tmpfs: as root

- worker: SIGKILL of the worker while a night is under way;
- server: SIGKILL of Prefect's server, which `a2r up` starts again;
- disk: the disk of the root is full in the middle of a stage, then is not; Retry;
- silence: the run's process hangs (SIGSTOP) until the automation calls it crashed; it is killed; Retry.

Printed for each: the run's state and message, whether Retry was needed, what was stored before, how
many samples were asked for again though stored (must be 0), and whether everything is whole in the end.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from endpoints.nights import asked_for, experiment_file, stored_samples
from endpoints.operating import Operator
from endpoints.scripted import ScriptedEndpoint

from warehouse.integrity import verify
from warehouse.store import Store

WHOLE = 60
ENDS = ("COMPLETED", "FAILED", "CRASHED")


@contextlib.contextmanager
def small_disk(folder):
    """A file system of 16 MB at that folder."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def worker(operator, _root, _run_id):
    """Kill the worker alone; wait for another."""
    old = operator.child("worker")
    old.kill()
    operator.until(lambda: (new := operator.child("worker")) and new.pid != old.pid)


def server(operator, _root, _run_id):
    """Kill the server alone; wait until it answers again."""
    old = operator.child("server")
    old.kill()
    operator.until(lambda: (new := operator.child("server")) and new.pid != old.pid)
    operator.until(operator.is_up, seconds=120)


def disk(_operator, root, _run_id):
    """Fill what is left."""
    with contextlib.suppress(OSError), (root.parent / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))


def silence(operator, _root, run_id):
    """Stop the run's process without ending it."""
    psutil.Process(int(operator.run(run_id)["infrastructure_pid"])).suspend()


def mend(trouble, operator, root, run_id):
    """What the operator does before Retry."""
    if trouble is disk:
        (root.parent / "ballast").unlink()
    if trouble is silence:
        operator.kill(run_id)
        operator.wait_for_the_last_word()


def tell(operator, endpoint, trouble, folder):
    """Meet the trouble in the middle of exploring, and get over it."""
    root = folder / "root"
    endpoint.reset()
    endpoint.latency = 0.5
    run_id = operator.start("nightly", {"root": str(root)})
    operator.until(lambda: endpoint.by_model["small"] >= 12)
    began = time.monotonic()
    trouble(operator, root, run_id)
    endpoint.latency = 0.5
    ended = operator.wait(run_id, *ENDS, seconds=400)
    seconds = time.monotonic() - began
    stored, sent = stored_samples(root), list(endpoint.requests)
    print(f"{trouble.__name__}: {ended['state_type']} {seconds:.0f} s later: {ended['state']['message']}")
    again = 0
    if is_retried := ended["state_type"] != "COMPLETED":
        mend(trouble, operator, root, run_id)
        stored = stored_samples(root)
        endpoint.reset()
        endpoint.latency = 0.0
        operator.retry(run_id)
        ended = operator.wait(run_id, *ENDS)
        again = len(stored & asked_for(endpoint))
    elif len(sent) != WHOLE:
        again = len(sent) - WHOLE
    whole = len(stored_samples(root)) == WHOLE and not list(verify(Store(str(root))))
    print(
        f"  Retry {'pressed' if is_retried else 'not needed'}; stored before {len(stored) if is_retried else '-'}, "
        f"sent again though stored {again}; in the end {ended['state_type']}, whole: {whole}",
        flush=True,
    )
    return ended["state_type"] == "COMPLETED" and not again and whole


def main():
    """One night a trouble; exit 1 if anything was lost or paid twice."""
    troubles = {trouble.__name__: trouble for trouble in (worker, server, disk, silence)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("troubles", nargs="*", metavar="TROUBLE", help=", ".join(troubles))
    names = parser.parse_args().troubles or list(troubles)
    with tempfile.TemporaryDirectory() as name, ScriptedEndpoint() as endpoint:
        folder = Path(name)
        path = experiment_file(folder, endpoint)
        good = []
        with Operator(folder, {"experiments": [{"experiment": path.name}]}) as operator:
            for trouble in [troubles[name] for name in names]:
                place = folder / trouble.__name__
                if trouble is disk:
                    with small_disk(place):
                        good.append(tell(operator, endpoint, trouble, place))
                else:
                    place.mkdir()
                    good.append(tell(operator, endpoint, trouble, place))
    raise SystemExit(not all(good))


if __name__ == "__main__":
    main()
