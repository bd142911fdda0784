"""Files and folders that are there entirely or not at all, and locks that a kill gives back.

What is written here is synced before it gets its name, and the folder is synced after, so that neither
a reader nor a power cut ever sees half of it. What a kill leaves beside has a name that starts with a
point and ends in `.tmp`, and can be deleted.
"""

import errno
import fcntl
import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa  # for its name alone: small programs write files, too


_AT_ONCE = 2**30
"""Bytes that the kernel is asked to copy; it may stop earlier."""
_CANNOT_COPY = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EXDEV)
"""What systems answer that cannot copy between such files."""


def cache_folder() -> Path:
    """Where this machine keeps what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "a2r"


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which becomes `path` at the end; after an exception nothing is there.

    Raises OSError.
    """
    beside = _beside(path)
    try:
        yield beside
        _sync(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    _sync(path.parent)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's bytes; on Linux inside the kernel, which lets both files share them where it can. Raises OSError."""
    if sys.platform == "linux" and _copied_by_kernel(source, target):
        return
    shutil.copyfile(source, target)


def _copied_by_kernel(source: Path, target: Path) -> bool:
    with source.open("rb") as read, target.open("wb") as written:
        try:
            while os.copy_file_range(read.fileno(), written.fileno(), _AT_ONCE):
                pass
        except OSError as error:
            if error.errno in _CANNOT_COPY:
                return False
            raise
        return os.fstat(written.fileno()).st_size == os.fstat(read.fileno()).st_size


def write_file(path: Path, data: "bytes | memoryview | pa.Buffer") -> None:
    """Write a whole file atomically. Raises OSError."""
    with atomic_file(path) as beside, beside.open("wb") as file:
        file.write(data)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, which takes its place at the end; a folder that is there already is replaced.

    For a moment between two renames there is neither. Files in it are synced, those in its subfolders too.
    """
    beside = _beside(target)
    beside.mkdir(parents=True)
    try:
        yield beside
        place_folder(beside, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def place_folder(folder: Path, target: Path) -> None:
    """Give a finished folder of the same file system its name, synced; what was there is removed."""
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)
    before = _beside(target)
    if target.exists():
        target.replace(before)
    folder.replace(target)
    _sync(target.parent)
    shutil.rmtree(before, ignore_errors=True)


@contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Hold the lock of that name; the kernel drops it with the process. Raises BlockingIOError without `wait`, OSError.

    The umask decides who may write to it; whoever may only read a lock that is there can hold it, too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    except PermissionError as error:
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            raise error from None
    try:
        if not lock(file, shared=shared, wait=wait):
            raise BlockingIOError(f"{path} is locked")
        yield
    finally:
        os.close(file)


def lock(file: int, *, shared: bool = False, wait: bool = True) -> bool:
    """Lock an open file until it is closed; False where another has it and `wait` is off."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def unlock(file: int) -> None:
    """Unlock an open file that a forked child may still have open, so that closing it is not enough."""
    fcntl.flock(file, fcntl.LOCK_UN)


def leftovers(path: Path) -> list[Path]:
    """What killed writers of `path` left beside it. Only for a holder of the lock under which it is written."""
    name = re.compile(rf"\.{re.escape(path.name)}(\.[0-9a-f]{{8}})?\.tmp(\.\w+)?")
    return [left for left in path.parent.iterdir() if name.fullmatch(left.name)]


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
