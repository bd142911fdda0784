"""One `a2r up` per root, port and history: a second one would take over the schedule and the nights of the first."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from configs.schema import UserError
from tasks.ops.database import history
from warehouse.files import locked
from warehouse.store import Store


@contextmanager
def alone(store: Store, port: int) -> Iterator[None]:
    """Held by an `a2r up` while it serves. Raises UserError beside another one; nothing is changed then.

    The root comes last, so that a refusal for another's sake leaves no folder behind.
    """
    shown, lock = history()
    wanted = (
        (Path(tempfile.gettempdir()) / f"a2r-up-{port}.lock", f"port {port}", "--port"),
        (lock, f"from the history {shown}", "PREFECT_HOME or --database"),
        (store.lock_path("up"), f"the root {store.root}", "--root"),
    )
    with ExitStack() as stack:
        for path, what, option in wanted:
            try:
                stack.enter_context(locked(path, wait=False))
            except BlockingIOError as error:
                raise UserError(
                    f"An `a2r up` already serves {what} on this machine, and nothing of it was changed. "
                    f"Stop it first (Ctrl-C in its terminal), or choose another with {option}."
                ) from error
            except OSError as error:
                raise store.complaint(error) from error
        yield
