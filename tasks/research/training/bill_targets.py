"""Target texts for bill: worked solutions, and what several of them say of each item."""

import random
import re
from collections.abc import Sequence

from tasks.benchmarks.families.bill import Bill
from tasks.graders.extraction import extract_answer
from tasks.research.training.examples import TextPiece, with_reasoning

NUM_SOLO_TRIES = 3
"""How often a model without references works the bill out before it answers."""


def solution(bill: Bill) -> str:
    r"""A worked solution, such as 5487*27=148149,6293*34=213962,148149+213962=362111,\boxed{362111}."""
    steps, total = [], 0
    for index, (price, quantity) in enumerate(bill.items):
        product = price * quantity
        steps.append(f"{price}*{quantity}={product}")
        if index:
            steps.append(f"{total}+{product}={total + product}")
        total += product
    return ",".join([*steps, f"\\boxed{{{total}}}"])


def synthesis(
    bill: Bill,
    references: Sequence[str],
    others: Sequence[str],  # noqa: ARG001 - the families share one signature
    rng: random.Random,  # noqa: ARG001
) -> tuple[TextPiece, ...]:
    """What each item comes to and how many references agree, such as Item1:5487*27=148149;3; then the bill.

    The amount comes first: each of its digits can be read from all references at once, and where they
    disagree the model's own computation decides.
    """
    lines = []
    for number, (price, quantity) in enumerate(bill.items, start=1):
        product = price * quantity
        num_agreeing = _amounts(references, price, quantity).count(str(product))
        lines.append(f"Item{number}:{price}*{quantity}={product};{num_agreeing}")
    return with_reasoning([TextPiece("\n".join(lines))], solution(bill))


def solo(bill: Bill, others: Sequence[str], rng: random.Random) -> tuple[TextPiece, ...]:
    """Work the bill out several times, as `others` did, then answer; wrong tries are read but carry no loss."""
    right = solution(bill)
    complete = [text for text in others if extract_answer(text)]
    tries = rng.sample(complete, min(len(complete), NUM_SOLO_TRIES))
    lines = [TextPiece(f"{text}\n", text == right) for text in tries]
    return with_reasoning(lines, right)


def _amounts(texts: Sequence[str], price: int, quantity: int) -> list[str]:
    """What the solutions that name an item say it comes to."""
    pattern = re.compile(rf"(?<!\d){price}\*{quantity}=(\d{{1,6}})")
    return [match[1] for text in texts if (match := pattern.search(text))]
