"""What a shard and a flow raise where something could not be made; what could is stored."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from configs.schema import UserError


class Failures(NamedTuple):
    """How many traces of a shard, or of several shards of a stage, failed, and why."""

    label: str
    """Of the shard; of several, the stage."""
    num_failed: int
    num_traces: int
    codes: Counter[str]
    example: str
    """One of the messages."""

    def __str__(self) -> str:
        """The sentence for people."""
        kinds = ", ".join(f"{count} {code}" for code, count in self.codes.most_common())
        return f"{self.label}: {self.num_failed} of {self.num_traces} traces failed ({kinds}); first: {self.example}"

    def joined(self, other: "Failures", label: str) -> "Failures":
        """Both as one, under a label."""
        return Failures(
            label,
            self.num_failed + other.num_failed,
            self.num_traces + other.num_traces,
            self.codes + other.codes,
            self.example,
        )


class ShardFailed(UserError):
    """Some traces of a shard failed; the others are stored in `parts`."""

    def __init__(self, failures: Failures, parts: Sequence[str] = (), *, is_transient: bool = False) -> None:
        super().__init__(str(failures))
        self.failures = failures
        self.parts = list(parts)
        self.is_transient = is_transient


class OverBudget(UserError):
    """A shard has traces that were not requested, because the run's budget is spent."""


def soonest(waits: Sequence[float | None]) -> float | None:
    """The first of the times after which to look again; None where there is none, or where something waits for a person."""
    times = [seconds for seconds in waits if seconds is not None]
    return min(times) if times and len(times) == len(waits) else None


class FlowIncomplete(UserError):
    """What a flow raises at its end, after all that could be done is done."""

    def __init__(
        self,
        summary: Any,  # noqa: ANN401 - whatever the flow would have returned
        message: str,
        *,
        is_over_budget: bool = False,
        again_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.summary = summary
        self.again_seconds = again_seconds
        """After how long what is under way elsewhere is looked at again; None where a person has to do something."""
        self.is_over_budget = is_over_budget
        """Whether nothing more is requested because the budget is spent."""
