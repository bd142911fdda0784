"""Seeded problems: finding is hard, checking is easy.

`sum3`: six distinct integers and a target; exactly one triple of them adds up to it. The answer is
the triple in the order in which the question lists it, so it is one string and a vote over strings
is a vote over answers. A small model guesses a triple and rarely hits; another that reads several
guesses can check each by adding it up.

Every question belongs to one split for ever, by a hash of its numbers and target. So test problems
can never be seen in training, whatever the seeds.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

Split = Literal["train", "development", "test"]

SMALLEST, LARGEST, HOW_MANY = 10, 60, 6


@dataclass(frozen=True, slots=True)
class Puzzle:
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


def sum3(count: int, seed: int, split: Split = "test") -> Iterator[Puzzle]:
    """`count` distinct puzzles of a split; equal arguments give equal puzzles on every Python version."""
    rng = random.Random(f"sum3/{seed}")  # noqa: S311 - reproducible, not secret
    seen: set[str] = set()
    while len(seen) < count:
        puzzle = _draw(rng)
        if puzzle is None or split_of(puzzle) != split or puzzle.question in seen:
            continue
        seen.add(puzzle.question)
        yield puzzle


def split_of(puzzle: Puzzle) -> Split:
    """The split a puzzle belongs to: one in 16 is test, one in 16 development.

    The order of the numbers plays no part, so a reordered test puzzle is a test puzzle too.
    """
    text = f"{sorted(puzzle.numbers)}={puzzle.target}"
    residue = hashlib.sha256(text.encode()).digest()[0] % 16
    return "test" if residue == 0 else "development" if residue == 1 else "train"


def _draw(rng: random.Random) -> Puzzle | None:
    """A puzzle, or None where the drawn target can be hit in several ways."""
    numbers = tuple(rng.sample(range(SMALLEST, LARGEST + 1), HOW_MANY))
    places = sorted(rng.sample(range(HOW_MANY), 3))
    triple = tuple(numbers[place] for place in places)
    hits = sum(sum(other) == sum(triple) for other in combinations(numbers, 3))
    return Puzzle(numbers, triple) if hits == 1 else None
