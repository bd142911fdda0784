"""What a grader is: an answer found in a text, and a verdict on it.

A verdict that follows from the form of gold and answer is given at once, in this process; one that
needs work (symbols, a user's code, a judge) is asked for together with others, so that it can be
made elsewhere, once for each distinct case, and remembered.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, get_args

from pydantic import BaseModel, JsonValue

from warehouse.canonical import digest

Verdict = Literal["correct", "wrong", "timeout", "grader_error"]
"""What a grader can say of an answer; `no_answer` and `truncated` are said where there is none."""

VERDICTS: frozenset[str] = frozenset(get_args(Verdict))


class Scored(NamedTuple):
    """A verdict with the score behind it."""

    verdict: Verdict
    points: float
    """Between 0 and 1."""


Said = Verdict | Scored
"""What a grader says of an answer, with a score or without."""


def verdict_of(said: Said) -> Verdict:
    """Right or wrong, or why neither."""
    return said.verdict if isinstance(said, Scored) else said


def points_of(said: Said) -> float | None:
    """The score; None where the verdict says it all."""
    return said.points if isinstance(said, Scored) else None


def scored(points: float, threshold: float) -> Said:
    """A score as a verdict: right from the threshold on. One that is not between 0 and 1 is a grader_error."""
    if not 0 <= points <= 1:
        return "grader_error"
    return Scored("correct" if points >= threshold - _ROUNDING else "wrong", points)


_ROUNDING = 1e-9
"""Three times a third is full marks."""


class Case(NamedTuple):
    """One question to a grader: whether this answer to this problem is right."""

    problem_digest: str
    gold: str
    answer: str
    text: str = ""
    """The whole answer, for graders that read traces."""
    reasoning: str = ""
    """What stands before it, for the same."""


class Grader(Protocol):
    """Decides whether an answer is the gold answer; never raises for what a model wrote."""

    key: str
    """Name, version and digest of the settings: the folder of its grades. Whoever changes what a
    grader decides changes its version, and the stored traces are graded anew."""

    complaints: list[str]
    """Why some cases have no verdict, in sentences for people."""

    reads_traces: bool
    """Whether its cases hold the trace's text; verdicts are then made trace by trace."""

    def extract(self, texts: Sequence[str]) -> list[str | None]:
        """The answer in each text; None where there is none."""
        ...

    def vote_key(self, answer: str) -> str:
        """Equal for answers that are the same vote."""
        ...

    def decide(self, gold: str, answer: str) -> Verdict | None:
        """The verdict where it follows from the form of both; None: `work_out` has to be asked."""
        ...

    def proves(self, gold: str, answer: str) -> bool:
        """Whether its `wrong` on this answer is certain, and not only what it says of all that it cannot read."""
        ...

    def work_out(self, cases: Collection[Case]) -> Mapping[Case, Said]:
        """Verdicts that take work. A case that is left out has none yet: a later run asks again."""
        ...

    def close(self) -> None:
        """Let go of processes and engines; safe to call twice."""
        ...


class Quick:
    """What graders share that decide everything at once."""

    complaints: list[str] = []  # noqa: RUF012 - they have none
    reads_traces: bool = False

    def proves(self, gold: str, answer: str) -> bool:  # noqa: ARG002
        """It reads every answer."""
        return True

    def work_out(self, cases: Collection[Case]) -> dict[Case, Verdict]:  # noqa: ARG002
        """Nothing is left to work out."""
        return {}

    def close(self) -> None:
        """There is nothing to let go of."""


def key_of(name: str, version: str, settings: dict[str, JsonValue]) -> str:
    """`math-3`, or `math-3.1a2b3c4d` where settings differ from the defaults.

    A setting at its default leaves no mark, so a new setting keeps every stored grade.
    """
    return f"{name}-{version}" + (f".{digest(settings, 'grader')[:8]}" if settings else "")


def settings_of(form: BaseModel, *left_out: str) -> dict[str, JsonValue]:
    """The settings of a form that are not at their defaults."""
    return form.model_dump(mode="json", exclude_defaults=True, exclude={"kind", *left_out})
