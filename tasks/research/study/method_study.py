"""The execution of the study of methods: every method of every family and seed evaluated by the pipeline, then the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.experiment import Experiment
from configs.schema import UserError
from tasks.engines.pool import ENGINES, Stopped
from tasks.executor.errors import FlowIncomplete
from tasks.executor.run_log import run_log
from tasks.research.study.method_page import write_methods_page
from tasks.research.study.method_results import FamilyResults, results_of_family
from tasks.research.study.methods import Scope
from warehouse.catalog import connect
from warehouse.loader import load
from warehouse.store import Store, default_root
from warehouse.summary import Summary


@dataclass(frozen=True, slots=True)
class MethodsReport:
    """The object of `a2r study methods --json`."""

    study: str
    status: str
    """complete, or incomplete if a method failed or is not in the store."""
    num_runs: int
    """Evaluated now."""
    missing: list[str]
    """Methods that the page has no number of, by family and seed."""
    page: str


def run_methods(scope: Scope, root: str | None, docs: str, evaluate: Callable[..., Summary]) -> MethodsReport:
    """Evaluate every method, then write the page; only what is missing is generated. Raises FlowIncomplete.

    The seeds of a family come one after the other, so that an interrupted study has whole seeds.
    """
    store = Store(root or default_root())
    complaints, num_runs = list[str](), 0
    for name, experiment in _experiments(scope).items():
        stops = ENGINES.stops
        try:
            evaluate(experiment=experiment, root=store.root)
            num_runs += 1
        except UserError as error:
            complaints.append(f"{name}: {error}")
        if ENGINES.stops > stops:
            raise Stopped
        run_log().info("%s", name)
    report = _page(_found(scope, store), scope, docs, num_runs)
    if complaints:
        raise FlowIncomplete(report, "\n".join(complaints))
    return report


def report_stored(
    scope: Scope, root: str | None, docs: str, *, is_partial_enough: bool = False
) -> MethodsReport | None:
    """The page from what the store has; nothing is generated. None, and no page, where it does not have all.

    With `is_partial_enough`, the page of what there is, which names what is missing. Raises UserError where there is nothing.
    """
    store = Store(root or default_root())
    found = _found(scope, store) if store.names("runs", ".json") else []
    if not is_partial_enough and (not found or any(family.missing for family in found)):
        return None
    if not any(family.results for family in found):
        raise UserError(
            f"{store.root} holds no run of the study of methods on {scope.num_problems} problems; make them with: "
            f"a2r study methods --problems {scope.num_problems} --root {store.root}"
        )
    return _page(found, scope, docs, 0)


def _experiments(scope: Scope) -> dict[str, Experiment]:
    return {
        method.experiment.name: method.experiment
        for family in scope.families
        for seed in range(scope.num_seeds)
        for method in scope.methods(family, seed)
    }


def _found(scope: Scope, store: Store) -> list[FamilyResults]:
    """What the store has of each family."""
    load(store)
    with connect(store) as catalog:
        return [results_of_family(catalog, family, scope) for family in scope.families]


def _page(found: Sequence[FamilyResults], scope: Scope, docs: str, num_runs: int) -> MethodsReport:
    page = write_methods_page(found, scope.num_problems, Path(docs))
    missing = [f"{family.family}: {name}" for family in found for name in family.missing]
    return MethodsReport("methods", "incomplete" if missing else "complete", num_runs, missing, str(page))
