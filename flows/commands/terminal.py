"""Where results are printed: tables as wide as the terminal, piped as wide as their rows need; or one JSON object."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from warehouse.on_progress import OnProgress

PIPED_WIDTH = 400


def table_console(*, stderr: bool = False) -> Console:
    """A console on stdout or stderr."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=PIPED_WIDTH)


def print_json(value: object) -> None:
    """One JSON object on stdout."""
    import orjson

    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def print_line(text: str, *, stderr: bool = False) -> None:
    """One line as it is: no markup, no highlighting, no wrapping."""
    Console(stderr=stderr).print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def bar(label: str, *columns: "ProgressColumn") -> Iterator["OnProgress"]:
    """A bar on stderr for as long as the block lasts, on a terminal only; call what it yields with done and total."""
    from rich.progress import Progress

    console = Console(stderr=True)
    shown = columns or Progress.get_default_columns()
    with Progress(*shown, console=console, transient=True, disable=not console.is_terminal) as bars:
        row = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(row, completed=done, total=total)
