"""`bill`: a number at the end of a chain of sums in which each step can go wrong.

Several items, each a price times a quantity: 5487*27+6293*34=? Products are said in one go, without
working; a small model that slips does so each time somewhere else, so a vote is a strong baseline, and a
model that reads several bills can go through them item by item. The difficulty is how many items there are.
"""

import random
import re
from dataclasses import dataclass

PRICES, QUANTITIES, LARGEST = (4762, 9999), (21, 50), 999_999
"""Every product and every sum has six digits: the same place in two solutions is about the same item."""
DEFAULT_DIFFICULTY, EASIEST, HARDEST = 2, 1, 4
QUESTION = re.compile(r"(\d+\*\d+(?:\+\d+\*\d+)*)=\?")


@dataclass(frozen=True, slots=True)
class Bill:
    """One bill: items of (price, quantity)."""

    items: tuple[tuple[int, int], ...]

    @property
    def total(self) -> int:
        """What the bill comes to."""
        return sum(price * quantity for price, quantity in self.items)

    @property
    def question(self) -> str:
        """Such as 5487*27+6293*34=?"""
        return "+".join(f"{price}*{quantity}" for price, quantity in self.items) + "=?"

    @property
    def gold(self) -> str:
        """Such as 362111."""
        return str(self.total)

    @property
    def key(self) -> str:
        """The order of the items plays no part."""
        return str(sorted(self.items))


def draw(rng: random.Random, difficulty: int) -> Bill | None:
    """A bill of `difficulty` items, or None where it comes to too much."""
    bill = Bill(tuple((rng.randint(*PRICES), rng.randint(*QUANTITIES)) for _ in range(difficulty)))
    return bill if bill.total <= LARGEST else None


def parse(question: str) -> Bill | None:
    """The bill that a question asks, or None where it is none."""
    found = QUESTION.fullmatch(question)
    if not found:
        return None
    pairs = (item.split("*") for item in found[1].split("+"))
    return Bill(tuple((int(price), int(quantity)) for price, quantity in pairs))
