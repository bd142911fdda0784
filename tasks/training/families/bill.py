"""bill: worked solutions, and what several of them say of each item."""

import random
import re
from collections.abc import Sequence

from tasks.benchmarks.families.bill import Bill
from tasks.training.examples import Piece, learnt, merged

MAX_SOLO_TRIES = 4
"""How often a model without references works each item out before it settles."""


def solution(bill: Bill) -> str:
    r"""A worked solution, such as 348*17=5916,529*24=12696,5916+12696=18612,\boxed{18612}."""
    steps, total = [], 0
    for place, (price, quantity) in enumerate(bill.items):
        product = price * quantity
        steps.append(f"{price}*{quantity}={product}")
        if place:
            steps.append(f"{total}+{product}={total + product}")
        total += product
    return ",".join([*steps, f"\\boxed{{{total}}}"])


def synthesis(
    bill: Bill,
    references: Sequence[str],
    others: Sequence[str],  # noqa: ARG001 - the families share one signature
    rng: random.Random,  # noqa: ARG001
) -> tuple[Piece, ...]:
    """What each reference says of each item, then what is right; then the bill."""
    return _thought(bill, references)


def solo(bill: Bill, others: Sequence[str], rng: random.Random) -> tuple[Piece, ...]:
    """Work each item out several times, as often as `others` are drawn, then settle."""
    return _thought(bill, rng.sample(others, min(len(others), rng.randint(1, MAX_SOLO_TRIES))))


def _thought(bill: Bill, texts: Sequence[str]) -> tuple[Piece, ...]:
    lines = []
    for place, (price, quantity) in enumerate(bill.items, start=1):
        said = [match[1] for text in texts if (match := _product(text, price, quantity))]
        lines.append(f"Item{place}:{','.join(said)};{price * quantity}")
    thought = "\n".join(lines)
    return merged([*learnt(f"<think>{thought}</think>"), Piece(solution(bill))])


def _product(text: str, price: int, quantity: int) -> re.Match[str] | None:
    """What a solution says an item comes to."""
    return re.search(rf"(?<!\d){price}\*{quantity}=(\d{{1,6}})", text)
