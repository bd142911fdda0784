"""The Parquet store: immutable parts under a root that is a local folder or any fsspec URL.

A part's name holds the first 16 hexadecimal digits of its own SHA-256, so a part proves itself.
Parts are written beside as a dot file, synced, renamed, and the folder is synced: no reader ever
sees a torn one. On object stores a single put is the atomic step.
"""

import errno
import hashlib
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from configs.schema import UserError
from warehouse.files import cache_folder, write_file
from warehouse.identity import Recipe
from warehouse.kept_files import CHANGED, stamp_of

if TYPE_CHECKING:
    import pyarrow as pa
    from fsspec import AbstractFileSystem

    from warehouse.object_store import ObjectStore

T = TypeVar("T")

_OF_THIS_MACHINE = ("", "file", "local")
_OPTIONS = {"use_listings_cache": False}
"""Of every file system: what others publish or compact is seen when a folder is listed again."""
_TRIES = 5
"""How often a reader looks again for the rows of one part that is missing."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a root."""

    path: str
    size: int
    """In bytes."""
    stamp: str
    """Another one means other content (size and ETag or time of change)."""
    age: str = ""
    """Text by which files of one root sort from the oldest to the newest."""


class LostPart(UserError):
    """A part that was listed is missing: its rows have moved, or somebody deleted it."""


def retry_if_compacted(read: Callable[[], T]) -> T:
    """What `read` gives, which lists parts and reads them; again where compaction came in between.

    As often as it takes while another part is missing each time, since every compaction ends; a part that stays
    missing although it is listed is reported. Raises LostPart.
    """
    missed: Counter[str] = Counter()
    while True:
        try:
            return read()
        except LostPart as error:
            missed[str(error)] += 1
            if missed[str(error)] == _TRIES:
                raise


