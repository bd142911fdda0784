"""Which processes are at work on a root: each shows itself by a file that it renews every few seconds.

Locks of the kernel say the same only where all clients of a disk share them, which many shared disks do not
offer. So a journal and a lease belong to a writer by its name, and a writer is gone when its process is (on
the same machine) or when its file was not renewed for `LEASE_SECONDS`, by the clock of the disk itself.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import orjson

from warehouse.store import Store

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
    path: Path
    num_uses: int = 0

    def renew(self) -> float:
        """Show that the process lives; returns the time by the disk's clock. Raises OSError."""
        try:
            os.utime(self.path)
        except FileNotFoundError:  # somebody took us for dead
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(self.me.content)
        return self.path.stat().st_mtime


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
            me = Writer.me()
            present = _Presence(me, store.leases_folder / f"{me.name}.json")
            try:
                present.path.parent.mkdir(parents=True, exist_ok=True)
                present.path.write_bytes(me.content)
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
                present.path.unlink(missing_ok=True)


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
    if present and present.me.name == name:
        return True
    path = store.leases_folder / f"{name}.json"
    try:
        writer, renewed = Writer.read(path.read_bytes()), path.stat().st_mtime
        now = present.renew() if present else renewed
    except FileNotFoundError:
        return False
    if writer and writer.machine and writer.machine == _machine() and _born(writer.pid) != writer.born:
        return False
    return now - renewed < LEASE_SECONDS


def forget_dead(store: Store) -> None:
    """Take away what writers that are gone left: their files and their leases."""
    for path in store.leases_folder.iterdir():
        with suppress(OSError):
            writer = Writer.read(path.read_bytes())
            if writer and not is_alive(store, writer.name):
                path.unlink(missing_ok=True)


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
