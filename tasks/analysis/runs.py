"""The runs of a root, newest first: what each was, how well it did, and what its traces cost."""

from dataclasses import dataclass
from datetime import datetime

from configs.schema import UserError
from warehouse.catalog import connect, rows
from warehouse.relations import statement
from warehouse.store import Store


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. The headline is the synthesizer's accuracy, without one the explorer's vote, else one sample's."""

    run_id: str
    experiment: str
    status: str
    benchmark: str
    num_problems: int
    metric: str | None
    """The headline's name; None, with the next three, where nothing was graded."""
    estimate: float | None
    low: float | None
    high: float | None
    num_measured: int | None
    """Problems behind the headline."""
    num_tokens: int | None
    dollars: float | None
    """Of all the run's traces, reused ones too; None where a stage has no price."""
    petaflops: float | None
    started_at: datetime
    finished_at: datetime


def list_runs(root: str, num_runs: int, experiment: str | None = None) -> list[RunRow]:
    """So many runs at most, of one experiment or of all. Raises UserError for an experiment that never ran."""
    with connect(Store(root)) as catalog:
        values = {"num_runs": num_runs, "experiment": experiment}
        found = [RunRow(**row) for row in rows(catalog, statement("asking/runs"), values)]
        if experiment and not found:
            names = catalog.execute("select distinct experiment from runs order by 1").fetchall()
            known = ", ".join(name for (name,) in names) or "none"
            raise UserError(f"There is no run of an experiment {experiment}; there are: {known}.")
    return found
