"""Verdicts by hand: a log beside the grades that is only ever appended to, in force above every grader.

A correction comes from a file, which is known by its name. Entering a file again appends what is new in it and
withdraws what it no longer says, so the file as it is now is what counts; what counted before stays on record.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import pyarrow as pa

from warehouse.records import CORRECTIONS
from warehouse.store import Store

FOLDER = "corrections"

HandVerdict = Literal["correct", "wrong"]


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person decided: on one trace, on an answer to a problem whoever gives it, or on all answers to a problem."""

    source: str
    """Name of the file it came from."""
    line: int
    trace_id: str | None
    problem_digest: str
    problem_id: str
    answer: str | None
    vote_key: str | None
    """The answer's normal form."""
    verdict: HandVerdict
    who: str
    why: str

    @property
    def key(self) -> tuple[str | None, ...]:
        """What it decides. A source has one verdict on it."""
        return self.source, self.trace_id, self.problem_digest, self.answer

    @property
    def content(self) -> tuple[str | None, ...]:
        """All that is said; the line it stands in may change."""
        return *self.key, self.verdict, self.who, self.why


class Entered(NamedTuple):
    """What entering a file changed."""

    num_new: int
    num_kept: int
    num_withdrawn: int


def enter(store: Store, source: str, corrections: Sequence[Correction]) -> Entered:
    """Let these be what the source says; what it said besides is withdrawn. Appends one part, or none if all is as before."""
    before = {held.key: held for held in in_force(store) if held.source == source}
    now = {correction.key: correction for correction in corrections}
    new = [c for key, c in now.items() if key not in before or before[key].content != c.content]
    gone = [held for key, held in before.items() if key not in now]
    at = datetime.now(UTC)
    rows = [_row(c, at, is_withdrawn=False) for c in new] + [_row(c, at, is_withdrawn=True) for c in gone]
    if rows:
        store.write_part(FOLDER, pa.Table.from_pylist(rows, schema=CORRECTIONS))
    return Entered(len(new), len(now) - len(new), len(gone))


def in_force(store: Store) -> list[Correction]:
    """Every correction that counts, from the one entered first to the last."""
    rows = [row for part in store.names(FOLDER) for row in store.read_part(part).to_pylist()]
    last: dict[tuple[str | None, ...], tuple[bool, Correction]] = {}
    for row in sorted(rows, key=lambda row: (row["entered_at"], row["line"])):
        is_withdrawn = row["is_withdrawn"]
        correction = Correction(**{field.name: row[field.name] for field in fields(Correction)})
        last.pop(correction.key, None)
        last[correction.key] = is_withdrawn, correction
    return [correction for is_withdrawn, correction in last.values() if not is_withdrawn]


class ByHand:
    """The corrections in force, found by trace; the catalog's SQL (`load/samples`) decides by the same rules.

    One on a trace goes before one on an answer, and that before one on a problem; of equals, the last that was entered.
    """

    def __init__(self, corrections: Iterable[Correction]) -> None:
        self._of: dict[str, list[Correction]] = {}
        for correction in corrections:
            self._of.setdefault(correction.problem_digest, []).insert(0, correction)
        for found in self._of.values():
            found.sort(key=lambda c: (c.trace_id is None, c.answer is None))

    def of(
        self, trace_id: str, digest: str, extracted: str | None, vote_key: str | None
    ) -> Correction | None:
        """The correction of one trace, from which this answer was read."""
        for held in self._of.get(digest, ()):
            is_answer = held.answer is None or held.answer == extracted or held.vote_key == vote_key
            if held.trace_id == trace_id or (held.trace_id is None and is_answer):
                return held
        return None


def _row(correction: Correction, at: datetime, *, is_withdrawn: bool) -> dict[str, object]:
    held = {field.name: getattr(correction, field.name) for field in fields(correction)}
    return {**held, "entered_at": at, "is_withdrawn": is_withdrawn}
