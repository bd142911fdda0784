"""Upkeep that is killed as it is about to write or to remove its next file, for `endpoints.forks`."""

import os
import signal

from tasks.ops.upkeep import prune_root
from warehouse import compaction
from warehouse.pruning import Selection
from warehouse.store import Store


def killed_after(num_steps):
    """Let this process change so many files of a store and be killed before the next."""
    left = num_steps

    def counted(real):
        def step(*arguments):
            nonlocal left
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return real(*arguments)

        return step

    for name in ("write_bytes", "remove"):
        setattr(Store, name, counted(getattr(Store, name)))


def prune(root, experiment, num_steps):
    killed_after(num_steps)
    prune_root(root, Selection(experiment=experiment), is_applied=True)


def compact(root, num_steps):
    killed_after(num_steps)
    store = Store(root)
    for merge in compaction.merges(store, fewest=2):
        compaction.merge_parts(store, merge)
