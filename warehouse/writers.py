"""Which processes are at work on a root: each shows itself by a file that it renews every few seconds.

Locks of the kernel say the same only where all clients of a disk share them, which many shared disks do not
offer. So a journal and a lease belong to a writer by its name, and a writer is gone when its process is (on
the same machine) or when its file was not renewed for `LEASE_SECONDS`, by the clock of the disk itself.

In an object store the file is an object, and the clock the server's. A store that does not create an object only where
there is none has no leases: writers show themselves on this machine's disk then, to each other alone.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson

from warehouse.lease_files import DiskFiles, LeaseFiles, ObjectFiles
from warehouse.store import Store

if TYPE_CHECKING:
    from warehouse.object_store import ObjectStore

RENEWED_SECONDS = 3.0
LEASE_SECONDS = 30.0
"""A writer that was silent for longer is taken for dead; what it writes later does no harm."""


class Writer(NamedTuple):
    """A process at work on a root, as its file describes it."""

    name: str
    """32 hexadecimal digits."""
    pid: int
    host: str
    machine: str
    """Boot and process namespace in which `pid` means this process; empty where that is not known."""
    born: str
    """When the process started, in the kernel's count."""

    def __str__(self) -> str:
        """For people."""
        return f"pid {self.pid} on {self.host}" if self.pid else "its name is not yet known"

    @classmethod
    def me(cls) -> "Writer":
        """A new name for this process."""
        pid = os.getpid()
        return cls(uuid.uuid4().hex, pid, socket.gethostname(), _machine(), _born(pid))

    @classmethod
    def read(cls, text: bytes) -> "Writer | None":
        """The writer in a file's text; None where it is cut short."""
        try:
            return cls(**orjson.loads(text))
        except (ValueError, TypeError):
            return None

    @property
    def content(self) -> bytes:
        """What `read` reads."""
        return orjson.dumps(self._asdict())


@dataclass
class _Presence:
    """This process on one root, while something of it is under way there."""

    me: Writer
    files: LeaseFiles
    num_uses: int = 0
    is_over: bool = False
    _renewing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def file(self) -> str:
        """Its file's name."""
        return f"{self.me.name}.json"

    def renew(self) -> None:
        """Show that the process lives, also to who took it for dead. Raises OSError."""
        with self._renewing:
            if not self.is_over:
                self.files.renew(self.file, self.me.content)

    def end(self) -> None:
        """Show it no more. Raises OSError."""
        with self._renewing:
            self.is_over = True
            self.files.remove(self.file)


_LOCK = threading.RLock()
_PRESENT: dict[Path, _Presence] = {}
_RENEWER: threading.Thread | None = None


def _forked() -> None:
    """A child is another writer, and has no other thread."""
    global _LOCK, _RENEWER
    _LOCK, _RENEWER = threading.RLock(), None
    _PRESENT.clear()


os.register_at_fork(after_in_child=_forked)


def enter(store: Store) -> Writer:
    """Show this process on the root until as many calls of `leave`, by one name. Raises UserError if it cannot."""
    with _LOCK:
        present = _PRESENT.get(store.leases_folder)
        if present is None:
            try:
                present = _shown(store)
            except OSError as error:
                raise store.complaint(error) from error
            _PRESENT[store.leases_folder] = present
            _start_renewing()
        present.num_uses += 1
        return present.me


def leave(store: Store) -> None:
    """Undo one `enter`."""
    with _LOCK:
        present = _PRESENT.get(store.leases_folder)
        if present is None:
            return
        present.num_uses -= 1
        if not present.num_uses:
            del _PRESENT[store.leases_folder]
            with suppress(OSError):
                present.end()


def files_of(store: Store) -> LeaseFiles:
    """Where this process, which is at work on the root, shows itself and its leases."""
    with _LOCK:
        return _PRESENT[store.leases_folder].files


def is_at_work(store: Store) -> bool:
    """Whether this process shows itself on the root."""
    with _LOCK:
        return store.leases_folder in _PRESENT


def _shown(store: Store) -> _Presence:
    """This process, shown on the root under a new name. Raises OSError."""
    me = Writer.me()
    if store.object_store:
        far = _far(store.object_store)
        if far.is_exclusive(f"{me.name}.json", me.content):
            return _Presence(me, far)
    present = _Presence(me, DiskFiles(store.leases_folder))
    present.renew()
    return present


def _far(objects: "ObjectStore") -> ObjectFiles:
    return ObjectFiles(objects.inner, f"{objects.base}/leases")


@contextmanager
def at_work(store: Store) -> Iterator[Writer]:
    """This process shows itself on the root inside this block."""
    me = enter(store)
    try:
        yield me
    finally:
        leave(store)


def is_alive(store: Store, name: str) -> bool:
    """Whether the writer of that name is at work. To be called by one that is at work itself."""
    with _LOCK:
        present = _PRESENT.get(store.leases_folder)
    if present is None:  # a report, which shows itself nowhere
        return any(_is_alive(files, name, None) for files in _all_files(store))
    return present.me.name == name or _is_alive(present.files, name, present.file)


def _all_files(store: Store) -> Iterator[LeaseFiles]:
    yield DiskFiles(store.leases_folder)
    if store.object_store:
        yield _far(store.object_store)


def _is_alive(files: LeaseFiles, name: str, clock: str | None) -> bool:
    content, age = files.read(f"{name}.json"), files.age(f"{name}.json", clock)
    if content is None or age is None:
        return False
    writer = Writer.read(content)
    if writer and writer.machine and writer.machine == _machine() and _born(writer.pid) != writer.born:
        return False
    return age < LEASE_SECONDS


def forget_dead(store: Store) -> None:
    """Take away what writers that are gone left: their leases, then their files. To be called by one that is at work.

    Only where a writer is gone are leases read to see whose they are.
    """
    files = files_of(store)
    names = files.names()
    writers = {name.removesuffix(".json") for name in names if name.endswith(".json")}
    dead = {name for name in writers if not is_alive(store, name)}
    if not dead:
        return
    for name in names:
        with suppress(OSError):
            holder = None if name.endswith(".json") else Writer.read(files.read(name) or b"")
            if holder and holder.name not in writers - dead and not is_alive(store, holder.name):
                files.remove(name)
    for name in dead:
        with suppress(OSError):
            files.remove(f"{name}.json")


def _start_renewing() -> None:
    global _RENEWER  # noqa: PLW0603 - one thread per process, however many roots
    if _RENEWER is None:
        _RENEWER = threading.Thread(target=_renew_all, name="leases", daemon=True)
        _RENEWER.start()


def _renew_all() -> None:
    global _RENEWER  # noqa: PLW0603 - it says itself that it ends
    while True:
        time.sleep(RENEWED_SECONDS)
        with _LOCK:
            present = list(_PRESENT.values())
            if not present:
                _RENEWER = None
                return
        for each in present:
            with suppress(OSError):  # the next time may be better, and the lease is ten times as long
                each.renew()


@cache
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _born(pid: int) -> str:
    """When a process started; empty for one that is gone, or that only waits for its parent to notice its end."""
    try:
        state, *rest = (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return ""
    return "" if state == "Z" else rest[18]
