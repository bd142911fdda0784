"""How a root on an object store is read: with few requests, since each costs as long as many rows take.

Three things make most requests needless. A file whose name ends in the hash of its bytes never changes, so it is fetched
once and kept on this machine's disk (`kept_files`). So is any other file, for as long as a listing says that it has not
changed. And what one step of a command sees may be one listing of the whole root, taken as the step begins
(`listed_once`); outside of such a step every listing is a new one.

It is a file system for fsspec, so that DuckDB reads through it, too.
"""
# ruff: noqa: ANN401, ARG002, FBT001, FBT002 - the signatures are those of fsspec

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from fsspec import AbstractFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.utils import glob_translate

from warehouse.kept_files import CHANGED, Detail, kept_in, stamp_of, write_bytes

_NAMED_BY_CONTENT = re.compile(r"(?:/|-)([0-9a-f]{16})\.parquet$")
_MAGIC = re.compile(r"[*?\[]")
_WHOLE_BYTES = 8 * 2**20
"""Larger files are not fetched as a whole where a part of them is read."""
_IN_ONE_PIECE = 50 * 2**20
"""Larger files are fetched in several requests at once."""
_NEVER = datetime.fromtimestamp(0, UTC)
_SIZES: dict[str, int] = {}
"""Of files that never change, as any listing of this process has told them."""


class _Listing:
    """The files of a root as one step of a command sees them; taken when they are first asked for."""

    def __init__(self) -> None:
        self.files: dict[str, Detail] | None = None


_LISTINGS: ContextVar[Mapping[str, _Listing]] = ContextVar("listings")
"""By root: what lists once does so for its own thread, whichever `Store` it reads through."""


