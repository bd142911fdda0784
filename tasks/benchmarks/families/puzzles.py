"""The parts of every family of generated problems: puzzles, their splits, their stream.

Every question permanently belongs to one split, chosen by a hash of its content. So training can never see
test problems, whatever the seeds.
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
        """The content of the question, the same for all its wordings; it decides the split."""
        ...


P = TypeVar("P", bound=Puzzle)


def stream(
    name: str, draw: Callable[[random.Random], P | None], seed: int | str, split: Split
) -> Iterator[P]:
    """An endless stream of puzzles of one split; equal arguments give equal puzzles on every Python version.

    Args:
        name: The family's name, which is part of the seed.
        draw: Returns a puzzle, or None if the draw did not give a valid one.
        seed: The seed of the stream.
        split: The split of every puzzle returned.
    """
    rng = random.Random(f"{name}/{seed}")  # noqa: S311 - reproducible, not secret
    while True:
        puzzle = draw(rng)
        if puzzle is not None and split_of(puzzle) == split:
            yield puzzle


def split_of(puzzle: Puzzle) -> Split:
    """The split a puzzle belongs to: one in 16 is test and one in 16 development."""
    residue = hashlib.sha256(puzzle.key.encode()).digest()[0] % 16
    return "test" if residue == 0 else "development" if residue == 1 else "train"
