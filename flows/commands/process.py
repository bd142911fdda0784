"""How a flow is run from the command line: quiet Prefect, visible progress, a clean Ctrl-C."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

from rich.console import Console

from configs.experiment import Experiment
from configs.schema import UserError
from tasks.engines.pool import ENGINES
from tasks.progress import PROGRESS
from tasks.terminal import print_json, table_console

_SETTINGS = {
    # the temporary server of a run without PREFECT_API_URL: slow disks need more than the default
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "DO_NOT_TRACK": "1",
    # Arrow's default allocator keeps what each thread once used; with the system's, memory stays flat
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}

Show = Callable[[dict[str, Any], Console, str], None]
"""How what a flow returns is printed: the object, where to, and the root it is about."""

EXIT_INCOMPLETE = 1
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


def configure_process(*, verbose: bool) -> None:
    """Set what is not set otherwise; to be called before Prefect and Arrow are imported."""
    level = "INFO" if verbose else "CRITICAL"
    for name, value in (_SETTINGS | {"PREFECT_LOGGING_LEVEL": level}).items():
        os.environ.setdefault(name, value)


def perform(
    flow: Callable[..., dict[str, Any]],
    experiment: Experiment,
    root: str,
    limit: int | None,
    *,
    as_json: bool,
    show: Show,
) -> None:
    """Run a flow over an experiment; see `run_flow`."""
    run_flow(partial(flow, experiment=experiment, root=root, limit=limit), root, as_json=as_json, show=show)


def run_flow(
    flow: Callable[[], dict[str, Any]],
    root: str,
    *,
    as_json: bool,
    show: Show,
) -> None:
    """Run a flow, show or print what it returns, and exit 1 unless the work is whole.

    With `as_json` stdout holds the one object and everything else goes to stderr. The first Ctrl-C
    stops cleanly and exits with 130, SIGTERM with 143; what had arrived is stored by then.
    """
    console = table_console(stderr=as_json)
    complaint = None
    with PROGRESS.shown_on(Console(stderr=True)), _stopped_by_signals() as was_stopped:
        try:
            summary = flow()
        except Exception as error:
            if was_stopped():
                Console(stderr=True).print("Stopped. Run the same command again to go on from here.")
                raise SystemExit(EXIT_INTERRUPTED) from None
            summary = getattr(error, "summary", None)
            if summary is None:
                raise
            complaint = error
    if as_json:
        print_json(summary)
    else:
        show(summary, console, root)
    if complaint:
        Console(stderr=True).print(f"incomplete: {complaint}", markup=False, highlight=False, soft_wrap=True)
    if complaint or summary["status"] != "complete":
        raise SystemExit(EXIT_INCOMPLETE)


def print_user_errors(command: Callable[[], None]) -> None:
    """Run the command line; an error meant for people is one line on stderr and exit status 2."""
    try:
        command()
    except UserError as error:
        Console(stderr=True).print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(EXIT_INTERRUPTED) from None


@contextmanager
def _stopped_by_signals() -> Iterator[Callable[[], bool]]:
    signals: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signals.append(number)
        if len(signals) > 1:
            os._exit(EXIT_INTERRUPTED)
        PROGRESS.say("Stopping: what has arrived is being stored. Ctrl-C again quits at once.")
        ENGINES.stop()

    def on_terminate(_number: int, _frame: FrameType | None) -> None:
        ENGINES.stop()
        raise SystemExit(EXIT_TERMINATED)  # an ordinary exit also ends Prefect's temporary server

    before = {
        number: signal.signal(number, handler)
        for number, handler in ((signal.SIGINT, on_signal), (signal.SIGTERM, on_terminate))
    }
    try:
        yield lambda: bool(signals)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
