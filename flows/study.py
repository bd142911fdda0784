"""The study flows: what reading references is worth, and how methods compare at equal cost, measured with small models."""

import tasks.executor.environment  # noqa: F401 - before Prefect

from prefect import flow

from configs.training import Training
from flows.evaluate import evaluate
from tasks.research.study.method_study import MethodsReport, run_methods
from tasks.research.study.methods import Scope
from tasks.research.study.study import StudyReport, run_study


@flow(name="study", flow_run_name="{training.name}")
def study(
    training: Training,
    root: str | None = None,
    num_problems: int = 2000,
    docs: str = "docs/study",
    *,
    from_scratch: bool = False,
) -> StudyReport:
    """Evaluate every cell of the asymmetry study on held-out problems and write its page of tables and plots.

    Args:
        training: The family of models.
        root: Where results and models live: a folder; else A2R_ROOT, else ./a2r-data.
        num_problems: Held-out problems, the same for every cell.
        docs: Folder of the page.
        from_scratch: Leave out the shipped models.
    """
    return run_study(training, root, num_problems, docs, evaluate, from_scratch=from_scratch)


@flow(name="study-methods", flow_run_name="methods")
def study_methods(scope: Scope, root: str | None = None, docs: str = "docs/study") -> MethodsReport:
    """Evaluate every method of parallel reasoning at equal cost on held-out problems and write the page of tables and plots.

    Args:
        scope: How many problems and seeds, and which methods.
        root: Where results live: a folder or an fsspec URL; else A2R_ROOT, else ./a2r-data.
        docs: Folder of the page.
    """
    return run_methods(scope, root, docs, evaluate)
