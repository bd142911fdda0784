"""The kinds of graders: which class applies an experiment's settings."""

from collections.abc import Callable, Iterable
from typing import Any

from configs.graders import GraderSettings
from tasks.graders.choice import Choice
from tasks.graders.exact import Exact
from tasks.graders.function import Function
from tasks.graders.math import Math
from tasks.graders.numeric import Numeric
from tasks.graders.protocol import Grader
from tasks.graders.regex import Regex
from tasks.grading.judge import Judge
from warehouse.records import Problem

KINDS: dict[str, Callable[[Any], Grader]] = {
    "choice": Choice,
    "exact": Exact,
    "function": Function,
    "math": Math,
    "numeric": Numeric,
    "regex": Regex,
}
"""Graders that decide by their settings alone; a judge also needs a root for its traces, and the problems' texts."""


def grader_of(settings: GraderSettings, root: str, problems: Iterable[Problem] = ()) -> Grader:
    """The grader of an experiment's settings, nothing started. Raises UserError for one that cannot work."""
    if settings.kind == "judge":
        return Judge(settings, root, {problem.problem_digest: problem for problem in problems})
    return KINDS[settings.kind](settings)
