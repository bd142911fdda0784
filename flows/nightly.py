"""The nightly flow: every experiment of the night, then what has changed."""

from typing import Any

import tasks.executor.environment  # noqa: F401 - before Prefect

from prefect import State, flow

from configs.nightly import Night, load_nightly
from flows.evaluate import evaluate
from tasks.ops.nightly import night_name, run_night, tell_failure


@flow(name="nightly", flow_run_name=night_name, on_failure=[tell_failure])
def nightly(night: Night | None = None, root: str | None = None) -> State[Any]:
    """Evaluate the experiments of a night one after the other; only what is missing is generated.

    An experiment that fails does not hold up the others; the night then is Failed, and Retry makes
    what is missing.

    Args:
        night: The experiments; absent: those of configs/nights/nightly.yaml.
        root: Where results live: a folder or an fsspec URL; else A2R_ROOT, else ./a2r-data.
    """
    return run_night(night or load_nightly().night, root, evaluate)
