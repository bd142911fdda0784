"""What a run's answers cost as they come, and whether more may be sent within its budget.

One `Spending` per run and one `Meter` per stage of it, found again by root and recipe. While answers come they are used
on the engines' loop alone. A request goes out while what is spent, and what is on its way at the mean of the answers so
far (before there are some: at the longest answer), is less than the budget; so a budget is passed by less than what was
in flight, and nearly always by far less.
"""

import asyncio
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field

from configs.experiment import Budget
from configs.models import Price
from warehouse.identity import Recipe
from warehouse.records import TraceRow

COUNTED = (
    "num_billed_prompt_tokens",
    "num_completion_tokens",
    "num_cached_prompt_tokens",
    "num_reasoning_tokens",
    "billed_dollars",
    "service_tier",
)
"""Columns of a trace that its cost follows from."""
_CHARACTERS_PER_TOKEN = 4
_LONGEST_ANSWERS = 8
"""Answers of the longest kind that each mean begins with: short ones come first and say little of the others."""


@dataclass
class Spending:
    """What the answers that a run wants have cost, those stored before it included."""

    budget: Budget | None = None
    dollars: float = 0.0
    tokens: int = 0
    """Prompts as billed, and completions; of an answer that was not counted, its text's length in characters by four."""
    meters: list["Meter"] = field(default_factory=list["Meter"])
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_reached(self) -> bool:
        """Whether nothing more is sent."""
        return self._share(0.0, 0.0) >= 1

    async def admit(self, meter: "Meter", units: int) -> bool:
        """Whether so many samples of a stage may be requested; waits where that depends on what is on its way."""
        if self.budget is None:
            meter.in_flight += units
            return True
        while not self.is_reached:
            meter.in_flight += units
            if self._is_alone(units) or self._share(*self._on_way()) < 1:
                return True
            meter.in_flight -= units
            self._changed.clear()
            await self._changed.wait()
        return False

    def release(self, meter: "Meter", units: int) -> None:
        """So many samples are no longer on their way, whatever became of them."""
        meter.in_flight -= units
        self._changed.set()

    def shown(self) -> str:
        """What is spent of the budget, for people; empty without one."""
        if not self.budget:
            return ""
        parts = [
            f"${self.dollars:,.2f} of {self.budget.dollars:,.2f}" if self.budget.dollars else "",
            f"{self.tokens:,} of {self.budget.tokens:,} tokens" if self.budget.tokens else "",
        ]
        return ", ".join(filter(None, parts))

    def _is_alone(self, units: int) -> bool:
        """Whether only these are on their way: what they cost has to be found out."""
        return sum(meter.in_flight for meter in self.meters) == units

    def _on_way(self) -> tuple[float, float]:
        """Dollars and tokens of what is on its way, by the mean of each stage's answers so far."""
        dollars, tokens = zip(*(meter.mean(meter.in_flight) for meter in self.meters), strict=True)
        return sum(dollars), sum(tokens)

    def _share(self, dollars: float, tokens: float) -> float:
        """The largest share of a limit that is used with so much more; 0 without a limit."""
        budget = self.budget
        if budget is None:
            return 0.0
        return max(
            (self.dollars + dollars) / budget.dollars if budget.dollars else 0.0,
            (self.tokens + tokens) / budget.tokens if budget.tokens else 0.0,
        )


@dataclass
class Meter:
    """One stage's part in what its run spends."""

    price: Price | None = None
    max_tokens: int = 0
    """Of one answer."""
    spending: Spending = field(default_factory=Spending)
    in_flight: int = 0
    """Samples that are requested and not answered."""
    num_counted: int = 0
    dollars: float = 0.0
    """Of the answers that came in this run."""
    tokens: int = 0

    def __post_init__(self) -> None:
        self.spending.meters.append(self)

    def count(self, row: TraceRow) -> None:
        """Add one trace that came, with the columns of `TRACES`."""
        tokens, dollars = tokens_of(row), dollars_of(row, self.price) or 0.0
        self.num_counted += 1
        self.tokens += tokens
        self.dollars += dollars
        self.spending.tokens += tokens
        self.spending.dollars += dollars

    def count_stored(self, rows: Iterable[TraceRow]) -> None:
        """Add traces that were there before the run; they are spent, and no answers of this run."""
        for row in rows:
            self.spending.tokens += tokens_of(row)
            self.spending.dollars += dollars_of(row, self.price) or 0.0

    def mean(self, units: int) -> tuple[float, float]:
        """Dollars and tokens that so many samples take if they are like those that came."""
        longest = {"num_completion_tokens": self.max_tokens, "num_billed_prompt_tokens": 0}
        n = self.num_counted + _LONGEST_ANSWERS
        dollars = self.dollars + _LONGEST_ANSWERS * (dollars_of(longest, self.price) or 0.0)
        return units * dollars / n, units * (self.tokens + _LONGEST_ANSWERS * self.max_tokens) / n

    def shown(self) -> str:
        """What is spent, for people: of the run's budget, else of this stage in this run; empty where that is not known."""
        return self.spending.shown() or (f"${self.dollars:,.2f}" if self.dollars else "")


_METERS: MutableMapping[tuple[str, str], Meter] = {}


def set_meter(root: str, recipe: Recipe, meter: Meter) -> None:
    """Have the recipe's traces on this root counted by the meter from now on."""
    _METERS[root, recipe.digest] = meter


def meter_of(root: str, recipe: Recipe) -> Meter:
    """The meter of a recipe on a root; one without price and budget where none was set."""
    return _METERS.setdefault((root, recipe.digest), Meter())


def tokens_of(row: TraceRow) -> int:
    """Tokens of a trace: prompt as billed, and completion; what the engine did not count is taken from the text's length."""
    completion = row.get("num_completion_tokens")
    if completion is None:
        completion = (
            sum(len(row.get(name) or "") for name in ("reasoning", "answer")) // _CHARACTERS_PER_TOKEN
        )
    return completion + (row.get("num_billed_prompt_tokens") or 0)


def dollars_of(row: TraceRow, price: Price | None) -> float | None:
    """Dollars of a trace, by the rule of `sql/macros/dollars_of.sql`; None where neither bill nor price is known."""
    if row.get("billed_dollars") is not None:
        return row["billed_dollars"]
    prompt, completion = row.get("num_billed_prompt_tokens"), row.get("num_completion_tokens")
    if price is None or (prompt is None and completion is None):
        return None
    prompt, completion = prompt or 0, completion or 0
    cached = min(row.get("num_cached_prompt_tokens") or 0, prompt)
    reasoning = min(row.get("num_reasoning_tokens") or 0, completion)
    whole = (
        (prompt - cached) * price.input
        + cached * (price.input if price.cached_input is None else price.cached_input)
        + (completion - reasoning) * price.output
        + reasoning * (price.output if price.reasoning is None else price.reasoning)
    )
    return whole * (price.batch if row.get("service_tier") == "batch" else 1) / 1e6
