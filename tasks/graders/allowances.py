r"""What a benchmark allows for a problem: a tolerance and a unit, in columns of their own, as OlympiadBench has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import orjson

from configs.graders import MathGrader
from tasks.graders.equality import decided
from tasks.graders.layout import undecorated
from tasks.graders.numeric import number_of
from warehouse.records import Problem


@dataclass(frozen=True)
class Allowance:
    """How far from the gold number an answer may be, and what may stand behind it."""

    tolerance: Fraction | None
    unit: str
    """Without its layout; empty where there is none."""

    def is_met(self, gold: str, answer: str) -> bool:
        """Whether the answer is right because of it."""
        told = self._without_unit(answer)
        if told != answer and decided(gold, told) == "correct":
            return True
        if self.tolerance is None:
            return False
        right, value = number_of(self._without_unit(gold)), number_of(told)
        return right is not None and value is not None and abs(value - right) <= self.tolerance

    def _without_unit(self, text: str) -> str:
        plain = undecorated(text)
        if not self.unit or not plain.endswith(self.unit):
            return text
        return plain[: -len(self.unit)].rstrip(" ~")


def allowances(form: MathGrader, problems: Mapping[str, Problem]) -> dict[str, Allowance]:
    """By the problem's digest, for those of which a column says something."""
    if form.tolerance is None and form.unit is None:
        return {}
    found = {}
    for digest, problem in problems.items():
        row = orjson.loads(problem.metadata)
        allowed = Allowance(_tolerance(row.get(form.tolerance)), undecorated(str(row.get(form.unit) or "")))
        if allowed.tolerance is not None or allowed.unit:
            found[digest] = allowed
    return found


def _tolerance(value: object) -> Fraction | None:
    """1e-1, .01, 0.5; None for nothing, several numbers, or what is none."""
    try:
        found = Fraction(str(value)) if value is not None else None
    except ValueError:
        return None
    return found if found is not None and found >= 0 else None
