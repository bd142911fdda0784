"""A grader applied to stored traces, part by part.

What is decided by form is decided here; what takes work is asked for once per distinct case and
remembered, in this part, in later ones and in later runs.
"""

import hashlib
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa

from tasks.graders.protocol import Case, Grader, Said, Scored, Verdict, points_of, verdict_of
from tasks.progress import PROGRESS
from tasks.stage import Stage
from warehouse.grades import grades_of, write_grades
from warehouse.identity import Recipe
from warehouse.records import GRADES, Member
from warehouse.store import Store, retry_if_compacted
from warehouse.verdicts import VerdictMemory
from warehouse.winner import answer_digest

MOST_UNWRITTEN = 10_000
"""So many verdicts are written at once, …"""
LONGEST_UNWRITTEN = 5.0
"""… and after so many seconds however few they are."""
LONGEST_STORED = 1000
"""Characters of an answer that its grade keeps; a longer one is cut and votes by its digest."""

_UNANSWERED = (("no_answer", False, None, None, None), ("truncated", False, None, None, None))
"""What is counted as wrong without asking a grader."""

_READ = ("trace_id", "problem_digest", "status", "answer", "answer_digest")
_GRADED = ("trace_id", "problem_digest", "gold", "verdict", "is_correct", "extracted", "vote_key", "points")
"""Columns of a grade in the order in which they are found out; the digest of the judged answer is added at the end."""


def grade_traces(stage: Stage, members: Collection[Member], grading: "Grading") -> int:
    """Grade the stored traces that have no verdict yet; return how many verdicts are new.

    A part of traces is graded at a time, so that memory is bounded by its answers. Verdicts are written every few
    seconds, from where an interrupted grading resumes.
    """
    grader, num_new, waiting = (
        grading.grader,
        0,
        _Waiting(Store(stage.root), stage.recipe, grading.grader.key),
    )
    golds = ungraded(stage, members, grader.key)
    by_part = stage.index.by_part(golds)
    PROGRESS.expect("grade", sum(map(len, by_part.values())))

    def grades_of(trace_ids: list[str]) -> pa.Table:
        texts = ["answer", "reasoning"] if grader.reads_traces else ["answer"]
        batches = stage.index.batches(trace_ids, ["problem_digest", "status", "answer_digest", *texts])
        return grading.grades(batches, golds)

    try:
        for trace_ids in by_part.values():
            grades = retry_if_compacted(partial(grades_of, trace_ids))
            waiting.add(grades)
            num_new += grades.num_rows
            PROGRESS.advance("grade", count=len(trace_ids))
    finally:
        waiting.write()
    return num_new


@dataclass
class _Waiting:
    """Verdicts on their way into the store: few parts however many parts of traces they are about."""

    store: Store
    recipe: Recipe
    grader: str
    _tables: list[pa.Table] = field(default_factory=list)
    _written: float = field(default_factory=time.monotonic)

    def add(self, grades: pa.Table) -> None:
        """Take verdicts, and write all that wait if these are many or the first has waited for long."""
        self._tables.append(grades)
        is_long = time.monotonic() - self._written > LONGEST_UNWRITTEN
        if is_long or sum(table.num_rows for table in self._tables) >= MOST_UNWRITTEN:
            self.write()

    def write(self) -> None:
        """Write all that wait, as one part."""
        grades = pa.concat_tables(self._tables) if self._tables else None
        if grades and grades.num_rows:
            write_grades(self.store, self.grader, self.recipe, grades)
        self._tables.clear()
        self._written = time.monotonic()


def ungraded(stage: Stage, members: Collection[Member], grader: str) -> dict[str, set[str]]:
    """The gold answers for which a trace has no verdict by the grader of this key yet, by trace id."""
    graded = set(grades_of(stage.index, grader, ["trace_id", "gold"], members))
    golds: dict[str, set[str]] = {}
    for member in members:
        if (member.trace_id, member.gold) not in graded:
            golds.setdefault(member.trace_id, set()).add(member.gold)
    return golds


