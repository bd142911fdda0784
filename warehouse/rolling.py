"""The journal of a shard under way. For a root in an object store it is one journal after another.

A journal is on this machine's disk, and a machine in a cloud can be lost with its disk. So where the root is in an
object store, what has arrived becomes a part at the latest after `ROLL_SECONDS`, or `ROLL_BYTES` of journal, while the shard
goes on with another journal. On a disk the journal itself is in the root, and becomes one part at the shard's end.
"""

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from configs.schema import UserError
from warehouse.index import RecipeIndex
from warehouse.inventory import keep_up
from warehouse.records import TraceRow

if TYPE_CHECKING:
    from warehouse.journal import Journal

ROLL_SECONDS = 50.0
"""With what sealing takes, a minute of work at most is lost with a machine."""
ROLL_BYTES = 2**28


class RollingJournal:
    """Takes a shard's traces; one thread appends them."""

    def __init__(self, index: RecipeIndex) -> None:
        self._index = index
        self._open: Journal | None = None
        self._full: list[Journal] = []
        """Those that are not parts yet, the oldest first."""
        self._opening = threading.Lock()
        self._is_due, self._is_over = threading.Event(), False
        self._roller: threading.Thread | None = None
        self._parts: list[str] = []

    def append(self, row: TraceRow) -> TraceRow:
        """See `Journal.append`. Raises ValueError, OSError."""
        with self._opening:
            if self._open is None:
                self._open = self._index.opened()
            stored = self._open.append(row)
            if self._open.num_bytes >= ROLL_BYTES:
                self._is_due.set()
        if self._roller is None and not self._index.store.is_local:
            self._roller = threading.Thread(target=self._roll, name="journal", daemon=True)
            self._roller.start()
        return stored

    def seal(self) -> list[str]:
        """Turn what was appended into parts and return the paths of all. Raises OSError, UserError.

        What cannot become a part is recovered by the next run.
        """
        self._is_over = True
        if self._roller:
            self._is_due.set()
            self._roller.join()
        try:
            self._seal()
        finally:
            for journal in self._full:
                journal.close()
                self._index.forget(journal)
        return self._parts

    def _roll(self) -> None:
        while not self._is_over:
            self._is_due.wait(ROLL_SECONDS)
            self._is_due.clear()
            with suppress(OSError, UserError):  # it is tried again, and told at the shard's end
                self._seal()
                if not self._is_over:  # whoever continues a lost run need not open its parts
                    keep_up(self._index.store, self._index.recipe.key, self._index.parts)

    def _seal(self) -> None:
        with self._opening:
            if self._open:
                self._full.append(self._open)
                self._open = None
        while self._full:
            self._parts += self._full[0].seal()
            self._index.forget(self._full.pop(0))
