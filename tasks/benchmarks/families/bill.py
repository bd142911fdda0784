"""`bill`: a total at the end of a chain of steps, each of which can go wrong.

Several items, each a price times a quantity: 5487*27+6293*34=? Products are written in one go, without
working. A small model slips in a different step each time, so a vote is a strong baseline, and a
model that reads several bills can check them item by item. The difficulty is the number of items.
"""

import random
import re
from dataclasses import dataclass

PRICES, QUANTITIES, LARGEST = (4762, 9999), (21, 50), 999_999
"""Every product and every sum has six digits, so the same position in two solutions is about the same item."""
DEFAULT_DIFFICULTY, EASIEST, HARDEST = 2, 1, 4
QUESTION = re.compile(r"(\d+\*\d+(?:\+\d+\*\d+)*)=\?")


@dataclass(frozen=True, slots=True)
class Bill:
    """One bill: items of (price, quantity)."""

    items: tuple[tuple[int, int], ...]

    @property
    def total(self) -> int:
        """The sum over all items."""
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
        """Independent of the order of the items."""
        return str(sorted(self.items))


def draw(rng: random.Random, difficulty: int) -> Bill | None:
    """A bill of `difficulty` items, or None if its total is too large."""
    bill = Bill(tuple((rng.randint(*PRICES), rng.randint(*QUANTITIES)) for _ in range(difficulty)))
    return bill if bill.total <= LARGEST else None


def parse(question: str) -> Bill | None:
    """The bill in a question, or None if the question is not a bill."""
    found = QUESTION.fullmatch(question)
    if not found:
        return None
    pairs = (item.split("*") for item in found[1].split("+"))
    return Bill(tuple((int(price), int(quantity)) for price, quantity in pairs))
