"""Suites: the problems of several benchmarks, each under its benchmark's name.

A question decides what its traces are, not what it is called, so a suite shares every trace with runs of its benchmarks alone.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from configs.experiment import Benchmark, SuiteBenchmark
from configs.schema import UserError
from tasks.benchmarks.mapping import name_of
from warehouse.records import Problem
from warehouse.summary import SuiteMember


def together(suite: str, found: Mapping[str, Sequence[Problem]]) -> list[Problem]:
    """The problems of a suite, in order, their ids behind their benchmark's name: aime24/60.

    Raises UserError for a question that is in two benchmarks: it would count in both, and they are compared as independent.

    Args:
        suite: What the benchmark is called whose problems they are now.
        found: The problems of each benchmark.
    """
    problems: list[Problem] = []
    owners: dict[str, tuple[str, str]] = {}
    for name, members in found.items():
        for problem in members:
            named = replace(problem, benchmark=suite, problem_id=f"{name}/{problem.problem_id}")
            owner, earlier = owners.setdefault(problem.problem_digest, (name, named.problem_id))
            if owner != name:
                raise UserError(
                    f"benchmark.of: {owner} and {name} share problems ({earlier} and {named.problem_id} ask the same "
                    f"question); leave one of them out, or remove the problem from its file."
                )
            problems.append(named)
    return problems


def members_of_suite(benchmark: Benchmark, problems: Sequence[Problem]) -> dict[str, SuiteMember]:
    """The benchmarks of a suite with the number of their problems; of another benchmark, nothing."""
    if not isinstance(benchmark, SuiteBenchmark):
        return {}
    counts = Counter(member_of(problem.problem_id) for problem in problems)
    return {
        name: {"benchmark": name_of(member), "num_problems": counts[name]}
        for name, member in benchmark.of.items()
    }


def member_of(problem_id: str) -> str:
    """The name of the benchmark that a suite has a problem from."""
    return problem_id.partition("/")[0]
