"""sum3: worked solutions, checks of references, and tries of one's own."""

import random
import re
from collections.abc import Sequence
from itertools import combinations

from tasks.benchmarks.families.sum3 import Sum3
from tasks.graders.extraction import extract_answer
from tasks.research.training.examples import Piece, thought

Triple = tuple[int, ...]

CHOSEN = re.compile(r"((?<=Try:)\d+|(?<=\+)\d+(?=\??=))")
"""In a sum the three numbers that were guessed; the others follow from them."""

MAX_WRONG_TRIES = 3
"""Wrong tries that a synthesizer is shown before the right one where no reference holds."""
MAX_SOLO_TRIES = 6
"""The same for a model that has no references at all."""
REORDERED_SHARE = 1 / 2
"""Of the puzzles that another text hits in another order: that hit is the try that holds."""


def solution(puzzle: Sum3) -> str:
    r"""A worked solution, such as 19+32=51,51+10=61,\boxed{19,32,10}."""
    a, b, c = puzzle.triple
    return f"{a}+{b}={a + b},{a + b}+{c}={a + b + c},\\boxed{{{a},{b},{c}}}"


def synthesis(
    puzzle: Sum3, references: Sequence[str], others: Sequence[str], rng: random.Random
) -> tuple[Piece, ...]:
    """Check every reference by adding it up again, stop at the first that holds, else try triples; then point at its numbers.

    A reference holds in whatever order it has the numbers: the answer's order is the question's, which the last
    line restores.

    Args:
        puzzle: The problem.
        references: The texts in the prompt, in its order.
        others: More of the explorers' texts on the problem: from them come wrong tries.
        rng: For the number of tries and their order.
    """
    lines, tried, is_found = _checked(puzzle, references)
    if not is_found:
        lines += _tries(puzzle, tried, others, rng.randint(0, MAX_WRONG_TRIES), rng)
    return _thought(puzzle, lines)


def selection(puzzle: Sum3, references: Sequence[str]) -> tuple[Piece, ...]:
    """Check every reference, stop at the first that holds; where none does, answer at once."""
    lines, _, is_found = _checked(puzzle, references)
    if is_found:
        return _thought(puzzle, lines)
    return thought([Piece("".join(line.text for line in lines).removesuffix("\n"))], solution(puzzle))


def solo(puzzle: Sum3, others: Sequence[str], rng: random.Random) -> tuple[Piece, ...]:
    """Try and check without references, until one holds."""
    return _thought(puzzle, _tries(puzzle, set(), others, rng.randint(0, MAX_SOLO_TRIES), rng))


def triple_of(text: str) -> Triple | None:
    """The boxed triple of an explorer's answer, or None where there is none."""
    parts = (extract_answer(text) or "").split(",")
    if len(parts) != 3 or not all(part.isdigit() and len(part) <= 3 for part in parts):  # noqa: PLR2004
        return None
    return tuple(map(int, parts))


def _checked(puzzle: Sum3, references: Sequence[str]) -> tuple[list[Piece], set[Triple], bool]:
    """A line for every reference up to the first that holds, what they say, and whether one holds."""
    lines: list[Piece] = []
    tried: set[Triple] = set()
    for place, text in enumerate(references, start=1):
        triple = triple_of(text)
        if triple is None:
            lines.append(Piece(f"Check{place}: bad\n"))
            continue
        tried.add(triple)
        lines.append(Piece(f"Check{place}:{_sum(puzzle, triple)}\n"))
        if _holds(puzzle, triple):
            return lines, tried, True
    return lines, tried, False


def _tries(
    puzzle: Sum3, tried: set[Triple], others: Sequence[str], num_wrong: int, rng: random.Random
) -> list[Piece]:
    """Wrong tries, whose numbers are read but not learnt, then the right one.

    What is learnt is to add up honestly whatever was tried, and a right guess after those that did not
    hold. A model taught to write wrong guesses would write them; one not taught their sums writes sums
    that hit the target. Where the others hit with the numbers in another order, that hit may be the last try,
    its numbers read only: it holds.
    """
    given = [t for text in others if (t := triple_of(text)) and t not in tried]
    guessed = [t for t in given if not _holds(puzzle, t)]
    reordered = [t for t in given if _holds(puzzle, t) and t != puzzle.triple]
    drawn = [t for t in combinations(puzzle.numbers, 3) if t not in tried and t != puzzle.triple]
    rng.shuffle(drawn)
    wrong = list(dict.fromkeys([*guessed, *drawn]))[:num_wrong]
    rng.shuffle(wrong)
    lines = [piece for triple in wrong for piece in _unguessed(f"Try:{_sum(puzzle, triple)}\n")]
    if reordered and rng.random() < REORDERED_SHARE:
        return [*lines, *_unguessed(f"Try:{_sum(puzzle, rng.choice(reordered))}\n")]
    return [*lines, Piece(f"Try:{_sum(puzzle, puzzle.triple)}\n")]


def _unguessed(line: str) -> list[Piece]:
    """A try, all of it learnt but the numbers that were chosen."""
    parts = CHOSEN.split(line)
    return [Piece(part, is_learnt=place % 2 == 0) for place, part in enumerate(parts)]


def _thought(puzzle: Sum3, lines: list[Piece]) -> tuple[Piece, ...]:
    """The lines, the question's numbers up to the last that is used, and the answer read off them."""
    last = max(map(puzzle.numbers.index, puzzle.triple))
    marks = (f"{n} ok" if n in puzzle.triple else f"{n} bad" for n in puzzle.numbers[: last + 1])
    return thought([*lines, Piece(f"Item:{','.join(marks)}")], f"\\boxed{{{puzzle.gold}}}")


def _holds(puzzle: Sum3, triple: Triple) -> bool:
    """Whether these are the numbers that hit, in whatever order."""
    return sorted(triple) == sorted(puzzle.triple)


def _sum(puzzle: Sum3, triple: Triple) -> str:
    """The sum done again, a `?` behind each number that is not to be had, and the target said again.

    Without the sum and the target, checking was not learnt; without the marks, a sum that hits the
    target with invented numbers was called right.
    """
    a, b, c = triple
    x, y, z = (
        f"{n}?" if n not in puzzle.numbers or n in triple[:i] else f"{n}" for i, n in enumerate(triple)
    )
    verdict = " ok" if _holds(puzzle, triple) else " bad"
    return f"{x}+{y}={a + b},{a + b}+{z}={a + b + c};{puzzle.target}{verdict}"
