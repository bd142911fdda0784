"""What graders have worked out before: one verdict a case, found in the same time however many there are.

A SQLite file beside the catalog, derived like it: whoever deletes it, moves it away or cannot lock it
only has verdicts worked out again. Keys are digests, so no text is in it. Only verdicts on answers
are kept: what ran out of time or failed may do better next time.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TypeVar

from warehouse.store import Store

C = TypeVar("C", bound=tuple[str, ...])

_LAYOUT = """
create table if not exists verdicts (key text primary key, is_correct integer) without rowid;
create table if not exists points (key text primary key, points real) without rowid;
"""
_RECALL = "select key, is_correct from verdicts where key in (select value from json_each(?))"
_RECALL_POINTS = "select key, points from points where key in (select value from json_each(?))"
_REMEMBER = "insert or replace into verdicts values (?, ?)"
_REMEMBER_POINTS = "insert or replace into points values (?, ?)"


class VerdictMemory:
    """Which cases one grader has found right or wrong."""

    def __init__(self, store: Store, grader: str) -> None:
        self._path, self._grader = store.verdicts_path, grader

    def recall(self, cases: Iterable[C]) -> dict[C, bool]:
        """Whether the answer is right, for those cases that have been worked out."""
        return {case: bool(is_correct) for case, is_correct in self._held(_RECALL, cases).items()}

    def recall_points(self, cases: Iterable[C]) -> dict[C, float]:
        """The scores between 0 and 1 of those of the cases that got one."""
        return self._held(_RECALL_POINTS, cases)

    def remember(self, verdicts: Mapping[C, bool], points: Mapping[C, float] | None = None) -> None:
        """Keep what was worked out."""
        if not verdicts:
            return
        rows = [(self._key(case), int(is_correct)) for case, is_correct in verdicts.items()]
        scores = [(self._key(case), score) for case, score in (points or {}).items()]
        try:
            with self._open() as connection, connection:
                connection.executemany(_REMEMBER, rows)
                connection.executemany(_REMEMBER_POINTS, scores)
        except (sqlite3.Error, OSError):
            return

    def _held(self, query: str, cases: Iterable[C]) -> dict[C, float]:
        keys = {self._key(case): case for case in cases}
        if not keys or not self._path.exists():
            return {}
        try:
            with self._open() as connection:
                return {
                    keys[key]: value for key, value in connection.execute(query, [json.dumps(list(keys))])
                }
        except sqlite3.Error:
            return {}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self._path.exists():
            self._path.touch()  # a file that SQLite makes itself is never a group's to write
        with closing(sqlite3.connect(self._path, timeout=30)) as connection:
            connection.executescript(_LAYOUT)
            yield connection

    def _key(self, case: tuple[str, ...]) -> str:
        """32 hexadecimal digits; lone surrogates, which models can write, have no UTF-8 and are escaped.

        What a case leaves empty at its end leaves no mark.
        """
        last = max((place for place, part in enumerate(case, start=1) if part), default=0)
        parts = "\x00".join(f"{len(part)}:{part}" for part in (self._grader, *case[:last]))
        return hashlib.sha256(parts.encode(errors="surrogatepass")).hexdigest()[:32]
