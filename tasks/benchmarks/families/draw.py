"""A family's problems by name, difficulty, seed and split."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from types import ModuleType

from configs.experiment import GeneratedBenchmark
from configs.schema import UserError
from tasks.benchmarks.families import bill, sum3
from tasks.benchmarks.families.puzzles import Puzzle, Split, stream

FAMILIES: dict[str, ModuleType] = {"bill": bill, "sum3": sum3}


def puzzles(family: str, difficulty: int | None, seed: int | str, split: Split) -> Iterator[Puzzle]:
    """An endless stream of a family's puzzles, possibly with repeats. Raises UserError for an impossible difficulty."""
    module = FAMILIES[family]
    difficulty = module.DEFAULT_DIFFICULTY if difficulty is None else difficulty
    if not module.EASIEST <= difficulty <= module.HARDEST:
        raise UserError(
            f"benchmark.difficulty is {difficulty}; {family} has {module.EASIEST} to {module.HARDEST}."
        )
    return stream(family, partial(module.draw, difficulty=difficulty), seed, split)


def problems(benchmark: GeneratedBenchmark) -> list[Puzzle]:
    """The benchmark's distinct puzzles; the first ones do not depend on how many are requested."""
    seen: set[str] = set()
    distinct = (
        puzzle
        for puzzle in puzzles(benchmark.family, benchmark.difficulty, benchmark.seed, benchmark.split)
        if puzzle.question not in seen and not seen.add(puzzle.question)
    )
    return list(islice(distinct, benchmark.count))


def parse(family: str, question: str) -> Puzzle:
    """The puzzle in a question of a family. Raises UserError if the question is not one of the family's."""
    puzzle = FAMILIES[family].parse(question)
    if puzzle is None:
        raise UserError(f"{question!r} is not a question of the family {family}.")
    return puzzle
