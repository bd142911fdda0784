"""What a run's servers told of themselves, until the run is put on record."""

from dataclasses import asdict
from typing import Any

from tasks.engines.openai.metrics import ServerRecord


class Seen:
    """Notes of the engines that were closed in this process since the last `take`."""

    def __init__(self) -> None:
        self._notes: list[ServerRecord] = []

    def note(self, record: ServerRecord) -> None:
        """Keep what is known of one server at the end of its use."""
        self._notes.append(record)

    def take(self) -> list[dict[str, Any]]:
        """All notes, which are forgotten here. Floats that count whole things stay floats: Prometheus has no others."""
        notes, self._notes = self._notes, []
        return [asdict(note) for note in notes]


SEEN = Seen()
"""The process's notes."""
