"""The journals of runs under way, read while they are written: what has come so far, and where each problem's lines are.

Only what is new is read each time, and of a line no more than what it takes to find it again: texts stay on the disk.
"""

import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import orjson

from warehouse.identity import Recipe
from warehouse.journal import journal_owner, journal_recipe, journal_row
from warehouse.store import Store

_PIECE_BYTES = 2**22
_PROBLEM = re.compile(rb'"problem_id":("(?:[^"\\]|\\.)*")')
"""As a key: inside a text the quotes would be escaped."""
_FAILED = b'"status":"error"'
NUM_LATEST = 20


@dataclass
class JournalTail:
    """One journal, as far as it was read."""

    path: Path
    recipe: Recipe
    writer: str | None
    """The name of the process that writes it; None in a journal of an earlier version."""
    num_traces: int = 0
    num_failures: int = 0
    _end: int = 0
    _lines: dict[str, array] = field(default_factory=dict)
    """Where the lines of each problem begin."""

    def follow(self) -> None:
        """Take in the whole lines that have come since. Raises FileNotFoundError once it has become a part."""
        with self.path.open("rb") as file:
            file.seek(self._end)
            if not self._end:
                self._end += len(file.readline())
            while lines := file.readlines(_PIECE_BYTES):
                for line in lines:
                    if not line.endswith(b"\n"):
                        return
                    if match := _PROBLEM.search(line):
                        self._lines.setdefault(orjson.loads(match[1]), array("Q")).append(self._end)
                        self.num_traces += 1
                        self.num_failures += _FAILED in line
                    self._end += len(line)

    @property
    def latest(self) -> list[str]:
        """The problems that something came of last, the newest first."""
        newest = sorted(self._lines, key=lambda name: self._lines[name][-1], reverse=True)
        return newest[:NUM_LATEST]

    def rows(self, problem_id: str) -> Iterator[Mapping[str, object]]:
        """The rows of one problem; times in microseconds. Raises FileNotFoundError."""
        starts = self._lines.get(problem_id, ())
        if not starts:
            return
        with self.path.open("rb") as file:
            for start in starts:
                file.seek(start)
                try:
                    yield journal_row(file.readline())
                except ValueError:  # set aside when the journal is recovered
                    continue


class JournalTails:
    """All journals of a root, those of dead runs too: the next run recovers them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tails: dict[Path, JournalTail] = {}
        self._lock = Lock()

    def followed(self) -> list[JournalTail]:
        """The journals there are now, up to date; one that cannot be read is left out."""
        with self._lock:
            paths = sorted(self._store.journal_folder.glob("*.jsonl"))
            self._tails = {path: tail for path in paths if (tail := self._tail(path))}
            return list(self._tails.values())

    def _tail(self, path: Path) -> JournalTail | None:
        try:
            tail = self._tails.get(path) or _begun(path)
            if tail:
                tail.follow()
        except OSError:  # it has become a part, or belongs to another user
            return None
        return tail


def _begun(path: Path) -> JournalTail | None:
    with path.open("rb") as file:
        head = file.readline()
    recipe = journal_recipe(head, path)
    return JournalTail(path, recipe, journal_owner(head)) if recipe else None
