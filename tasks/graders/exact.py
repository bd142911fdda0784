"""Equal text, but for white space."""

from typing import Literal


class Exact:
    """For answers with one spelling, such as those of the generated puzzles."""

    name = "exact"
    version = "1"

    def verdict(self, gold: str, answer: str) -> Literal["correct", "wrong"]:
        """Whether the answer is the gold answer."""
        return "correct" if "".join(gold.split()) == "".join(answer.split()) else "wrong"
