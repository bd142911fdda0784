"""What an operator reads in Prefect while a run works: progress bars on its page, a log of sentences."""

import contextvars
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.exceptions import PrefectHTTPStatusError
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from configs.schema import UserError
from tasks.progress import PROGRESS

EVERY_SECONDS = 5.0


class _Sentences(logging.Filter):
    """An error that is written for people is logged as its message, without the traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, UserError):
            record.msg = record.getMessage().replace(repr(error), str(error))
            record.args = ()
            record.exc_info = record.exc_text = None
        return True


_SENTENCES = _Sentences()


def write_sentences() -> None:
    """Let Prefect log errors for people as they are written; what is a defect keeps its traceback."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_SENTENCES)


@contextmanager
def progress_artifacts() -> Iterator[None]:
    """Keep one progress artifact a stage up to date, at most once in five seconds, while the block runs.

    A server that does not answer costs a bar its news, never the run.
    """
    write_sentences()
    PROGRESS.clear()
    bars = _Bars(UUID(str(flow_run.get_id())))
    is_done = threading.Event()

    def watch() -> None:
        with get_client(sync_client=True) as client:
            while not is_done.wait(EVERY_SECONDS):
                bars.draw(client)
            bars.draw(client)

    context = contextvars.copy_context()  # the thread talks to the same server
    thread = threading.Thread(target=context.run, args=(watch,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join(EVERY_SECONDS)
        for stage, done, total, detail in PROGRESS.snapshot():
            get_run_logger().info("%s: %d of %d made, %s", stage, done, total, detail)


class _Bars:
    """The artifacts of one flow run."""

    def __init__(self, flow_run_id: UUID) -> None:
        self._flow_run_id = flow_run_id
        self._ids: dict[str, UUID] = {}
        self._drawn: dict[str, str] = {}

    def draw(self, client: SyncPrefectClient) -> None:
        """Bring every stage's bar up to date."""
        for stage, done, total, detail in PROGRESS.snapshot():
            text = f"{stage}: {done:,} of {total:,} · {detail}"
            if self._drawn.get(stage) == text:
                continue
            percent = 100.0 * done / total
            try:
                if stage in self._ids:
                    client.update_artifact(self._ids[stage], ArtifactUpdate(data=percent, description=text))
                else:
                    artifact = ArtifactCreate(
                        key=f"a2r-progress-{stage.replace('_', '-')}",  # Prefect's keys have no underscores
                        type="progress",
                        data=percent,
                        description=text,
                        flow_run_id=self._flow_run_id,
                    )
                    self._ids[stage] = client.create_artifact(artifact).id
                self._drawn[stage] = text
            except (httpx.HTTPError, PrefectHTTPStatusError):
                return
