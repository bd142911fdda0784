"""A grader's verdicts on the traces of one part.

What is decided by form is decided here; what takes work is asked for once a distinct case and
remembered, in this part, in later ones and in later runs.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from tasks.graders.protocol import Case, Grader, Verdict
from warehouse.records import GRADES
from warehouse.verdicts import VerdictMemory

LONGEST_STORED = 1000
"""Characters of an answer that its grade keeps; a longer one is cut and votes by its digest."""

_UNANSWERED = (("no_answer", False, None, None), ("truncated", False, None, None))
"""What is counted as wrong without asking a grader."""

_READ = ("trace_id", "problem_digest", "status", "answer")


@dataclass
class Grading:
    """A grader at work on a run."""

    grader: Grader
    memory: VerdictMemory
    _unsettled: dict[Case, Verdict] = field(default_factory=dict)
    """Timeouts and errors, which are worked out once a run and remembered no longer."""

    def grades(self, batches: Iterable[pa.Table], golds: Mapping[str, Collection[str]]) -> pa.Table:
        """One row (schema `GRADES`) a trace and gold answer; none where there is no verdict yet.

        `batches` hold trace_id, problem_digest, status and answer; texts are let go of batch by batch.
        """
        rows: list[tuple[str, str, str, str, Case | None]] = []
        for batch in batches:
            ids, digests, statuses, texts = (batch[name].to_pylist() for name in _READ)
            answers = self.grader.extract(
                [text or "" if status == "ok" else "" for status, text in zip(statuses, texts, strict=True)]
            )
            rows += [
                (trace_id, digest, gold, status, None if answer is None else Case(digest, gold, answer))
                for trace_id, digest, status, answer in zip(ids, digests, statuses, answers, strict=True)
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
        columns = zip(*graded, strict=True) if graded else ([] for _ in GRADES.names)
        return pa.table([pa.array(list(c), f.type) for c, f in zip(columns, GRADES, strict=True)], GRADES)

    def _kept(self, case: Case, verdict: Verdict) -> tuple[str, bool | None, str, str]:
        """Verdict, whether it is right, the answer and its vote, as the grade keeps them."""
        answer, key = case.answer, self.grader.vote_key(case.answer)
        if len(key) > LONGEST_STORED:
            key = f"sha256:{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()}"
        is_correct = verdict == "correct" if verdict in {"correct", "wrong"} else None
        return (
            verdict,
            is_correct,
            (answer if len(answer) <= LONGEST_STORED else f"{answer[:LONGEST_STORED]}…"),
            key,
        )

    def _decided(self, cases: set[Case]) -> dict[Case, Verdict]:
        """Verdicts on distinct cases: by form, from memory, by work, in this order."""
        said: dict[Case, Verdict] = {}
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
        said |= {case: "correct" if is_correct else "wrong" for case, is_correct in known.items()}
        made = self.grader.work_out(sorted(case for case in hard if case not in known))
        answered = {case: v == "correct" for case, v in made.items() if v in {"correct", "wrong"}}
        self.memory.remember(answered)
        self._unsettled |= {case: verdict for case, verdict in made.items() if case not in answered}
        return said | made
