"""What a grader is, and which one an experiment means."""

from typing import Literal, Protocol

from configs.graders import ExactGrader, MathGrader
from configs.graders import Grader as Form
from tasks.graders.exact import Exact
from tasks.graders.math import Math

Verdict = Literal["correct", "wrong", "timeout", "grader_error"]
"""What a grader can say of an answer; `no_answer` and `truncated` are said where there is none."""


class Grader(Protocol):
    """Decides whether an answer is the gold answer.

    `name` and `version` are the key under which its grades are kept: whoever changes what it
    decides changes the version, and the stored traces are graded anew.
    """

    name: str
    version: str

    def verdict(self, gold: str, answer: str) -> Verdict:
        """The verdict on an extracted answer; never raises for what a model wrote."""
        ...


def grader_for(form: Form) -> Grader:
    """The grader of an experiment's setting."""
    match form:
        case MathGrader():
            return Math()
        case ExactGrader():
            return Exact()
