"""A benchmark's problems, from any source."""

from collections.abc import Callable

from configs.experiment import Benchmark, FileBenchmark, GeneratedBenchmark, HubBenchmark, SuiteBenchmark
from tasks.benchmarks.families.draw import problems as generated_problems
from tasks.benchmarks.hub import read_hub
from tasks.benchmarks.mapping import name_of, problems_of
from tasks.benchmarks.row_files import read_rows
from tasks.benchmarks.suites import together
from warehouse.records import Problem
from warehouse.store import Store


def load_problems(
    benchmark: Benchmark,
    limit: int | None = None,
    store: Store | None = None,
    *,
    keeps: bool = False,
    say: Callable[[str], None] | None = None,
) -> list[Problem]:
    """The problems in the data set's order, at most `limit` of each benchmark. Raises UserError for rows that cannot be used.

    Args:
        benchmark: Which problems.
        limit: Only the first so many.
        store: The root that may keep rows of the hub; with `keeps` it keeps them from now on.
        keeps: Whether what the hub gives is kept.
        say: Is given a sentence where rows that are kept stand for a hub that cannot be reached.
    """
    name = name_of(benchmark)
    match benchmark:
        case HubBenchmark():
            problems = problems_of(
                read_hub(benchmark, store, say, keeps=keeps), benchmark, name, benchmark.path
            )
        case FileBenchmark():
            problems = problems_of(read_rows(benchmark.path), benchmark, name, benchmark.path)
        case GeneratedBenchmark():
            problems = [
                Problem.of(
                    benchmark=name,
                    problem_id=f"{name.replace(':', '-')}-{number:04}",
                    question=puzzle.question,
                    gold=puzzle.gold,
                    metadata={"family": benchmark.family},
                )
                for number, puzzle in enumerate(generated_problems(benchmark))
            ]
        case SuiteBenchmark():
            return together(
                name,
                {
                    member: load_problems(settings, limit, store, keeps=keeps, say=say)
                    for member, settings in benchmark.of.items()
                },
            )
    return problems[:limit]
