"""Equal text, but for white space."""

from collections.abc import Sequence

from configs.graders import ExactGrader
from tasks.graders.extraction import boxed_answers
from tasks.graders.normalise import vote_key
from tasks.graders.protocol import Quick, Verdict, key_of, settings_of


class Exact(Quick):
    """For answers with one spelling, such as those of the generated puzzles."""

    def __init__(self, form: ExactGrader) -> None:
        self._form = form
        self.key = key_of("exact", "6", settings_of(form))

    def extract(self, texts: Sequence[str]) -> list[str | None]:
        """The last box, or what the fallback finds."""
        return boxed_answers(texts, self._form.fallback)

    def vote_key(self, answer: str) -> str:
        """The normal form of a mathematical answer."""
        return vote_key(answer)

    def decide(self, gold: str, answer: str) -> Verdict:
        """Whether the answer is the gold answer."""
        return "correct" if is_same(gold, answer, ignore_case=self._form.ignore_case) else "wrong"


def is_same(gold: str, answer: str, *, ignore_case: bool) -> bool:
    """Equal but for white space and, if wanted, case."""
    left, right = "".join(gold.split()), "".join(answer.split())
    return left.casefold() == right.casefold() if ignore_case else left == right
