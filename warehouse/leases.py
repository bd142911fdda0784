"""Who makes which traces: two runs at once on one root divide the work instead of doing it twice.

A lease is of one recipe and one bucket of problems, and is held from the first request of that bucket until
its traces are parts of the store. It is a file that only one writer can create (see `lease_files`, also for what is
one in an object store). The lease of a dead writer is taken over by creating the file of the next epoch, which again
only one can. Should the former holder wake, what it writes does no harm: traces are found by their content, and of
two rows one counts (see `winner`).
"""

import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from warehouse import writers
from warehouse.identity import Recipe
from warehouse.lease_files import LeaseFiles
from warehouse.store import Store
from warehouse.writers import Writer, enter, files_of, is_alive, leave

_THREADS = 8
"""That give back leases where each takes requests."""
_UNKNOWN = Writer("", 0, "", "", "")


class Claim(NamedTuple):
    """What came of asking for a lease."""

    holder: Writer | None
    """Who has it; None where it is ours."""
    is_new: bool = False
    """Whether this shard did not hold it before, so that others may have made what a plan found missing."""
    is_taken_over: bool = False
    """Whether its holder died, whose journals may hold what is missing."""
    at: float = 0.0
    """When it was taken, by `time.monotonic`: what others made before is stored."""


_OURS = Claim(None)


class Taken(NamedTuple):
    """A lease that this process holds."""

    epoch: int
    claim: Claim


_LOCK = threading.Lock()
_USES: Counter[tuple[Path, str]] = Counter()
"""Uses of every lease that this process holds: shards of a stage can share a bucket."""
_TAKEN: dict[tuple[Path, str], "Taken"] = {}
"""What came of taking each of them. A shard that joins later is told the same: another may still be looking what is stored."""
_ASKING: defaultdict[tuple[Path, str], threading.Lock] = defaultdict(threading.Lock)
"""Held while a lease is asked for or given back, so that others are not held up by its requests."""


@dataclass
class Leases:
    """The leases of one recipe that one shard holds. Raises OSError where the root refuses writes."""

    store: Store
    recipe: Recipe
    _files: LeaseFiles = field(init=False)
    _content: bytes = field(init=False)
    _held: set[str] = field(default_factory=set)
    _problems: set[str] = field(default_factory=set)
    """Those that were asked for and whose buckets are held: each is asked for once a sample."""
    _claiming: threading.Lock = field(default_factory=threading.Lock)
    """A claim that its asker no longer waits for is given back like the others."""

    def __post_init__(self) -> None:
        self._me = enter(self.store)
        self._content = self._me.content
        self._files = files_of(self.store)

    @property
    def is_far(self) -> bool:
        """Whether they are in an object store, so that `claim` takes requests."""
        return self._files.is_far

    def is_held(self, problem_digest: str) -> bool:
        """Whether this shard holds the bucket of a problem; asks nobody."""
        return problem_digest in self._problems or self._name(problem_digest) in self._held

    def claim(self, problem_digest: str) -> Claim:
        """Ask for the bucket of a problem; it is kept until `release`."""
        with self._claiming:
            return self._claimed(problem_digest)

    def _claimed(self, problem_digest: str) -> Claim:
        if problem_digest in self._problems:
            return _OURS
        name = self._name(problem_digest)
        if name in self._held:
            self._problems.add(problem_digest)
            return _OURS
        key = self._key(name)
        with _asking(key):
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
        with self._claiming:
            names = sorted(self._held)
            if not self.is_far:
                for name in names:
                    self._give_back(name)
            elif names:
                with ThreadPoolExecutor(_THREADS) as threads:
                    list(threads.map(self._give_back, names))
            self._held.clear()
            self._problems.clear()

    def _give_back(self, name: str) -> None:
        key = self._key(name)
        with _asking(key):
            _USES[key] -= 1
            if not _USES[key]:
                del _USES[key]
                self._remove(name, _TAKEN.pop(key).epoch)

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
            if content == self._content:  # its creation was answered so late that it was asked for again
                break
            holder = Writer.read(content)
            if self._is_held(f"{name}.{epoch}", holder):
                return Claim(holder or _UNKNOWN), epoch
            epoch, is_taken_over = epoch + 1, True
        taken = self._files.read(f"{name}.{epoch + 1}")
        later = Writer.read(taken) if taken else None
        if later and is_alive(self.store, later.name):  # took over from the one whose file made room for ours
            self._files.remove(f"{name}.{epoch}")
            return Claim(later), epoch
        return Claim(None, is_new=True, is_taken_over=is_taken_over, at=time.monotonic()), epoch

    def _is_held(self, file: str, holder: Writer | None) -> bool:
        if holder:
            return is_alive(self.store, holder.name)
        age = self._files.age(file, f"{self._me.name}.json")
        return age is None or age < writers.LEASE_SECONDS  # it is being written, or was not

    def _remove(self, name: str, epoch: int) -> None:
        """Remove our file, those of the dead before us first; one that was taken over is the next holder's to remove."""
        if self._files.read(f"{name}.{epoch + 1}") is not None:
            return
        if self._files.read(f"{name}.{epoch}") != self._content:
            return
        for number in range(1, epoch):
            content = self._files.read(f"{name}.{number}")
            holder = Writer.read(content) if content else None
            if holder and not is_alive(self.store, holder.name):
                self._files.remove(f"{name}.{number}")
        self._files.remove(f"{name}.{epoch}")

    def _name(self, problem_digest: str) -> str:
        return f"{self.recipe.key}-{int(problem_digest[:8], 16) % self._files.num_buckets:02x}"

    def _key(self, name: str) -> tuple[Path, str]:
        return self.store.leases_folder, name


def _asking(key: tuple[Path, str]) -> threading.Lock:
    with _LOCK:
        return _ASKING[key]