class ObjectStore(AbstractFileSystem):
    """A file system below `base`, asked for little; what is not answered here is asked of `inner`."""

    cachable = False

    def __init__(
        self, inner: AbstractFileSystem, base: str, kept: Path, listing: _Listing | None = None
    ) -> None:
        super().__init__()
        self.inner, self.base, self._kept = inner, base.rstrip("/"), kept_in(kept)
        self._listing = listing
        self.protocol = inner.protocol

    # --- listing ---

    @contextmanager
    def listed_once(self) -> Iterator[None]:
        """In this block the root is listed at most once, and again where a file that was listed is missing.

        A block within another is part of it.
        """
        token = _LISTINGS.set({self.base: _Listing(), **_LISTINGS.get({})})
        try:
            yield
        finally:
            _LISTINGS.reset(token)

    def for_other_threads(self) -> "ObjectStore":
        """The same for a library that reads on threads of its own: what is listed once here is so there."""
        return ObjectStore(self.inner, self.base, self._kept.folder, self._present_listing())

    def is_listed(self, path: str) -> bool:
        """Whether a block that lists once has seen the file; nothing is asked for it outside of one."""
        return self._at(path) in (self._listed() or ())

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **_: Any
    ) -> Any:
        """Every file below a folder."""
        path = self._at(path)
        files = self._listed()
        if files is None:
            found = self._found(path)
        else:
            found = {name: held for name, held in files.items() if name.startswith(f"{path}/")}
        if maxdepth is not None:
            found = {n: held for n, held in found.items() if n.removeprefix(path).count("/") <= maxdepth}
        return found if detail else list(found)

    def ls(self, path: str, detail: bool = True, **_: Any) -> Any:
        """What is in a folder. Raises FileNotFoundError."""
        path = self._at(path)
        files = self._listed()
        if files is None:
            found = _learned({str(held["name"]): dict(held) for held in self.inner.ls(path, detail=True)})
        else:
            found = {}
            for name, held in files.items():
                if name.startswith(f"{path}/"):
                    child, *below = name.removeprefix(f"{path}/").split("/", 1)
                    folder = f"{path}/{child}"
                    found[folder] = {"name": folder, "size": 0, "type": "directory"} if below else held
            if not found:
                raise FileNotFoundError(path)
        return list(found.values()) if detail else list(found)

    def glob(self, path: str, maxdepth: int | None = None, **_: Any) -> Any:
        """The files that a pattern fits, from one listing of the folder that it begins with."""
        path = self._at(path)
        magic = _MAGIC.search(path)
        if magic is None:
            return [path] if self.exists(path) else []
        fits = re.compile(glob_translate(path)).fullmatch
        return sorted(filter(fits, self.find(path[: magic.start()].rpartition("/")[0], maxdepth)))

    def exists(self, path: str, **_: Any) -> bool:
        """Whether there is such a file."""
        path = self._at(path)
        files = self._listed()
        return bool(self.inner.exists(path)) if files is None else path in files

    def isfile(self, path: str) -> bool:
        """Whether there is such a file."""
        return self.exists(path)

    def info(self, path: str, **_: Any) -> Detail:
        """What is known of a file. Raises FileNotFoundError."""
        path = self._at(path)
        if path in _SIZES:
            return {"name": path, "size": _SIZES[path], "type": "file"}
        files = self._listed()
        return files[path] if files and path in files else self.inner.info(path)

    def size(self, path: str) -> int:
        """The file's size in bytes. Raises FileNotFoundError."""
        return int(self.info(path)["size"] or 0)

    def modified(self, path: str) -> datetime:
        """When the file last changed; one that never changes says so by a time that never does."""
        path = self._at(path)
        held = {} if _NAMED_BY_CONTENT.search(path) else self.info(path)
        return next((held[n] for n in CHANGED if isinstance(held.get(n), datetime)), _NEVER)

    # --- reading ---

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **options: Any,
    ) -> Any:
        """A file, from this machine's disk where it is known by its content. Raises FileNotFoundError."""
        path = self._at(path)
        found = self._opened(path) if mode == "rb" else None
        return found or self.inner.open(path, mode, block_size, cache_options, compression, **options)

    def read_unchanged(self, path: str) -> bytes:
        """A file's bytes, from this machine's disk where it is known by its content. Raises FileNotFoundError."""
        if (file := self._opened(self._at(path))) is None:
            return self.cat_file(path)
        with file:
            return file.read()

    def _opened(self, path: str) -> BinaryIO | None:
        """A file that is fetched once, in whole or as far as it is read; None where that cannot be."""
        if (key := self._key(path)) is None:
            return None
        try:
            if kept := self._kept.get(key):
                return kept.open("rb")
            if (size := self.size(path)) > _WHOLE_BYTES:
                return self._kept.in_blocks(key, size, partial(self.cat_file, path))
            return self._kept.fetched(key, partial(self._fetch, path)).open("rb")
        except FileNotFoundError:  # also where another process lets it go in this moment
            self._forget_listing()
        except OSError:  # this machine's disk is full, or what was fetched is damaged
            pass
        return None

    def _fetch(self, path: str, to: Path) -> None:
        """Fetch a file. Raises OSError, also for one that is not what its name says, which is not to be kept."""
        data = self.cat_file(path)
        named = _NAMED_BY_CONTENT.search(path)
        if named and not hashlib.sha256(data).hexdigest().startswith(named[1]):
            raise OSError(f"{path} is damaged")
        to.write_bytes(data)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> Any:
        """A file's bytes as the store has them now. Raises FileNotFoundError."""
        path = self._at(path)
        if (start, end) == (None, None) and _SIZES.get(path, 0) <= _IN_ONE_PIECE:
            try:  # where all of it is asked for, its size is asked first
                return self.inner.cat_file(path, start=0)
            except FileNotFoundError:
                self._forget_listing()
                raise
            except OSError:  # an empty file has no first byte
                pass
        return self.inner.cat_file(path, start=start, end=end)

    # --- writing ---

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        """Write a whole file by one request; one that never changes is kept as well."""
        path = self._at(path)
        self.inner.pipe_file(path, value, mode=mode, **options)
        if named := _NAMED_BY_CONTENT.search(path):
            _SIZES[path] = len(value)
        if named and len(value) <= _WHOLE_BYTES:
            with suppress(OSError):
                self._kept.fetched(named[1], partial(write_bytes, value))
        if files := self._listed():
            files[path] = {"name": path, "size": len(value), "type": "file"}

    def rm_file(self, path: str) -> None:
        """Delete a file here and there. Raises FileNotFoundError."""
        path = self._at(path)
        if named := _NAMED_BY_CONTENT.search(path):
            self._kept.remove(named[1])
        _SIZES.pop(path, None)
        self.inner.rm_file(path)
        if files := self._listed():
            files.pop(path, None)

    def put_file(
        self,
        lpath: str,
        rpath: str,
        callback: Any = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        **options: Any,
    ) -> None:
        """Write a whole file of this machine."""
        self.inner.put_file(lpath, rpath, callback=callback, mode=mode, **options)
        self._forget_listing()

    def get_file(
        self,
        rpath: str,
        lpath: Any = None,
        callback: Any = DEFAULT_CALLBACK,
        outfile: Any = None,
        **options: Any,
    ) -> None:
        """Fetch a whole file, of which nothing else is kept. Raises FileNotFoundError."""
        self.inner.get_file(self._at(rpath), lpath, callback=callback, outfile=outfile, **options)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a folder where the store has such."""
        self.inner.makedirs(path, exist_ok=exist_ok)

    # --- what is known ---

    def _at(self, path: str) -> str:
        """The path as listings have it."""
        return str(self.inner._strip_protocol(path)).rstrip("/")  # noqa: SLF001 - fsspec's own name for it

    def _listed(self) -> dict[str, Detail] | None:
        """The files of the root in a block that lists once; None outside of one."""
        listing = self._present_listing()
        if listing is None:
            return None
        if listing.files is None:
            listing.files = self._found(self.base)
        return listing.files

    def _found(self, path: str) -> dict[str, Detail]:
        try:
            return _learned(dict(self.inner.find(path, detail=True)))
        except FileNotFoundError:  # a bucket that is not there yet
            return {}

    def _present_listing(self) -> _Listing | None:
        return _LISTINGS.get({}).get(self.base, self._listing)

    def _forget_listing(self) -> None:
        if listing := self._present_listing():
            listing.files = None

    def _key(self, path: str) -> str | None:
        """What a file is kept by; None where nothing tells whether it has changed."""
        if named := _NAMED_BY_CONTENT.search(path):
            return named[1]
        detail = (self._listed() or {}).get(path, {})
        if all(detail.get(name) is None for name in CHANGED):
            return None
        return hashlib.sha256(f"{path} {stamp_of(detail)}".encode()).hexdigest()[:32]


def _learned(files: dict[str, Detail]) -> dict[str, Detail]:
    """The same files; the sizes of those that never change are known from now on."""
    _SIZES.update((path, int(held["size"])) for path, held in files.items() if _NAMED_BY_CONTENT.search(path))
    return files
