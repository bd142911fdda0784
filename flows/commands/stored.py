"""A run of which everything is stored: planned, recorded and loaded here, with no engine, worker or server started.

It is a run like any other (on record, in the catalog, in reports and comparisons); only Prefect never hears of it, and
nothing here imports Prefect.
"""

from collections.abc import Callable
from contextlib import closing
from operator import attrgetter
from typing import NamedTuple

from configs.experiment import Experiment
from tasks.grade import assess, is_ungraded, judged_members
from tasks.run import Run, Stages, is_unmade, members_of, num_unmade, record, resolve, stage_summary
from warehouse.loader import load
from warehouse.locks import in_use
from warehouse.store import Store
from warehouse.summarize import summarize
from warehouse.summary import StageSummary, Summary


class Part(NamedTuple):
    """What of an experiment a command is about."""

    stages: Callable[[Run], Stages]
    """Those whose missing traces it makes."""
    is_recorded: bool
    """Whether it grades, and leaves a run on record."""


PARTS = {
    "run": Part(attrgetter("stages"), is_recorded=True),
    "explore": Part(attrgetter("explorers"), is_recorded=False),
    "synthesize": Part(attrgetter("readers"), is_recorded=False),
    "grade": Part(lambda _: (), is_recorded=True),
}
"""What each command over one experiment does."""


def run_stored(
    experiment: Experiment, root: str, limit: int | None, part: Part
) -> Summary | StageSummary | None:
    """The outcome of a run that has nothing to make, now on record; None where its flow has work or news for a person.

    Raises UserError.
    """
    store = Store(root)
    with in_use(store), store.listed_once():
        run = resolve(experiment, store, limit)
        with closing(run.grader):
            if is_lacking(run, part):
                return None
            if any(
                num_unmade(run, stage) for stage in (run.stages if part.is_recorded else part.stages(run))
            ):
                return None
            if not part.is_recorded:
                return stage_summary(run, part.stages(run))
            assess(run, judged_members)
            if run.complaints or run.undecided:
                return None
            record(run)
    load(store)
    return summarize(store, run.run_id)


def is_lacking(run: Run, part: Part) -> bool:
    """Whether a trace or a verdict is to be made."""
    if is_unmade(run, part.stages(run)):
        return True
    run.members = members_of(run)  # nothing is made here that could change them
    return part.is_recorded and is_ungraded(run)
