"""A run of which everything is stored: planned, recorded and loaded here, with no engine, worker or server started.

It is a run like any other (on record, in the catalog, in reports and comparisons); only Prefect never hears of it, and
nothing here imports Prefect.
"""

from contextlib import closing
from typing import NamedTuple

from configs.experiment import Experiment
from tasks.grade import assess, is_ungraded
from tasks.run import Run, is_unmade, num_unmade, record, resolve, stage_summary
from warehouse.loader import load
from warehouse.locks import in_use
from warehouse.store import Store
from warehouse.summarize import summarize
from warehouse.summary import StageSummary, Summary


class Part(NamedTuple):
    """What of an experiment a command is about."""

    stages: tuple[str, ...] | None
    """Those whose missing traces it makes; None: all."""
    is_recorded: bool
    """Whether it grades, and leaves a run on record."""

    def has(self, stage: str) -> bool:
        """Whether it makes a stage's missing traces."""
        return self.stages is None or stage in self.stages


_PARTS = {"run": Part(stages=None, is_recorded=True), "grade": Part(stages=(), is_recorded=True)}


def part_of(command: str) -> Part:
    """What a command does: `run`, `grade`, or one stage, named like the command."""
    return _PARTS.get(command) or Part(stages=(command,), is_recorded=False)


def never_ran(experiment: Experiment, root: str) -> bool:
    """Whether a look at a root shows that no run of the experiment is on record; cheap, before anything is planned."""
    try:
        runs = Store(root).names("runs", ".json")
    except OSError:  # what is wrong with the root is told where it is opened
        return False
    return not any(f"-{experiment.name}-" in name for name in runs)


def run_stored(
    experiment: Experiment, root: str, limit: int | None, part: Part
) -> Summary | StageSummary | None:
    """The outcome of a run that has nothing to make, now on record; None where its flow has work or news for a person.

    Raises UserError.
    """
    store = Store(root)
    store.open_for_writing()
    with in_use(store):
        run = resolve(experiment, store, limit)
        with closing(run.grader):
            if is_lacking(run, part):
                return None
            if any(
                num_unmade(run, stage) for stage in run.stages if part.is_recorded or part.has(stage.name)
            ):
                return None
            if not part.is_recorded:
                return stage_summary(run, *(part.stages or ()))
            assess(run)
            if run.complaints or run.undecided:
                return None
            record(run)
    load(store)
    return summarize(store, run.run_id)


def is_lacking(run: Run, part: Part) -> bool:
    """Whether a trace or a verdict is to be made."""
    chosen = [stage.name for stage in run.stages if part.has(stage.name)]
    return is_unmade(run, chosen) or (part.is_recorded and is_ungraded(run))
