"""A step of a run as a task of the present flow run."""

from collections.abc import Callable
from typing import TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.executor.cache import quoted

T = TypeVar("T")


def as_task(name: str, label: str, work: Callable[[], T]) -> T:
    """Do the work as a task; Prefect's pages call the task `name` and this run of it `label`."""
    return _step.with_options(name=name)(label, quoted(work))


@task(task_run_name="{label}", cache_policy=NO_CACHE)
def _step(label: str, work: Callable[[], T]) -> T:  # noqa: ARG001 - the label names the run
    return work()
