"""A run's numbers: the object of `a2r run --json`.

Mappings on purpose: the same object is printed, and crosses processes as the result of a Prefect flow.
"""

from typing import Literal

from typing_extensions import TypedDict  # of pydantic, which refuses typing's before Python 3.12

Status = Literal["complete", "incomplete"]


class StageCounts(TypedDict):
    """What a stage wanted and what became of it, in traces."""

    wanted: int
    generated: int
    reused: int
    """Found in the store."""
    errors: int
    """Neither made nor found."""
    blocked: int
    """Not even their ids are known, because references are missing."""
    truncated: int
    tokens: int
    """Prompts as billed, and completions, of all traces the run has."""


class Metric(TypedDict):
    """An estimate over problems with its 95 % interval."""

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    """Problems that have a value."""


class Cost(TypedDict):
    """What a stage used. None: the engine did not count, or the experiment gives no price or size."""

    tokens: int | None
    dollars: float | None
    petaflops: float | None


class StageSummary(TypedDict):
    """One stage run alone: neither graded nor put on record."""

    run_id: str
    status: Status
    stages: dict[str, StageCounts]


class Summary(TypedDict):
    """A run: also a `StageSummary`, with what grading adds."""

    run_id: str
    status: Status
    stages: dict[str, StageCounts]
    metrics: dict[str, Metric]
    cost: dict[str, Cost]
