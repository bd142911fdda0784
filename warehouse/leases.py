"""Who makes which traces: two runs at once on one root divide the work instead of doing it twice.

A lease is of one recipe and one bucket of problems, and is held from the first request of that bucket until
its traces are parts of the store. It is a file that only one writer can create. The lease of a dead writer is
taken over by creating the file of the next epoch, which again only one can. Should the former holder wake, what
it writes does no harm: traces are found by their content, and of two rows one counts (see `winner`).

Nothing but `create`, `read` and `remove` of `_Files` touches the disk; an object store with conditional puts
can take its place.
"""

import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from warehouse.identity import Recipe
from warehouse.store import Store
from warehouse.writers import LEASE_SECONDS, Writer, enter, is_alive, leave

NUM_BUCKETS = 64
"""Of one recipe's problems: fine enough to divide a small benchmark, and a shard of a large one costs 64 small files."""
_UNKNOWN = Writer("", 0, "", "", "")


class Claim(NamedTuple):
    """What came of asking for a lease."""

    holder: Writer | None
    """Who has it; None where it is ours."""
    is_new: bool = False
    """Whether this shard did not hold it before, so that others may have made what a plan found missing."""
    is_taken_over: bool = False
    """Whether its holder died, whose journals may hold what is missing."""


_OURS = Claim(None)


class Taken(NamedTuple):
    """A lease that this process holds."""

    epoch: int
    claim: Claim


class _Files:
    """Lease files in a folder of a disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, name: str, content: bytes) -> bool:
        """Create a file; False where there is one. Raises OSError."""
        try:
            with (self.folder / name).open("xb", buffering=0) as file:
                file.write(content)
        except FileExistsError:
            return False
        return True

    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is no such file."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def age(self, name: str, clock: str) -> float:
        """Seconds from when a file was written until another was."""
        try:
            return (self.folder / clock).stat().st_mtime - (self.folder / name).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def remove(self, name: str) -> None:
        """Remove a file, which may be gone."""
        (self.folder / name).unlink(missing_ok=True)


_LOCK = threading.Lock()
_USES: Counter[tuple[Path, str]] = Counter()
"""Uses of every lease that this process holds: shards of a stage can share a bucket."""
_TAKEN: dict[tuple[Path, str], "Taken"] = {}
"""What came of taking each of them. A shard that joins later is told the same: another may still be looking what is stored."""


@dataclass
class Leases:
    """The leases of one recipe that one shard holds. Raises OSError where the root refuses writes."""

    store: Store
    recipe: Recipe
    _files: _Files = field(init=False)
    _content: bytes = field(init=False)
    _held: set[str] = field(default_factory=set)
    _problems: set[str] = field(default_factory=set)
    """Those that were asked for and whose buckets are held: each is asked for once a sample."""

    def __post_init__(self) -> None:
        self._me = enter(self.store)
        self._content = self._me.content
        self._files = _Files(self.store.leases_folder)

    def claim(self, problem_digest: str) -> Claim:
        """Ask for the bucket of a problem; it is kept until `release`."""
        if problem_digest in self._problems:
            return _OURS
        name = self._name(problem_digest)
        if name in self._held:
            self._problems.add(problem_digest)
            return _OURS
        key = (self._files.folder, name)
        with _LOCK:
            if not _USES[key]:
                claim, epoch = self._created(name)
                if claim.holder:
                    return claim
                _TAKEN[key] = Taken(epoch, claim)
            claim = _TAKEN[key].claim
            _USES[key] += 1
            self._held.add(name)
        self._problems.add(problem_digest)
        return claim

    def release(self) -> None:
        """Give back every lease; what was made under it has to be stored before."""
        with _LOCK:
            for name in self._held:
                key = (self._files.folder, name)
                _USES[key] -= 1
                if not _USES[key]:
                    del _USES[key]
                    self._remove(name, _TAKEN.pop(key).epoch)
            self._held.clear()
            self._problems.clear()

    def close(self) -> None:
        """Give back every lease, and be no writer any more."""
        self.release()
        leave(self.store)

    def _created(self, name: str) -> tuple[Claim, int]:
        """Create the file of the first epoch that nobody living has."""
        epoch, is_taken_over = 1, False
        while not self._files.create(f"{name}.{epoch}", self._content):
            content = self._files.read(f"{name}.{epoch}")
            if content is None:  # given back in this moment
                continue
            holder = Writer.read(content)
            if self._is_held(f"{name}.{epoch}", holder):
                return Claim(holder or _UNKNOWN), epoch
            epoch, is_taken_over = epoch + 1, True
        taken = self._files.read(f"{name}.{epoch + 1}")
        later = Writer.read(taken) if taken else None
        if later and is_alive(self.store, later.name):  # took over from the one whose file made room for ours
            self._files.remove(f"{name}.{epoch}")
            return Claim(later), epoch
        return Claim(None, is_new=True, is_taken_over=is_taken_over), epoch

    def _is_held(self, file: str, holder: Writer | None) -> bool:
        if holder:
            return is_alive(self.store, holder.name)
        return (
            self._files.age(file, f"{self._me.name}.json") < LEASE_SECONDS
        )  # it is being written, or was not

    def _remove(self, name: str, epoch: int) -> None:
        """Remove our file, those of the dead before us first; one that was taken over is the next holder's to remove."""
        if self._files.read(f"{name}.{epoch + 1}") is not None:
            return
        if self._files.read(f"{name}.{epoch}") != self._content:
            return
        for number in range(1, epoch + 1):
            self._files.remove(f"{name}.{number}")

    def _name(self, problem_digest: str) -> str:
        return f"{self.recipe.key}-{int(problem_digest[:8], 16) % NUM_BUCKETS:02x}"
