"""What a grader is: an answer found in a text, and a verdict on it.

A verdict that follows from the form of gold and answer is given at once, in this process; one that
needs work (symbols, a user's code, a judge) is asked for together with others, so that it can be
made elsewhere, once for each distinct case, and remembered.
"""

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple, Protocol, get_args

from pydantic import BaseModel, JsonValue

from warehouse.canonical import digest

Verdict = Literal["correct", "wrong", "timeout", "grader_error"]
"""What a grader can say of an answer; `no_answer` and `truncated` are said where there is none."""

VERDICTS: frozenset[str] = frozenset(get_args(Verdict))


class Case(NamedTuple):
    """One question to a grader: whether this answer to this problem is right."""

    problem_digest: str
    gold: str
    answer: str


class Grader(Protocol):
    """Decides whether an answer is the gold answer; never raises for what a model wrote."""

    key: str
    """Name, version and digest of the settings: the folder of its grades. Whoever changes what a
    grader decides changes its version, and the stored traces are graded anew."""

    complaints: list[str]
    """Why some cases have no verdict, in sentences for people."""

    def extract(self, texts: Sequence[str]) -> list[str | None]:
        """The answer in each text; None where there is none."""
        ...

    def vote_key(self, answer: str) -> str:
        """Equal for answers that are the same vote."""
        ...

    def decide(self, gold: str, answer: str) -> Verdict | None:
        """The verdict where it follows from the form of both; None: `work_out` has to be asked."""
        ...

    def work_out(self, cases: Collection[Case]) -> dict[Case, Verdict]:
        """Verdicts that take work. A case that is left out has none yet: a later run asks again."""
        ...

    def close(self) -> None:
        """Let go of processes and engines; safe to call twice."""
        ...


class Quick:
    """What graders share that decide everything at once."""

    complaints: list[str] = []  # noqa: RUF012 - they have none

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