class Store:
    """One root. Paths are relative to it, with forward slashes."""

    def __init__(self, root: str) -> None:
        scheme, _, rest = root.rpartition("://")
        self.is_local = scheme in _OF_THIS_MACHINE
        self.root = str(Path(rest).expanduser().resolve()) if not scheme else root
        self._base = rest if scheme else self.root
        self.object_store = None if self.is_local else self._opened()
        """The store that the root is in, where it is not on a disk."""

    def open_for_writing(self) -> None:
        """Make the root if need be and prove that it can be written to. Raises UserError."""
        probe = self._at(f".probe-{uuid.uuid4().hex}")
        try:
            try:
                self._fs.pipe_file(probe, b"")
            except OSError:  # the folder or bucket may not be there yet
                self._fs.makedirs(self._base, exist_ok=True)
                self._fs.pipe_file(probe, b"")
            self._fs.rm_file(probe)
        except OSError as error:
            raise self.complaint(error) from error

    def prepare(self) -> None:
        """The same where the proof is free; an object store that holds something is proven by the first write.

        Raises UserError.
        """
        try:
            is_new = self.is_local or not self._fs.ls(self._base, detail=False)
        except FileNotFoundError:
            is_new = True
        except OSError as error:
            raise self.complaint(error) from error
        if is_new:
            self.open_for_writing()

    @cached_property
    def _fs(self) -> Any:  # noqa: ANN401 - fsspec's types are not those of what it returns
        """Where the root lies. What a local root's catalog alone is asked needs none, whose import takes a tenth of a second."""
        from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415

        return self.object_store or LocalFileSystem(**_OPTIONS)

    def _opened(self) -> "ObjectStore":
        import fsspec  # noqa: PLC0415 - as above

        from warehouse.object_store import ObjectStore  # noqa: PLC0415

        inner, self._base = fsspec.url_to_fs(self.root, **_OPTIONS)
        return ObjectStore(inner, self._base, self._own_folder() / "kept")

    @property
    def filesystem(self) -> "AbstractFileSystem":
        """The file system the root lies on, for libraries that read files by themselves."""
        return self.object_store.for_other_threads() if self.object_store else self._fs

    # --- reading ---

    def listed_once(self) -> AbstractContextManager[None]:
        """A block in which what others do to an object store is not seen, so that it is listed once; see `object_store`."""
        return self.object_store.listed_once() if self.object_store else nullcontext()

    def names(self, folder: str, suffix: str = ".parquet", prefix: str = "") -> list[str]:
        """Paths of the visible files in `folder`, sorted; empty where there is no such folder."""
        try:
            at = self._at(folder)
            found = os.listdir(at) if self.is_local else self._fs.ls(at, detail=False)  # noqa: PTH208 - names alone
        except FileNotFoundError:
            return []
        names = (str(path).rsplit("/", 1)[-1] for path in found)
        return sorted(
            f"{folder}/{n}" for n in names if n.endswith(suffix) and n.startswith(prefix) and n[0] != "."
        )

    def files(self, under: str = "") -> Iterator[StoredFile]:
        """Every file under a folder, hidden ones too, listed at once; none where there is no such folder."""
        top = self._at(under) if under else self._base
        for path, detail in self._fs.find(top, detail=True).items():
            relative = str(path).removeprefix(str(self._base)).lstrip("/")
            age = next((detail[name] for name in CHANGED[2:] if detail.get(name) is not None), "")
            yield StoredFile(relative, int(detail["size"]), stamp_of(detail), str(age))

    def changed_at(self, folder: str) -> int | None:
        """When files last came to a folder or left it, in nanoseconds; None where that is not known."""
        if not self.is_local:
            return None
        try:
            return Path(self._at(folder)).stat().st_mtime_ns
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        """Whether the file is there."""
        return bool(self._fs.exists(self._at(path)))

    def size(self, path: str) -> int:
        """The file's size in bytes."""
        return int(self._fs.size(self._at(path)) or 0)

    def read_bytes(self, path: str) -> bytes:
        """The file's bytes as they are in the root now."""
        return bytes(self._fs.cat_file(self._at(path)))

    def read_unchanged(self, path: str) -> bytes:
        """The same of a file that is not read again where a listing says that it has not changed."""
        if self.object_store:
            return self.object_store.read_unchanged(self._at(path))
        return self.read_bytes(path)

    def read_part(
        self,
        path: str,
        columns: Sequence[str] | None = None,
        trace_ids: Iterable[str] | None = None,
        problem_digests: Iterable[str] | None = None,
    ) -> "pa.Table":
        """Rows of a part, all or those of some traces. Raises LostPart, UserError for a damaged part.

        The digests of these traces' problems, where they are known, spare reading the ids of others. Columns that a
        part of an earlier layout lacks are null.
        """
        from warehouse.parquet import layout_of, rows_of  # noqa: PLC0415 - what asks the catalog alone needs no Arrow

        with self.opened_file(path) as file:
            return rows_of(file, layout_of(path), columns, trace_ids, problem_digests)

    @contextmanager
    def opened_file(self, path: str) -> Iterator[Any]:
        """A part's file inside this block. Raises LostPart, UserError for damage, also where the block finds it."""
        from pyarrow import ArrowException  # noqa: PLC0415 - as above

        try:
            with self._fs.open(self._at(path), "rb") as file:
                yield file
        except FileNotFoundError as error:
            raise self._lost(path) from error
        except (ArrowException, OSError, KeyError) as error:
            raise self._unreadable(path, error) from error

    def unpacked_bytes(self, path: str) -> int:
        """About what a part's rows take in memory, from its footer. Raises LostPart."""
        from warehouse.parquet import unpacked_bytes  # noqa: PLC0415 - as above

        with self.opened_file(path) as file:
            return unpacked_bytes(file)

    def batches(self, path: str, columns: Sequence[str], trace_ids: Iterable[str]) -> "Iterator[pa.Table]":
        """The same as `read_part`, a few rows at a time."""
        from warehouse.parquet import batches_of, layout_of  # noqa: PLC0415 - as above

        with self.opened_file(path) as file:
            yield from batches_of(file, layout_of(path), columns, trace_ids)

    # --- writing ---

    def write_part(self, folder: str, table: "pa.Table", prefix: str = "part-") -> str:
        """Write rows as one immutable part and return its path; equal rows give the same path."""
        from warehouse.parquet import file_of  # noqa: PLC0415 - as above

        data = file_of(table)
        name = f"{folder}/{prefix}{content_hash(data)}.parquet"
        if not self._is_there(name):
            self.write_bytes(name, data)
        return name

    def write_table(self, path: str, table: "pa.Table") -> None:
        """Write rows under a name of their own (a run's members), atomically."""
        from warehouse.parquet import file_of  # noqa: PLC0415 - as above

        self.write_bytes(path, file_of(table))

    def write_bytes(self, path: str, data: "bytes | memoryview | pa.Buffer") -> None:
        """Write a whole file so that it is there entirely or not at all. Raises UserError."""
        try:
            if self.is_local:
                file = Path(self._at(path))
                file.parent.mkdir(parents=True, exist_ok=True)
                write_file(file, data)
            else:
                self._fs.pipe_file(self._at(path), bytes(data))
        except OSError as error:
            raise self.complaint(error) from error

    def write_copy(self, path: str, file: Path) -> None:
        """Write what a file of this machine holds, of any size. Raises OSError."""
        self._fs.put_file(str(file), self._at(path))

    def read_copy(self, path: str, file: Path) -> None:
        """Write a file of the root, of any size, to this machine's disk. Raises OSError."""
        self._fs.get_file(self._at(path), str(file))

    def remove(self, path: str) -> None:
        """Take a file away; one that is missing already does not matter. Raises UserError."""
        try:
            self._fs.rm_file(self._at(path))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self.complaint(error) from error

    def write_recipe(self, recipe: Recipe) -> None:
        """Put the recipe beside its traces, once."""
        path = f"{traces_folder(recipe)}/recipe.json"
        if not self._is_there(path):
            self.write_bytes(path, recipe.content)

    def read_recipe(self, stage: str, key: str) -> Recipe:
        """The recipe beside a stage's traces. Raises UserError where there is none that can be read."""
        path = f"{recipe_folder(stage, key)}/recipe.json"
        try:
            return Recipe.read(self.read_unchanged(path))
        except FileNotFoundError as error:
            raise UserError(
                f"{self.root}/{path} is missing; run the experiment again, which writes it."
            ) from error
        except (ValueError, KeyError) as error:
            raise self._unreadable(path, error) from error

    # --- paths ---

    @property
    def catalog_path(self) -> Path:
        """The published catalog: in a local root itself, else in this machine's cache of that root."""
        return self._own_folder() / "catalog.duckdb"

    @property
    def verdicts_path(self) -> Path:
        """Where graders remember what they have worked out: always a local disk."""
        return self._own_folder() / "verdicts.sqlite"

    @property
    def journal_folder(self) -> Path:
        """Where journals are appended to: always a local disk."""
        return self._own_folder() / "journal"

    @property
    def imports_folder(self) -> Path:
        """Where recordings are made and replayed from: always a local disk; an object store has copies."""
        return self._own_folder() / "imports"

    @property
    def leases_folder(self) -> Path:
        """Where runs show that they are at work, and on what, unless an object store does: see `lease_files`."""
        return self._own_folder() / "leases"

    def lock_path(self, name: str) -> Path:
        """A lock of this root: always a local file."""
        return self._own_folder() / f".{name}.lock"

    def _own_folder(self) -> Path:
        if self.is_local:
            return Path(self._base)
        return cache_folder() / hashlib.sha256(self.root.encode()).hexdigest()[:16]

    def _is_there(self, path: str) -> bool:
        """Whether a file need not be written; on an object store to look for it takes more requests than to write it."""
        if self.object_store:
            return self.object_store.is_listed(self._at(path))
        return self.exists(path)

    def _at(self, path: str) -> str:
        return f"{self._base}/{path}"

    def _lost(self, path: str) -> LostPart:
        return LostPart(f"{self.root}/{path} is missing; run the same command again.")

    def _unreadable(self, path: str, error: Exception) -> UserError:
        return UserError(
            f"{self.root}/{path} cannot be read ({str(error).splitlines()[0]}); "
            f"`a2r verify --root {self.root}` names every damage."
        )

    def complaint(self, error: OSError) -> UserError:
        """What to tell a person about a root that refuses a write."""
        match error.errno:
            case errno.ENOSPC | errno.EDQUOT:
                remedy = "free some space and run the same command again; everything stored so far is kept."
            case errno.EACCES | errno.EROFS | errno.EPERM:
                remedy = "make it writable or choose another with --root."
            case _:
                remedy = "choose another with --root."
        reason = error.strerror or str(error)
        return UserError(f"The root {self.root} cannot be written to: {reason}; {remedy}")


def default_root() -> str:
    """Where results are unless a root is named: A2R_ROOT, else ./a2r-data."""
    return os.environ.get("A2R_ROOT") or "a2r-data"


def traces_folder(recipe: Recipe) -> str:
    """Folder of a recipe's traces."""
    return recipe_folder(recipe.stage, recipe.key)


def recipe_folder(stage: str, key: str) -> str:
    """The same of the stage and key of a recipe."""
    return f"traces/stage={stage}/recipe={key}"


def content_hash(data: "bytes | pa.Buffer") -> str:
    """The 16 hexadecimal digits in a part's name: the start of its bytes' SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]
