"""`sum3`: finding is hard, checking is easy.

Distinct integers and a target; exactly one triple of them adds up to it. The answer is the triple in
the question's order, so it is a single string and a vote over strings is a vote over answers. A small model
guesses a triple and is rarely right; another model that reads several guesses can check each one by adding
it up. The difficulty is the number of integers.
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
    """The triple that adds up to the target, in the order of `numbers`."""

    @property
    def target(self) -> int:
        """The sum of the triple."""
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
        """Independent of the order of the numbers: a reordered test puzzle is still a test puzzle."""
        return f"{sorted(self.numbers)}={self.target}"


def draw(rng: random.Random, difficulty: int) -> Sum3 | None:
    """A puzzle of `difficulty` integers, or None if several triples add up to the drawn target."""
    numbers = tuple(rng.sample(range(SMALLEST, LARGEST + 1), difficulty))
    indexes = sorted(rng.sample(range(difficulty), 3))
    return _with_target(numbers, sum(numbers[index] for index in indexes))


def parse(question: str) -> Sum3 | None:
    """The puzzle in a question, or None if the question is not a puzzle."""
    found = QUESTION.fullmatch(question)
    return _with_target(tuple(map(int, found[1].split(","))), int(found[2])) if found else None


def _with_target(numbers: tuple[int, ...], target: int) -> Sum3 | None:
    hits = [triple for triple in combinations(numbers, 3) if sum(triple) == target]
    return Sum3(numbers, hits[0]) if len(hits) == 1 else None
