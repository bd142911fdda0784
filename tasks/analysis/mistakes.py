"""What is wrong with an experiment that can be known before anything is started: one sentence per mistake.

Nothing is sent, downloaded or loaded onto an accelerator. Each part is tried by itself, so that a person who mends
one mistake does not meet the next one only afterwards.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from configs.experiment import Experiment, FileBenchmark, SuiteBenchmark
from configs.graders import JudgeGrader
from configs.nightly import Nightly
from configs.roles import Role
from configs.schema import UserError
from tasks.benchmarks.problems import load_problems
from tasks.engines.protocol import EngineAbsent
from tasks.engines.resolving import resolved
from tasks.prompts.references import Reference
from tasks.prompts.render import load_prompt
from tasks.run import check_grader

_EXAMPLE = (Reference(index=1, text="1", count=1),)


class Mistakes(NamedTuple):
    """Sentences, each with what to do; none twice."""

    settings: tuple[str, ...]
    """What is wrong wherever the experiment runs: engines, key variables, prompts, the grader, local problems."""
    absent: tuple[str, ...]
    """What only this machine lacks: the program of an engine."""


def mistakes_of(experiment: Experiment, root: str) -> Mistakes:
    """All that is wrong; two empty tuples where all is well."""
    settings, absent = dict[str, None](), dict[str, None]()
    for attempt in _attempts(experiment, root):
        try:
            attempt()
        except EngineAbsent as error:
            absent[str(error)] = None
        except UserError as error:
            settings[str(error)] = None
    return Mistakes(tuple(settings), tuple(absent))


def loaded_night(nightly: Nightly, file: str, root: str) -> list[Experiment]:
    """The night's experiments. Raises UserError with a sentence for each mistake of any of them; nothing is started."""
    experiments, mistakes = list[Experiment](), list[str]()
    for number, entry in enumerate(nightly.experiments):
        place = f"{file}: experiments.{number}"
        try:
            experiment = entry.named.load()
        except UserError as error:
            mistakes += [f"{place}: {line}" for line in str(error).splitlines()]
            continue
        experiments.append(experiment)
        settings, absent = mistakes_of(experiment, root)
        mistakes += [f"{place} ({experiment.name}): {mistake}" for mistake in (*settings, *absent)]
    if mistakes:
        raise UserError("\n".join(mistakes))
    return experiments


def _attempts(experiment: Experiment, root: str) -> Iterator[Callable[[], object]]:
    benchmark, grader = experiment.benchmark, experiment.grader
    for each in benchmark.of.values() if isinstance(benchmark, SuiteBenchmark) else (benchmark,):
        if isinstance(each, FileBenchmark):
            yield partial(load_problems, each)
    for stage in experiment.stages:
        yield from _role(stage.field, stage.role, {"question": "1", "references": _EXAMPLE})
        if stage.references and (tokenizer := stage.references.tokenizer):
            yield partial(_exists, tokenizer, f"{stage.field}.references.tokenizer")
    if isinstance(grader, JudgeGrader):
        yield from _role("grader", grader, {"question": "1", "gold": "1", "answer": "1"})
    else:
        yield lambda: check_grader(experiment, root)


def _role(name: str, role: Role | JudgeGrader, values: dict[str, object]) -> Iterator[Callable[[], object]]:
    def engine() -> None:
        kind, settings = resolved(role.engine)
        kind.check(role.model, settings)
        kind.identify(role.model, settings)

    yield lambda: _within(name, engine)
    yield lambda: _within(name, lambda: load_prompt(role.prompt).filled(values))


def _within(name: str, attempt: Callable[[], object]) -> None:
    try:
        attempt()
    except UserError as error:
        raise type(error)(f"{name}: {error}") from error


def _exists(path: str, field: str) -> None:
    if not Path(path).is_file():
        raise UserError(f"{field} is {path}, which does not exist; give the path of a tokenizer.json.")
