"""A copy of the catalog in the root itself, where that is an object store.

Each machine has a catalog of its own. One that is new to a root begins with the copy and takes in what has come since,
where else it would read every part. The copy is named by the SQL it was built by and by its bytes, so it never changes; it is
replaced when the catalog has grown by a quarter, so that what is sent in all stays a few times what a catalog holds.
"""

import hashlib
from contextlib import suppress
from operator import attrgetter
from pathlib import Path

from configs.schema import UserError
from warehouse.catalog import layout_digest
from warehouse.files import atomic_file
from warehouse.store import Store, StoredFile

LEAST_BYTES = 2**24
"""A smaller catalog is built from its parts in a moment."""
_GROWTH = 1.25


def fetch_copy(store: Store) -> bool:
    """Begin this machine's catalog with the copy; False where there is none of this SQL that is whole."""
    for copy in _copies(store):
        with suppress(OSError):
            store.catalog_path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(store.catalog_path) as beside:
                store.read_copy(copy.path, beside)
                if copy.path != _path(store, beside):
                    raise OSError(f"{copy.path} is damaged")
            return True
    return False


def keep_copy(store: Store, *, is_rebuilt: bool) -> None:
    """Put the catalog into the root where its copy is of too little use; one that cannot be written changes nothing else."""
    if store.is_local:
        return
    size = store.catalog_path.stat().st_size
    if size < LEAST_BYTES:
        return
    if not is_rebuilt and any(size <= _GROWTH * copy.size for copy in _copies(store)):
        return
    with suppress(OSError, UserError):
        path = _path(store, store.catalog_path)
        store.write_copy(path, store.catalog_path)
        for other in list(store.files("catalogs")):
            if other.path != path:
                store.remove(other.path)


def _copies(store: Store) -> list[StoredFile]:
    """Those of this SQL, the newest first; none of a local root."""
    if store.is_local:
        return []
    ours = [file for file in store.files("catalogs") if file.path.startswith(_prefix(store))]
    return sorted(ours, key=attrgetter("age"), reverse=True)


def _prefix(store: Store) -> str:
    return f"catalogs/{layout_digest(store.root)[:16]}-"


def _path(store: Store, catalog: Path) -> str:
    with catalog.open("rb") as file:
        return f"{_prefix(store)}{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}.duckdb"
