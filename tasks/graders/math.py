r"""Mathematical equality: equal spellings, exact values, then a reader of our own, then math-verify.

The reader (`tasks.graders.algebra`) reads every character of both answers or none: a tail that it does not
know never leaves a right answer behind. It decides nearly all that spellings and exact values cannot. Only
where it can read neither is math-verify asked, and believed when both hold the same numbers and names.
Both work in processes that can be killed, each distinct case once.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from configs.graders import MathGrader
from tasks.graders import symbolic
from tasks.graders.algebra import decision
from tasks.graders.allowances import allowances
from tasks.graders.equality import MAX_SYMBOLIC_LENGTH, decided
from tasks.graders.extraction import boxed_answers
from tasks.graders.normalise import normalised, vote_key
from tasks.graders.protocol import Case, Verdict, key_of, settings_of
from tasks.graders.workers import Workers
from warehouse.records import Problem

_UNFINISHED = re.compile(r"\\(?:i*int|oint|sum|prod|lim)(?![a-z])")
"""Integrals, sums and limits: sympy would work on them for long."""

_PARTS = re.compile(r"\\[A-Za-z]+|\d+(?:\.\d+)?|[A-Za-z]")
_WORD = re.compile(r"(?<![A-Za-z\\\\])[A-Za-z]{3,}")
"""Letters that are neither a command nor one or two variables."""
_COMMAND = re.compile(r"\\[A-Za-z]+")


class Math:
    """Last box against the gold answer; spellings, values, then algebra."""

    def __init__(self, form: MathGrader, problems: Mapping[str, Problem] | None = None) -> None:
        self._form, self.complaints, self.reads_traces = form, [], False
        self.key = key_of("math", "7", settings_of(form))
        self._allowed = allowances(form, problems or {})
        self._readers = Workers(decision.load, modules=["tasks.graders.algebra.decision", "mpmath"])
        self._symbols = Workers(symbolic.load)

    def extract(self, texts: Sequence[str]) -> list[str | None]:
        """The last box, or what the fallback finds."""
        return boxed_answers(texts, self._form.fallback)

    def vote_key(self, answer: str) -> str:
        """The answer's normal form."""
        return vote_key(answer)

    def decide(self, gold: str, answer: str) -> Verdict | None:
        """What follows from the form of both; `grader_error` where an answer is not worth the work."""
        verdict = decided(gold, answer)
        return (
            None if self._allowed and verdict != "correct" else verdict
        )  # what the problem allows is not known here

    def proves(self, gold: str, answer: str) -> bool:
        """Whether both were read whole; words, prose and what is too long were not."""
        return all(_is_readable(normalised(text)) for text in (gold, answer))

    def work_out(self, cases: Collection[Case]) -> dict[Case, Verdict]:
        """What algebra says of the rest."""
        if not self._allowed:
            return self._worked_out(cases)
        by_form: list[tuple[Case, Verdict | None]] = [
            (case, self._allowed_or_decided(case)) for case in cases
        ]
        said = self._worked_out([case for case, verdict in by_form if verdict is None])
        for case, verdict in by_form:
            if verdict is not None:
                said[case] = verdict
        return said

    def _allowed_or_decided(self, case: Case) -> Verdict | None:
        allowed = self._allowed.get(case.problem_digest)
        if allowed and allowed.is_met(case.gold, case.answer):
            return "correct"
        return decided(case.gold, case.answer)

    def _worked_out(self, cases: Collection[Case]) -> dict[Case, Verdict]:
        ordered = list(cases)
        strange = [
            case for case in ordered if _is_for_symbols(normalised(case.gold), normalised(case.answer))
        ]
        asked = [case for case in ordered if case not in set(strange)]
        said = (
            dict(zip(asked, self._readers.verdicts((c.gold, c.answer) for c in asked), strict=True))
            if asked
            else {}
        )
        if strange:
            pairs = [(normalised(case.gold), normalised(case.answer)) for case in strange]
            said |= dict(zip(strange, self._symbols.verdicts(pairs), strict=True))
        return said

    def close(self) -> None:
        """End the workers."""
        self._readers.close()
        self._symbols.close()


def _is_readable(text: str) -> bool:
    """Whether all of a text is mathematics that the reader knows: no word, and not too long to be looked at."""
    return len(text) <= MAX_SYMBOLIC_LENGTH and not _WORD.search(text) and decision.is_read(text)


def _is_for_symbols(gold: str, answer: str) -> bool:
    """Whether both are formulas that the reader does not know, of the same numbers, names and commands."""
    return (
        bool(_COMMAND.search(gold))
        and Counter(_PARTS.findall(gold)) == Counter(_PARTS.findall(answer))
        and not _UNFINISHED.search(gold)
        and not decision.is_read(gold)
        and not decision.is_read(answer)
    )
