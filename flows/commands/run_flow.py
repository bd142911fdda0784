"""How a flow is run from the command line: quiet Prefect, visible progress, a clean Ctrl-C, the exit code."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

from pydantic_core import to_jsonable_python
from rich.console import Console

from configs.experiment import Experiment
from configs.schema import UserError
from flows.commands.terminal import print_json, print_line, table_console
from tasks.engines.pool import ENGINES
from tasks.progress import PROGRESS

_SETTINGS = {
    # the temporary server of a run without PREFECT_API_URL: slow disks need more than the default
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "DO_NOT_TRACK": "1",
    # Arrow's default allocator keeps what each thread once used; with the system's, memory stays flat
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}

Flow = Callable[..., Any]
"""A flow of `flows`; what it returns can be printed as JSON and has a `status`."""
Shown = dict[str, Any]
"""A flow's result as `--json` prints it."""
Show = Callable[[Shown, Console, str], None]
"""How a flow's result is printed: the result, the console, and the root it belongs to."""

EXIT_INCOMPLETE = 1
EXIT_USAGE = 2
EXIT_REGRESSION = 3
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


def configure_process(*, verbose: bool) -> None:
    """Set defaults for what the environment leaves open; to be called before Prefect and Arrow are imported."""
    level = "INFO" if verbose else "CRITICAL"
    for name, value in (_SETTINGS | {"PREFECT_LOGGING_LEVEL": level}).items():
        os.environ.setdefault(name, value)


def perform(
    flow: Flow,
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
    flow: Flow,
    root: str,
    *,
    as_json: bool,
    show: Show,
) -> None:
    """Run a flow, print what it returns, and exit 1 unless the work is complete.

    With `as_json` stdout holds the one object and everything else goes to stderr. The first Ctrl-C
    stops cleanly and exits with 130, SIGTERM with 143; what had arrived by then is stored.
    """
    console = table_console(stderr=as_json)
    complaint = None
    with PROGRESS.shown_on(Console(stderr=True)), _stopped_by_signals() as was_stopped:
        try:
            summary = flow()
        except Exception as error:
            if was_stopped():
                print_line("Stopped. Run the same command again to continue from here.", stderr=True)
                raise SystemExit(EXIT_INTERRUPTED) from None
            summary = getattr(error, "summary", None)
            if summary is None:
                raise
            complaint = error
    shown = to_jsonable_python(summary)
    if as_json:
        print_json(shown)
    else:
        show(shown, console, root)
    if complaint:
        print_line(f"incomplete: {complaint}", stderr=True)
    if complaint or shown["status"] != "complete":
        raise SystemExit(EXIT_INCOMPLETE)


def print_user_errors(command: Callable[[], None]) -> None:
    """Run the command line; an error meant for people is printed on stderr, exit status 2, without a traceback."""
    try:
        command()
    except UserError as error:
        print_line(f"error: {error}", stderr=True)
        raise SystemExit(EXIT_USAGE) from None
    except KeyboardInterrupt:
        raise SystemExit(EXIT_INTERRUPTED) from None


@contextmanager
def _stopped_by_signals() -> Iterator[Callable[[], bool]]:
    signals: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signals.append(number)
        if len(signals) > 1:
            os._exit(EXIT_INTERRUPTED)
        PROGRESS.say("Stopping: what has arrived is being stored. Press Ctrl-C again to quit at once.")
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
