"""Files of an object store that are kept on this machine's disk, so that each is fetched once.

A file is kept by what it holds (the hash in a part's name, or what a listing says of its content), so what is kept never
has to be looked up again. A large file is kept in blocks, those of it that somebody read. All of it may be deleted at any
time.
"""

import io
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from warehouse.files import atomic_file

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Detail = dict[str, Any]
"""What a listing says of a file: `name`, `size`, `type`, and how it is known to have changed."""

CHANGED = ("ETag", "etag", "mtime", "LastModified", "last_modified", "created")
"""Fields of a listing of which each tells that a file has changed, where the store has it."""
MOST_BYTES = 8 * 2**30
"""What is kept of one root at most; what was not read for longest goes first."""
BLOCK_BYTES = 2**20
_BYTES_BETWEEN = 2**28
"""So many new bytes may come before it is looked again whether there are too many."""


def stamp_of(detail: Detail) -> str:
    """Text that is another one where a file has other content."""
    changed = next((detail[name] for name in CHANGED if detail.get(name) is not None), "")
    return f"{detail['size']}-{changed}"


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

    def in_blocks(self, key: str, size: int, fetch: Callable[[int, int], bytes]) -> BinaryIO:
        """A file of `size` bytes of which `fetch` gives those from one place up to another, each block once."""
        return cast("BinaryIO", _InBlocks(self, key, size, fetch))

    def remove(self, key: str) -> None:
        """Keep it no more, nor any block of it."""
        for path in (self.folder / key, *self.folder.glob(f"{key}.*")):
            path.unlink(missing_ok=True)

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


class _InBlocks(io.RawIOBase):
    """A file that is fetched as far as it is read."""

    def __init__(self, kept: KeptFiles, key: str, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self._kept, self._key, self._size, self._fetch = kept, key, size, fetch
        self._place = 0
        self._last = -1, b""
        """The block that was read last: small pieces of one are read one after the other."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        start = self._place
        end = self._size if size is None or size < 0 else min(start + size, self._size)
        if end <= start:
            return b""
        first = start // BLOCK_BYTES
        data = b"".join(self._blocks(first, (end - 1) // BLOCK_BYTES))
        self._place = end
        return data[start - first * BLOCK_BYTES : end - first * BLOCK_BYTES]

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        with memoryview(buffer).cast("B") as view:
            data = self.read(len(view))
            view[: len(data)] = data
        return len(data)

    def _blocks(self, first: int, last: int) -> list[bytes]:
        """Those from one to another; neighbours that are not kept are fetched together."""
        held = {number: self._held(number) for number in range(first, last + 1)}
        lacking = [number for number, block in held.items() if block is None]
        for _, run in groupby(enumerate(lacking), lambda pair: pair[1] - pair[0]):
            held |= self._fetched([number for _, number in run])
        self._last = last, held[last] or b""
        return [block or b"" for block in held.values()]

    def _held(self, number: int) -> bytes | None:
        if number == self._last[0]:
            return self._last[1]
        path = self._kept.get(self._block_key(number))
        try:
            return path.read_bytes() if path else None
        except OSError:  # another process has let it go in this moment
            return None

    def _fetched(self, numbers: list[int]) -> dict[int, bytes]:
        start, end = numbers[0] * BLOCK_BYTES, min((numbers[-1] + 1) * BLOCK_BYTES, self._size)
        data = self._fetch(start, end)
        found = {n: data[n * BLOCK_BYTES - start : (n + 1) * BLOCK_BYTES - start] for n in numbers}
        for number, block in found.items():
            with suppress(OSError):  # a full disk: it is fetched again
                self._kept.fetched(self._block_key(number), partial(write_bytes, block))
        return found

    def _block_key(self, number: int) -> str:
        return f"{self._key}.{number}"


def write_bytes(data: bytes, path: Path) -> None:
    """What `fetched` is given for bytes that are here already."""
    path.write_bytes(data)


@cache
def kept_in(folder: Path) -> KeptFiles:
    """The kept files of a folder, shared by all of the process that read them."""
    return KeptFiles(folder)
