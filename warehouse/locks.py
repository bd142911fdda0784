"""Who may do what to a root at the same time, on one machine; the kernel drops a lock with its process.

Runs share a root. Compaction goes on beside them: readers look again for what has moved. Pruning
takes away traces that a run under way may have counted on, so it needs the root for itself. A root
in an object store is locked for this machine alone.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from configs.schema import UserError
from warehouse.store import Store


@contextmanager
def in_use(store: Store) -> Iterator[None]:
    """Held by every run until it is on record; waits while a pruning is under way."""
    with _locked(store, ".in-use.lock", fcntl.LOCK_SH):
        yield


@contextmanager
def unused(store: Store) -> Iterator[None]:
    """Held by whoever takes traces away. Raises UserError while a run is under way."""
    with _locked(store, ".in-use.lock", fcntl.LOCK_EX | fcntl.LOCK_NB, "A run on"):
        yield


@contextmanager
def upkeep(store: Store) -> Iterator[None]:
    """Held by whoever rewrites parts, one at a time. Raises UserError while another is at it."""
    with _locked(store, ".upkeep.lock", fcntl.LOCK_EX | fcntl.LOCK_NB, "Another compaction or pruning of"):
        yield


@contextmanager
def _locked(store: Store, name: str, kind: int, holder: str = "") -> Iterator[None]:
    folder = store.catalog_path.parent
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / name, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(file, kind)
        yield
    except BlockingIOError as error:
        raise UserError(f"{holder} {store.root} is under way; try again when it has ended.") from error
    finally:
        os.close(file)
