"""What every command's process begins and ends with: settings, errors for people, the exit code."""

import codecs
import io
import os
import sys
from collections.abc import Callable

EXIT_INCOMPLETE = 1
EXIT_USAGE = 2
EXIT_REGRESSION = 3
EXIT_OVER_BUDGET = 4
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


def configure_process(*, verbose: bool) -> None:
    """Set defaults for what the environment leaves open; to be called before Prefect and Arrow are imported."""
    import tasks.executor.environment  # noqa: F401 - importing it sets them

    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO" if verbose else "CRITICAL")


_ASCII = {"–": "-", "−": "-", "…": "...", "·": "|", "×": "x", "→": "->", "≥": ">=", "≤": "<="}


def spell_in_ascii() -> None:
    """Have stdout and stderr spell what their encoding lacks: a terminal that knows ASCII alone shows results, too."""

    def spelt(error: UnicodeError) -> tuple[str | bytes, int]:
        if isinstance(error, UnicodeEncodeError) and error.object[error.start] in _ASCII:
            return _ASCII[error.object[error.start]], error.start + 1
        return codecs.backslashreplace_errors(error)

    codecs.register_error("a2r", spelt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="a2r")


def print_user_errors(command: Callable[[], None]) -> None:
    """Run the command line; an error meant for people is printed on stderr, exit status 2, without a traceback."""
    try:
        command()
    except KeyboardInterrupt:
        raise SystemExit(EXIT_INTERRUPTED) from None
    except Exception as error:
        from configs.schema import UserError
        from flows.commands.terminal import print_line

        told = str(error) if isinstance(error, UserError) else _told_of_object_store(error)
        if not told:
            raise
        print_line(f"error: {told}", stderr=True)
        raise SystemExit(EXIT_USAGE) from None


def _told_of_object_store(error: Exception) -> str:
    """A sentence on an S3 root that cannot be reached or refuses us; empty for any other error."""
    origin = error.__cause__ or error  # s3fs raises Python's own errors from botocore's
    if type(origin).__module__.partition(".")[0] not in {"botocore", "aiobotocore"}:
        return ""
    return (
        f"the root's object store says: {' '.join(str(origin).split())}; check the bucket in --root or A2R_ROOT, "
        "AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY (or the profile), and the network."
    )
