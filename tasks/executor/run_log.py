"""Where a run says what it does: in its log in Prefect's UI."""

import logging
from typing import Any

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger


def run_log() -> Any:  # noqa: ANN401 - Prefect's adapter, or a plain logger with the same methods
    """The present run's log; outside Prefect's runs one that nobody reads."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("a2r")
