"""How results are printed: tables as wide as the terminal, piped as wide as their rows need; or one JSON object."""

import sys

import orjson
from rich.console import Console

PIPED_WIDTH = 400


def table_console(*, stderr: bool = False) -> Console:
    """A console on stdout or stderr."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=PIPED_WIDTH)


def print_json(value: object) -> None:
    """One JSON object on stdout."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