@dataclass
class Grading:
    """A grader at work on a run."""

    grader: Grader
    memory: VerdictMemory
    _unsettled: dict[Case, Said] = field(default_factory=dict)
    """Timeouts and errors, which are worked out once a run and remembered no longer."""

    def grades(self, batches: Iterable[pa.Table], golds: Mapping[str, Collection[str]]) -> pa.Table:
        """One row (schema `GRADES`) per trace and gold answer; none where there is no verdict yet.

        `batches` hold trace_id, problem_digest, status, answer and answer_digest, which may be null; texts are let go of
        batch by batch.
        """
        rows: list[tuple[str, str, str, str, Case | None]] = []
        judged: dict[str, str | None] = {}
        for batch in batches:
            ids, digests, statuses, texts, noted = (batch[name].to_pylist() for name in _READ)
            judged.update(
                (trace_id, known or answer_digest(status, text))
                for trace_id, known, status, text in zip(ids, noted, statuses, texts, strict=True)
            )
            answers = self.grader.extract(
                [text or "" if status == "ok" else "" for status, text in zip(statuses, texts, strict=True)]
            )
            rows += [
                (
                    trace_id,
                    digest,
                    gold,
                    status,
                    None if answer is None else Case(digest, gold, answer, *trace),
                )
                for trace_id, digest, status, answer, trace in zip(
                    ids, digests, statuses, answers, self._read(batch), strict=True
                )
                if status != "error"
                for gold in sorted(golds[trace_id])
            ]
        said = self._decided({case for *_, case in rows if case})
        kept = {case: self._kept(case, verdict) for case, verdict in said.items()}
        graded = [
            (trace_id, digest, gold, *outcome)
            for trace_id, digest, gold, status, case in rows
            if (outcome := kept.get(case) if case else _UNANSWERED[status == "truncated"])
        ]
        values = zip(*graded, strict=True) if graded else ([] for _ in _GRADED)
        columns: dict[str, list[object]] = dict(zip(_GRADED, map(list, values), strict=True))
        columns["answer_digest"] = [judged[trace_id] for trace_id, *_ in graded]
        columns["decided_by"] = [None] * len(graded)
        return pa.table({f.name: pa.array(columns[f.name], f.type) for f in GRADES}, GRADES)

    def _read(self, batch: pa.Table) -> list[tuple[str, ...]]:
        """What of each trace its case holds besides the answer."""
        if not self.grader.reads_traces:
            return [()] * batch.num_rows
        texts = (batch[name].to_pylist() for name in ("answer", "reasoning"))
        return [(text or "", reasoning or "") for text, reasoning in zip(*texts, strict=True)]

    def _kept(self, case: Case, said: Said) -> tuple[str, bool | None, str, str, float | None]:
        """Verdict, whether it is right, the answer, its vote and its score, as the grade keeps them."""
        answer, verdict, key = case.answer, verdict_of(said), self.grader.vote_key(case.answer)
        if len(key) > LONGEST_STORED:
            key = f"sha256:{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()}"
        is_correct = verdict == "correct" if verdict in {"correct", "wrong"} else None
        return (
            verdict,
            is_correct,
            (answer if len(answer) <= LONGEST_STORED else f"{answer[:LONGEST_STORED]}…"),
            key,
            None if is_correct is None else points_of(said),
        )

    def _decided(self, cases: set[Case]) -> dict[Case, Said]:
        """Verdicts on distinct cases: by form, from memory, by work, in this order."""
        said: dict[Case, Said] = {}
        hard: list[Case] = []
        for case in cases:
            verdict = self.grader.decide(case.gold, case.answer) or self._unsettled.get(case)
            if verdict is None:
                hard.append(case)
            else:
                said[case] = verdict
        if not hard:
            return said
        known = self.memory.recall(hard)
        points = self.memory.recall_points(known) if known else {}
        for case, is_correct in known.items():
            found: Verdict = "correct" if is_correct else "wrong"
            said[case] = Scored(found, points[case]) if case in points else found
        made = self.grader.work_out(sorted(case for case in hard if case not in known))
        answered = {
            case: verdict_of(found) == "correct"
            for case, found in made.items()
            if verdict_of(found) in {"correct", "wrong"}
        }
        scores = {case: score for case in answered if (score := points_of(made[case])) is not None}
        self.memory.remember(answered, scores)
        self._unsettled |= {case: found for case, found in made.items() if case not in answered}
        return {**said, **made}
