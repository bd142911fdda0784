"""The grader that an experiment's settings mean."""

from collections.abc import Callable, Iterable, Mapping
from pkgutil import resolve_name
from typing import Any

from configs.graders import KINDS, GraderSettings, SingleGraderSettings
from tasks.graders.function import Function
from tasks.graders.math import Math
from tasks.graders.protocol import Grader
from tasks.grading.cascade import Cascade
from tasks.grading.judge import Judge
from warehouse.records import Problem

AnyGrader = Grader | Cascade
"""What an experiment may be graded by."""

_OF_PROBLEMS: Mapping[str, Callable[[Any, str, Mapping[str, Problem]], Grader]] = {
    "math": lambda settings, _, problems: Math(settings, problems),
    "function": lambda settings, _, problems: Function(settings, problems),
    "judge": Judge,
}
"""Kinds that also need the problems, and one of them a root."""


def grader_of(settings: GraderSettings, root: str, problems: Iterable[Problem] = ()) -> AnyGrader:
    """The grader of an experiment's settings, nothing started. Raises UserError for one that cannot work."""
    if settings.kind == "cascade":
        known = list(problems)
        return Cascade(settings, [_single(one, root, known) for one in settings.of])
    return _single(settings, root, problems)


def judge_of(grader: AnyGrader) -> Judge | None:
    """The language model that decides, if one does."""
    return grader.judge if isinstance(grader, Cascade) else grader if isinstance(grader, Judge) else None


def _single(settings: SingleGraderSettings, root: str, problems: Iterable[Problem]) -> Grader:
    if settings.kind in _OF_PROBLEMS:
        by_digest = {problem.problem_digest: problem for problem in problems}
        return _OF_PROBLEMS[settings.kind](settings, root, by_digest)
    build: Callable[[SingleGraderSettings], Grader] = resolve_name(KINDS[settings.kind])
    return build(settings)
