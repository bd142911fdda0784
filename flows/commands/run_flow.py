"""How a flow is run from the command line: visible progress, a clean Ctrl-C, the exit code."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from pydantic_core import to_jsonable_python
from rich.console import Console

from flows.commands.process import EXIT_INCOMPLETE, EXIT_INTERRUPTED, EXIT_OVER_BUDGET, EXIT_TERMINATED
from flows.commands.terminal import print_json, print_line, table_console
from tasks.engines.pool import ENGINES
from tasks.executor.server import Reporting
from tasks.progress import PROGRESS

Flow = Callable[..., Any]
"""A flow of `flows`; what it returns can be printed as JSON and has a `status`."""
Shown = dict[str, Any]
"""A flow's result as `--json` prints it."""
Show = Callable[[Shown, Console, str], None]
"""How a flow's result is printed: the result, the console, and the root it belongs to."""

PATIENCE_SECONDS = 2.5
"""How long a stopped run may take to close what it has open. What it has stored by then stays whatever happens."""
STOPPED = "Stopped. Run the same command again to continue from here."


def nothing_stored() -> None:
    """Of work whose outcome only its flow knows."""


def run_flow(
    flow: Callable[[], Flow],
    root: str,
    *,
    as_json: bool,
    show: Show,
    stored: Callable[[], Any | None] = nothing_stored,
    reporting: Reporting | None = None,
) -> None:
    """Run a flow, print what it returns, and exit 1 unless the work is complete; 4 where only its budget is in the way.

    `flow` imports it, and Prefect with it; `stored` gives the outcome where nothing is to be made, and then no
    flow runs. Where that is not to be expected, `reporting` may have begun to start a server already.
    With `as_json` stdout holds the one object and everything else goes to stderr. The first Ctrl-C stops cleanly
    and exits with 130, SIGTERM with 143; what had arrived by then is stored.
    """
    console = table_console(stderr=as_json)
    complaint = None
    with _stopped_by_signals() as stopped:
        try:
            with PROGRESS.shown_on(Console(stderr=True)), reporting or Reporting(root) as reports:
                summary = stored()
                if summary is None:
                    reports.begin()
                    run = flow()
                    reports.wait(PROGRESS.say)
                    summary = run()
        except (Exception, KeyboardInterrupt) as error:
            if stopped():
                _exit_stopped(stopped())
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
        is_over_budget = getattr(complaint, "is_over_budget", False)
        raise SystemExit(EXIT_OVER_BUDGET if is_over_budget else EXIT_INCOMPLETE)


@contextmanager
def _stopped_by_signals() -> Iterator[Callable[[], int]]:
    """Stop what runs at a Ctrl-C or SIGTERM; yields the exit status that follows, 0 before."""
    received: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            os._exit(EXIT_INTERRUPTED)
        threading.Thread(target=_leave_in_time, args=(_status(number),), daemon=True).start()
        PROGRESS.say("Stopping: what has arrived is being stored. Press Ctrl-C again to quit at once.")
        is_generating = ENGINES.is_busy
        ENGINES.stop()
        if not is_generating:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: _status(received[0]) if received else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _status(number: int) -> int:
    return EXIT_TERMINATED if number == signal.SIGTERM else EXIT_INTERRUPTED


def _exit_stopped(status: int) -> NoReturn:
    """Say how to continue and leave at once: nothing that exit would still wait for is worth it."""
    sys.stdout.flush()
    print_line(STOPPED, stderr=True)
    os._exit(status)


def _leave_in_time(status: int) -> None:
    """Leave where closing takes too long, for example a server that does not end; its guard ends it."""
    threading.Event().wait(PATIENCE_SECONDS)
    shown = (
        "\r\x1b[K\x1b[?25h" if sys.stderr.isatty() else ""
    )  # the bars' line is cleared, the cursor is visible
    os.write(sys.stderr.fileno(), f"{shown}{STOPPED}\n".encode())
    os._exit(status)
