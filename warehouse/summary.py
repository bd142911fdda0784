"""A run's numbers: the object of `a2r run --json`.

Mappings on purpose: the same object is printed, and crosses processes as the result of a Prefect flow.
"""

from typing import Literal, NotRequired

from typing_extensions import TypedDict  # of pydantic, which refuses typing's before Python 3.12

Status = Literal["complete", "incomplete"]


class StageCounts(TypedDict):
    """What a stage wanted and what became of it, in traces."""

    wanted: int
    generated: int
    """Made by this run."""
    reused: int
    """Found in the store, also what another run at once has made meanwhile."""
    errors: int
    """Neither made nor found."""
    blocked: int
    """Not even their ids are known, because references are missing."""
    truncated: int
    tokens: int
    """Prompts as billed, and completions, of all traces the run has."""


class SuiteMember(TypedDict):
    """One benchmark of a suite."""

    benchmark: str
    """What it is called where it is run alone."""
    num_problems: int


class VerdictCounts(TypedDict):
    """What grading came to in a stage, in samples per problem: a trace that two problems share counts twice."""

    answers: int
    """Samples with a stored answer."""
    decided: int
    """Right or wrong: what every rate is computed over. Truncated answers, and texts without an answer, are wrong."""
    no_answer: int
    truncated: int
    undecided: int
    """The grader gave up (timeout, grader_error); left out of every rate."""
    ungraded: int
    """No verdict yet; left out of every rate."""
    by_hand: int
    """Verdicts that a person gave, above the grader."""


class Metric(TypedDict):
    """An estimate over problems with its 95 % interval."""

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    """Problems that have a value."""
    wanted: int
    """Problems of the run."""
    undecided: int
    """Samples behind it on which no verdict was reached, now or ever; left out of the estimate."""


class Cost(TypedDict):
    """What a stage used. None: the engine did not count, or the experiment gives no price or size."""

    tokens: int | None
    dollars: float | None
    petaflops: float | None
    cost_note: str | None
    """Why dollars or petaflops are None or too low."""


class Agreement(TypedDict):
    """How often two graders of a cascade agree, on the samples that one of them decided and both graded."""

    stage: str
    grader: str
    other_grader: str
    decided_by: str
    num_both: int
    num_agreed: int


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
    verdicts: dict[str, VerdictCounts]
    agreement: list[Agreement]
    benchmarks: NotRequired[dict[str, dict[str, Metric]]]
    """Of a suite: the metrics of each of its benchmarks; `metrics` are their macro-averages."""
    warnings: list[str]
    """What a reader of the numbers has to know, in sentences."""
