"""What grading came to in a stage: counts of verdicts, and why there are fewer than answers."""

from collections import Counter
from collections.abc import Sequence

from configs.graders import (
    CascadeGrader,
    ChoiceGrader,
    FunctionGrader,
    GraderSettings,
    JudgeGrader,
    NumericGrader,
    RegexGrader,
    SingleGraderSettings,
)
from tasks.graders.workers import CPU_SECONDS
from tasks.stage import Stage
from warehouse.corrections import ByHand, in_force
from warehouse.grades import grades_of
from warehouse.records import Member
from warehouse.summary import VerdictCounts

NOTABLE = 0.05
"""A larger share of a stage's answers without an answer in them, cut off or undecided is warned of."""


class Assessment:
    """The verdicts on a stage's samples, counted per problem as the catalog counts them."""

    def __init__(self, stage: Stage, members: Sequence[Member], grader: str) -> None:
        self.stage = stage
        index = stage.index
        columns = ["trace_id", "gold", "verdict", "extracted", "vote_key"]
        held = grades_of(index, grader, columns, members)
        grades = {(trace_id, gold): rest for trace_id, gold, *rest in held}
        by_hand = ByHand(in_force(index.store))
        self.verdicts: Counter[str | None] = Counter()
        self.num_by_hand = 0
        self.num_without_letter = 0
        """Wrong ones whose vote is not one character."""
        for member in members:
            if index.has(member.trace_id):
                verdict, extracted, key = grades.get((member.trace_id, member.gold), (None, None, None))
                hand = by_hand.of(member.trace_id, member.problem_digest, extracted, key)
                self.verdicts[hand.verdict if hand else verdict] += 1
                self.num_by_hand += hand is not None
                self.num_without_letter += hand is None and verdict == "wrong" and len(key or "") != 1

    @property
    def counts(self) -> VerdictCounts:
        """The counts of the run's summary."""
        found = self.verdicts
        return {
            "answers": found.total(),
            "decided": sum(found[name] for name in ("correct", "wrong", "no_answer", "truncated")),
            "no_answer": found["no_answer"],
            "truncated": found["truncated"],
            "undecided": found["timeout"] + found["grader_error"],
            "ungraded": found[None],
            "by_hand": self.num_by_hand,
        }

    def warnings(self, settings: GraderSettings) -> list[str]:
        """What is counted as wrong, and perhaps is not: a sentence for each notable share, with its likely cause."""
        counts, said = self.counts, list[str]()
        if self._is_notable(counts["no_answer"]):
            cause = _why_no_answer(_last(settings))
            said.append(
                f"{self._share(counts['no_answer'])} count as wrong because no answer was found in them: {cause}."
            )
        if self._is_notable(counts["truncated"]):
            role, longest = self.stage.field, self.stage.sampling.max_tokens
            said.append(
                f"{self._share(counts['truncated'])} count as wrong because they were cut off; raise "
                f"{role}.sampling.max_tokens, which is {longest} (other samples are made)."
            )
        if isinstance(_last(settings), ChoiceGrader) and self._is_notable(self.num_without_letter):
            said.append(
                f"{self._share(self.num_without_letter)} count as wrong because the answer names no letter; look at "
                "`extracted` in the relation `samples`, and ask for the letter in the prompt."
            )
        return said

    def undecided(
        self, settings: GraderSettings, limit: float, unread: Counter[str], refusal: str = ""
    ) -> str | None:
        """Why more than a share of the answers has no verdict, and what to do; None where that is not so.

        Args:
            settings: Of the grader.
            limit: The share that may lack one.
            unread: What became of a judge's replies that are no verdict.
            refusal: What was said of a judge's request that was refused.
        """
        counts = self.counts
        lacking = counts["undecided"] + counts["ungraded"]
        if lacking <= limit * counts["answers"]:
            return None
        cause = _why_undecided(_last(settings), self.verdicts, unread, refusal)
        return (
            f"{self._share(lacking)} have no verdict and are left out of every number (max_undecided is "
            f"{limit:.3g}): {cause}. Or give verdicts by hand (`a2r grade --override FILE`)."
        )

    def _is_notable(self, number: int) -> bool:
        return number > NOTABLE * self.verdicts.total()

    def _share(self, number: int) -> str:
        total = self.verdicts.total()
        return f"{self.stage.name}: {number:,} of {total:,} answers ({100 * number / total:.1f} %)"


def _last(settings: GraderSettings) -> SingleGraderSettings:
    """The grader whose verdict stands where no other decided."""
    return settings.of[-1] if isinstance(settings, CascadeGrader) else settings


def _why_no_answer(settings: SingleGraderSettings) -> str:
    if isinstance(settings, RegexGrader):
        return (
            f"grader.pattern {settings.pattern!r} does not match; try it on the texts that `a2r show` prints"
        )
    box = r"the grader reads what the last \boxed{} holds, and they have none"
    ask = "ask for one in the prompt"
    if isinstance(settings, FunctionGrader | JudgeGrader):
        if settings.answer == "whole":
            return "they are empty"
        return f"{box}; set grader.answer to whole, or {ask}"
    if settings.fallback == "none":
        return f"{box}; set grader.fallback to phrase, or {ask}"
    return rf"there is neither a \boxed{{}} nor what grader.fallback {settings.fallback} looks for; {ask}"


def _why_undecided(
    settings: SingleGraderSettings, verdicts: Counter[str | None], unread: Counter[str], refusal: str
) -> str:
    """The likely cause and its remedy, by the kind of grader."""
    if isinstance(settings, JudgeGrader):
        told = []
        said = '"Verdict: correct" or "Verdict: incorrect"' if settings.rubric is None else '"Score: 7"'
        if unread:
            replies = ", ".join(f"{number:,} {what}" for what, number in unread.most_common())
            told.append(
                f"of the judge's replies, {replies}; raise grader.sampling.max_tokens, or let grader.prompt ask for "
                f"{said} in the last line"
            )
        if verdicts[None]:
            why = f"were refused ({refusal}); once that is mended," if refusal else "could not be judged now,"
            told.append(f"{verdicts[None]:,} {why} run again for these")
        return "; ".join(told)
    if verdicts["timeout"] > verdicts["grader_error"]:
        return f"the decision took more than {CPU_SECONDS:g} CPU seconds"
    match settings:
        case FunctionGrader():
            return (
                f"{settings.function} raised an error, or returned neither true, false nor a verdict's name"
            )
        case ChoiceGrader():
            return "the gold answers name no letter; give the benchmark its `choices`, or use another grader"
        case NumericGrader():
            return "the gold answers are not numbers; use another grader"
        case _:
            return "they are too long or too deeply nested to be evaluated; let a judge decide them"
