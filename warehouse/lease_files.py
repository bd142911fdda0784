"""Where writers and leases show themselves: small files in a folder of a disk, or objects in an object store.

Both answer the same few questions, and time is always that of the place itself: of the disk, or of the store's server.
Of an object store little is asked. What it holds is listed once a second at most, however many leases are waited
for, and a lease that a listing shows is not read again until a listing shows another in its place.
"""

import os
import threading
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from warehouse.kept_files import CHANGED, Detail, stamp_of

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_LISTED_SECONDS = 1.0
_EXISTS, _CONFLICT = 412, 409
_REFUSED = (400, 405, 501)
"""What servers answer to a condition that they do not know."""


class LeaseFiles(Protocol):
    """Files that every process at work on a root sees. All but `num_buckets` and `is_far` raise OSError."""

    num_buckets: int
    """Into how many leases a recipe's problems are divided: all who share a root agree on it."""
    is_far: bool
    """Whether to ask takes requests, so that it is done beside the engines' loop."""

    def create(self, name: str, content: bytes) -> bool:
        """Create a file; False where there is one."""
        ...

    def renew(self, name: str, content: bytes) -> None:
        """Give a file the present time; write it where it is gone."""
        ...

    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is no such file."""
        ...

    def age(self, name: str, clock: str | None) -> float | None:
        """Seconds since a file was written or renewed; None where there is no such file.

        Args:
            name: Which file.
            clock: The caller's own, which is renewed every few seconds; without one, a disk's files have no age.
        """
        ...

    def remove(self, name: str) -> None:
        """Remove a file, which may be gone."""
        ...

    def names(self) -> list[str]:
        """All that there are now."""
        ...


class DiskFiles:
    """In a folder of a disk, which may be shared."""

    num_buckets = 64
    is_far = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, name: str, content: bytes) -> bool:
        """See `LeaseFiles`."""
        try:
            with (self.folder / name).open("xb", buffering=0) as file:
                file.write(content)
        except FileExistsError:
            return False
        return True

    def renew(self, name: str, content: bytes) -> None:
        """See `LeaseFiles`."""
        try:
            os.utime(self.folder / name)
        except FileNotFoundError:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(content)

    def read(self, name: str) -> bytes | None:
        """See `LeaseFiles`."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def age(self, name: str, clock: str | None) -> float | None:
        """See `LeaseFiles`."""
        try:
            written = (self.folder / name).stat().st_mtime
        except FileNotFoundError:
            return None
        if clock is None:
            return 0.0
        try:
            os.utime(self.folder / clock)
            return (self.folder / clock).stat().st_mtime - written
        except FileNotFoundError:
            return 0.0

    def remove(self, name: str) -> None:
        """See `LeaseFiles`."""
        (self.folder / name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """See `LeaseFiles`."""
        return [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []


class ObjectFiles:
    """Below a prefix of an object store that creates an object only where there is none (`If-None-Match: *`)."""

    num_buckets = 32
    """Each costs five requests, and a listing of the recipe's parts, whenever it is taken."""
    is_far = True

    def __init__(self, filesystem: "AbstractFileSystem", prefix: str) -> None:
        self._filesystem, self._prefix = filesystem, prefix
        self._lock = threading.Lock()
        self._listed, self._found = float("-inf"), dict[str, Detail]()
        self._read: dict[str, tuple[str, bytes]] = {}
        """Contents by name, each with the stamp under which it was listed."""
        self._removed: dict[str, float] = {}
        """When we removed what a listing may still show that began before."""

    def is_exclusive(self, name: str, content: bytes) -> bool:
        """Create a new file; False, and no file, where a second one would be let in. Raises OSError.

        Some servers refuse a condition that they do not know, others overlook it.
        """
        try:
            self._put_new(name, content)
            if not self._put_new(name, content):
                return True
        except NotImplementedError:
            return False
        except OSError as error:
            if _status(error) not in _REFUSED:
                raise
            return False
        self.remove(name)
        return False

    def create(self, name: str, content: bytes) -> bool:
        """See `LeaseFiles`; what a listing has just shown is there."""
        return name not in self._listing() and self._put_new(name, content)

    def renew(self, name: str, content: bytes) -> None:
        """See `LeaseFiles`."""
        self._filesystem.pipe_file(self._at(name), content)

    def read(self, name: str) -> bytes | None:
        """See `LeaseFiles`."""
        detail = self._listing().get(name)
        stamp = stamp_of(detail) if detail else ""
        held = self._read.get(name)
        if detail and held and held[0] == stamp:
            return held[1]
        content = self._get(name)
        if detail and content is None:
            self._forget(name)
        elif detail and content is not None:
            self._read[name] = stamp, content
        return content

    def age(self, name: str, clock: str | None) -> float | None:
        """See `LeaseFiles`; the server's time is when the latest of all files was written, and the caller's is among them."""
        found = self._listing()
        if name not in found or (clock and clock not in found):
            found = self._listing(is_new=True)
        if name not in found:
            return None
        return max(map(_written, found.values())) - _written(found[name])

    def remove(self, name: str) -> None:
        """See `LeaseFiles`."""
        with suppress(FileNotFoundError):
            self._filesystem.rm_file(self._at(name))
        self._forget(name)

    def names(self) -> list[str]:
        """See `LeaseFiles`."""
        return list(self._listing(is_new=True))

    def _get(self, name: str) -> bytes | None:
        try:
            return cast("bytes", self._filesystem.cat_file(self._at(name), start=0))
        except FileNotFoundError:
            return None

    def _forget(self, name: str) -> None:
        with self._lock:
            self._removed[name] = time.monotonic()
            self._found = {other: held for other, held in self._found.items() if other != name}

    def _put_new(self, name: str, content: bytes) -> bool:
        try:
            self._filesystem.pipe_file(self._at(name), content, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if _status(error) in (_EXISTS, _CONFLICT):
                return False
            raise
        return True

    def _listing(self, *, is_new: bool = False) -> dict[str, Detail]:
        """What there was a second ago at most, or is now; threads that want it together share one."""
        wanted = time.monotonic() - (0.0 if is_new else _LISTED_SECONDS)
        with self._lock:
            if self._listed < wanted:
                began = time.monotonic()
                try:
                    found = self._filesystem.ls(self._prefix, detail=True)
                except FileNotFoundError:
                    found = []
                named = ((str(held["name"]).rsplit("/", 1)[-1], held) for held in found)
                self._found = {name: held for name, held in named if self._removed.get(name, 0.0) < began}
                self._listed = began
            return self._found

    def _at(self, name: str) -> str:
        return f"{self._prefix}/{name}"


def _written(detail: Detail) -> float:
    return next((detail[n].timestamp() for n in CHANGED if isinstance(detail.get(n), datetime)), 0.0)


def _status(error: OSError) -> int | None:
    """The HTTP status of an answer that fsspec's file systems turn into an error; None where there was no answer."""
    answer = getattr(error.__cause__ or error, "response", None)
    told = answer.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(answer, dict) else None
    return told or getattr(error, "status", None) or getattr(error, "code", None)
