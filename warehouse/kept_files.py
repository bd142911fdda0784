"""Files of an object store that are kept on this machine's disk, so that each is fetched once.

A file is kept by what it holds (the hash in a part's name, or what a listing says of its content), so what is kept never
has to be looked up again. All of it may be deleted at any time.
"""

import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

from warehouse.files import atomic_file

MOST_BYTES = 8 * 2**30
"""What is kept of one root at most; what was not read for longest goes first."""
_BYTES_BETWEEN = 2**28
"""So many new bytes may come before it is looked again whether there are too many."""


class KeptFiles:
    """One folder of kept files. Threads and processes share it."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self._most_bytes = folder, most_bytes
        self._num_new, self._lock = 0, threading.Lock()
        self._fetching: dict[str, threading.Lock] = {}

    def get(self, key: str) -> Path | None:
        """The kept file, which counts as read now; None where it is not kept."""
        path = self.folder / key
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def fetched(self, key: str, fetch: Callable[[Path], None]) -> Path:
        """The kept file; where it is not kept, `fetch` writes it first, for all threads that wait. Raises OSError."""
        with self._lock:
            alone = self._fetching.setdefault(key, threading.Lock())
        try:
            with alone:
                return self.get(key) or self._add(key, fetch)
        finally:
            with self._lock:
                self._fetching.pop(key, None)

    def remove(self, key: str) -> None:
        """Keep it no more."""
        (self.folder / key).unlink(missing_ok=True)

    def _add(self, key: str, fetch: Callable[[Path], None]) -> Path:
        path = self.folder / key
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as beside:
            fetch(beside)
        with self._lock:
            is_first, self._num_new = not self._num_new, self._num_new + path.stat().st_size
            if is_first or self._num_new > _BYTES_BETWEEN:
                self._num_new = 1
                self._let_go()
        return path

    def _let_go(self) -> None:
        """Delete what was not read for longest, as far as there is too much."""
        found = sorted(
            ((entry.stat(), entry) for entry in os.scandir(self.folder) if entry.is_file()),
            key=lambda held: held[0].st_mtime_ns,
        )
        too_many = sum(stat.st_size for stat, _ in found) - self._most_bytes
        for stat, entry in found:
            if too_many <= 0:
                break
            Path(entry.path).unlink(missing_ok=True)
            too_many -= stat.st_size


@cache
def kept_in(folder: Path) -> KeptFiles:
    """The kept files of a folder, shared by all of the process that read them."""
    return KeptFiles(folder)
