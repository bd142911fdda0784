"""The grader that an experiment's settings mean."""

from collections.abc import Callable, Iterable
from pkgutil import resolve_name

from configs.graders import KINDS, GraderSettings
from tasks.graders.function import Function
from tasks.graders.protocol import Grader
from tasks.grading.judge import Judge
from warehouse.records import Problem


def grader_of(settings: GraderSettings, root: str, problems: Iterable[Problem] = ()) -> Grader:
    """The grader of an experiment's settings, nothing started. Raises UserError for one that cannot work."""
    if settings.kind == "judge":
        return Judge(settings, root, {problem.problem_digest: problem for problem in problems})
    if settings.kind == "function":
        return Function(settings, {problem.problem_digest: problem for problem in problems})
    build: Callable[[GraderSettings], Grader] = resolve_name(KINDS[settings.kind])
    return build(settings)
