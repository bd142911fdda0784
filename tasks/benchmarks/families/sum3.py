"""`sum3`: finding is hard, checking is easy.

Distinct integers and a target; exactly one triple of them adds up to it. The answer is the triple in
the order in which the question lists it, so it is one string and a vote over strings is a vote over
answers. A small model guesses a triple and rarely hits; another that reads several guesses can check
each by adding it up. The difficulty is how many integers there are.
"""

import random
import re
from dataclasses import dataclass
from itertools import combinations

SMALLEST, LARGEST = 10, 60
DEFAULT_DIFFICULTY, EASIEST, HARDEST = 6, 4, 12
QUESTION = re.compile(r"([\d,]+)=(\d+)\?")


@dataclass(frozen=True, slots=True)
class Sum3:
    """One sum3 problem."""

    numbers: tuple[int, ...]
    triple: tuple[int, ...]
    """The one that hits, in the order of `numbers`."""

    @property
    def target(self) -> int:
        """What the triple adds up to."""
        return sum(self.triple)

    @property
    def question(self) -> str:
        """Such as 41,20,19,32,23,10=61?"""
        return f"{','.join(map(str, self.numbers))}={self.target}?"

    @property
    def gold(self) -> str:
        """Such as 19,32,10."""
        return ",".join(map(str, self.triple))

    @property
    def key(self) -> str:
        """The order of the numbers plays no part: a reordered test puzzle is a test puzzle too."""
        return f"{sorted(self.numbers)}={self.target}"


def draw(rng: random.Random, difficulty: int) -> Sum3 | None:
    """A puzzle of `difficulty` integers, or None where the drawn target can be hit in several ways."""
    numbers = tuple(rng.sample(range(SMALLEST, LARGEST + 1), difficulty))
    places = sorted(rng.sample(range(difficulty), 3))
    return _with_target(numbers, sum(numbers[place] for place in places))


def parse(question: str) -> Sum3 | None:
    """The puzzle that a question asks, or None where it is none."""
    found = QUESTION.fullmatch(question)
    return _with_target(tuple(map(int, found[1].split(","))), int(found[2])) if found else None


def _with_target(numbers: tuple[int, ...], target: int) -> Sum3 | None:
    hits = [triple for triple in combinations(numbers, 3) if sum(triple) == target]
    return Sum3(numbers, hits[0]) if len(hits) == 1 else None
