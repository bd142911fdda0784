"""Target texts for sum3: worked solutions, checks of references, and tries of the model's own."""

import random
import re
from collections.abc import Sequence
from itertools import combinations

from tasks.benchmarks.families.sum3 import Sum3
from tasks.graders.extraction import extract_answer
from tasks.research.training.examples import TextPiece, with_reasoning

Triple = tuple[int, ...]

GUESSED = re.compile(r"((?<=Try:)\d+|(?<=\+)\d+(?=\??=))")
"""In a sum the three numbers that were guessed; the others follow from them."""

MAX_WRONG_TRIES = 3
"""Wrong tries before the right one in a synthesizer's target where no reference is right."""
MAX_SOLO_TRIES = 6
"""The same for a model that has no references at all."""
REORDERED_SHARE = 1 / 2
"""Of the puzzles that another text solves in another order: how often that solution is the right try."""


def solution(puzzle: Sum3) -> str:
    r"""A worked solution, such as 19+32=51,51+10=61,\boxed{19,32,10}."""
    a, b, c = puzzle.triple
    return f"{a}+{b}={a + b},{a + b}+{c}={a + b + c},\\boxed{{{a},{b},{c}}}"


def synthesis(
    puzzle: Sum3, references: Sequence[str], others: Sequence[str], rng: random.Random
) -> tuple[TextPiece, ...]:
    """Check every reference by adding it up again, stop at the first right one, else try triples; then answer.

    A reference is right whatever the order of its numbers: the answer's order is the question's, which the last
    line restores.

    Args:
        puzzle: The problem.
        references: The texts in the prompt, in its order.
        others: More of the explorers' texts on the problem, the source of wrong tries.
        rng: For the number of tries and their order.
    """
    lines, tried, is_found = _checked(puzzle, references)
    if not is_found:
        lines += _tries(puzzle, tried, others, rng.randint(0, MAX_WRONG_TRIES), rng)
    return _answered(puzzle, lines)


def selection(puzzle: Sum3, references: Sequence[str]) -> tuple[TextPiece, ...]:
    """Check every reference, stop at the first right one; where none is right, answer at once."""
    lines, _, is_found = _checked(puzzle, references)
    if is_found:
        return _answered(puzzle, lines)
    text = "".join(line.text for line in lines).removesuffix("\n")
    return with_reasoning([TextPiece(text)], solution(puzzle))


def solo(puzzle: Sum3, others: Sequence[str], rng: random.Random) -> tuple[TextPiece, ...]:
    """Try and check without references, until one try is right."""
    return _answered(puzzle, _tries(puzzle, set(), others, rng.randint(0, MAX_SOLO_TRIES), rng))


def triple_of(text: str) -> Triple | None:
    """The boxed triple of an explorer's answer, or None where there is none."""
    parts = (extract_answer(text) or "").split(",")
    if len(parts) != 3 or not all(part.isdigit() and len(part) <= 3 for part in parts):  # noqa: PLR2004
        return None
    return tuple(map(int, parts))


def _checked(puzzle: Sum3, references: Sequence[str]) -> tuple[list[TextPiece], set[Triple], bool]:
    """A line for every reference up to the first right one, the triples they propose, and whether one is right."""
    lines: list[TextPiece] = []
    tried: set[Triple] = set()
    for number, text in enumerate(references, start=1):
        triple = triple_of(text)
        if triple is None:
            lines.append(TextPiece(f"Check{number}: bad\n"))
            continue
        tried.add(triple)
        lines.append(TextPiece(f"Check{number}:{_verified_sum(puzzle, triple)}\n"))
        if _is_right(puzzle, triple):
            return lines, tried, True
    return lines, tried, False


def _tries(
    puzzle: Sum3, tried: set[Triple], others: Sequence[str], num_wrong: int, rng: random.Random
) -> list[TextPiece]:
    """Wrong tries, whose guessed numbers carry no loss, then the right one.

    The model learns to add up honestly whatever was tried, and a right guess after wrong ones. With loss on
    wrong guesses it would write wrong guesses; without loss on their sums it writes sums that hit the
    target. Where another text solves the puzzle in another order, that solution may be the last try, its
    numbers without loss: it is right.
    """
    proposed = [t for text in others if (t := triple_of(text)) and t not in tried]
    guessed = [t for t in proposed if not _is_right(puzzle, t)]
    reordered = [t for t in proposed if _is_right(puzzle, t) and t != puzzle.triple]
    drawn = [t for t in combinations(puzzle.numbers, 3) if t not in tried and t != puzzle.triple]
    rng.shuffle(drawn)
    wrong = list(dict.fromkeys([*guessed, *drawn]))[:num_wrong]
    rng.shuffle(wrong)
    lines = [piece for triple in wrong for piece in _without_guess(f"Try:{_verified_sum(puzzle, triple)}\n")]
    if reordered and rng.random() < REORDERED_SHARE:
        return [*lines, *_without_guess(f"Try:{_verified_sum(puzzle, rng.choice(reordered))}\n")]
    return [*lines, TextPiece(f"Try:{_verified_sum(puzzle, puzzle.triple)}\n")]


def _without_guess(line: str) -> list[TextPiece]:
    """A try with loss on all of it except the guessed numbers."""
    parts = GUESSED.split(line)
    return [TextPiece(part, has_loss=index % 2 == 0) for index, part in enumerate(parts)]


def _answered(puzzle: Sum3, lines: list[TextPiece]) -> tuple[TextPiece, ...]:
    """The lines, the question's numbers up to the last that is used, and the answer read off them."""
    last = max(map(puzzle.numbers.index, puzzle.triple))
    marks = (f"{n} ok" if n in puzzle.triple else f"{n} bad" for n in puzzle.numbers[: last + 1])
    return with_reasoning([*lines, TextPiece(f"Item:{','.join(marks)}")], f"\\boxed{{{puzzle.gold}}}")


def _is_right(puzzle: Sum3, triple: Triple) -> bool:
    """Whether these are the numbers that hit the target, in any order."""
    return sorted(triple) == sorted(puzzle.triple)


def _verified_sum(puzzle: Sum3, triple: Triple) -> str:
    """The sum computed again, a `?` behind each number that is not available, and the target repeated.

    Without the sum and the target the model did not learn to check; without the marks it accepted sums that
    hit the target with invented numbers.
    """
    a, b, c = triple
    x, y, z = (
        f"{n}?" if n not in puzzle.numbers or n in triple[:i] else f"{n}" for i, n in enumerate(triple)
    )
    verdict = " ok" if _is_right(puzzle, triple) else " bad"
    return f"{x}+{y}={a + b},{a + b}+{z}={a + b + c};{puzzle.target}{verdict}"
