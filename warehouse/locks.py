"""Who may do what to a root at the same time, on one machine; the kernel drops a lock with its process.

Runs share a root. Compaction goes on beside them: readers look again for what has moved. Pruning
takes away traces that a run under way may have counted on, so it needs the root for itself. A root
in an object store is locked for this machine alone.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from configs.schema import UserError
from warehouse.files import locked
from warehouse.store import Store


@contextmanager
def in_use(store: Store) -> Iterator[None]:
    """Held by every run until it is on record; waits while a pruning is under way."""
    with _held(store, "in-use", shared=True):
        yield


@contextmanager
def unused(store: Store) -> Iterator[None]:
    """Held by whoever takes traces away. Raises UserError while a run is under way."""
    with _at_once(store, "in-use", "A run on"):
        yield


@contextmanager
def upkeep(store: Store) -> Iterator[None]:
    """Held by whoever rewrites parts, one at a time. Raises UserError while another is at it."""
    with _at_once(store, "upkeep", "Another compaction or pruning of"):
        yield


@contextmanager
def publishing(store: Store) -> Iterator[None]:
    """Held by whoever brings the catalog up to date; waits for the one before."""
    with _held(store, "catalog"):
        yield


@contextmanager
def _at_once(store: Store, name: str, holder: str) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(_held(store, name, wait=False))
        except BlockingIOError as error:
            raise UserError(f"{holder} {store.root} is under way; try again when it has ended.") from error
        yield


@contextmanager
def _held(store: Store, name: str, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """A lock of the root. Raises BlockingIOError without `wait`, UserError where the root refuses it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(store.lock_path(name), shared=shared, wait=wait))
        except BlockingIOError:
            raise
        except OSError as error:
            raise store.complaint(error) from error
        yield
