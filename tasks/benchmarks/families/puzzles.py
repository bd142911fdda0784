"""What every family of generated problems is made of: puzzles, their splits, their stream.

Every question belongs to one split for ever, by a hash of what it asks. So test problems can never
be seen in training, whatever the seeds.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from typing import Literal, Protocol, TypeVar

Split = Literal["train", "development", "test"]


class Puzzle(Protocol):
    """One generated problem."""

    @property
    def question(self) -> str:
        """As a model reads it."""
        ...

    @property
    def gold(self) -> str:
        """The right answer."""
        ...

    @property
    def key(self) -> str:
        """What is asked, the same for all ways to ask it: it decides the split."""
        ...


P = TypeVar("P", bound=Puzzle)


def stream(
    name: str, draw: Callable[[random.Random], P | None], seed: int | str, split: Split
) -> Iterator[P]:
    """Puzzles of one split without end; equal arguments give equal puzzles on every Python version.

    Args:
        name: Of the family; it is part of the seed.
        draw: A puzzle, or None where what was drawn is none.
        seed: Of the stream.
        split: Of every puzzle.
    """
    rng = random.Random(f"{name}/{seed}")  # noqa: S311 - reproducible, not secret
    while True:
        puzzle = draw(rng)
        if puzzle is not None and split_of(puzzle) == split:
            yield puzzle


def split_of(puzzle: Puzzle) -> Split:
    """The split a puzzle belongs to: one in 16 is test, one in 16 development."""
    residue = hashlib.sha256(puzzle.key.encode()).digest()[0] % 16
    return "test" if residue == 0 else "development" if residue == 1 else "train"
