"""What is told of long work while it runs: bars on a terminal, plain lines when piped, else nothing.

The stages report into the process's one `PROGRESS`; the command line decides whether and where it
is shown.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

PLAIN_EVERY_SECONDS = 10.0
WORKING_ON = ContextVar("WORKING_ON", default="")
"""The stage whose requests this task sends."""


@dataclass
class _Counter:
    total: int = 0
    done: int = 0
    failed: int = 0
    sent_again: int = 0
    tokens: int = 0
    waits_for: str = ""
    spent: str = ""
    began: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)
    latest: float = field(default_factory=time.monotonic)

    def detail(self) -> str:
        """Rates and troubles; before anything has come, what it waits for."""
        again = f" · {self.sent_again} sent again" if self.sent_again else ""
        if not self.done and not self.failed:
            return f"waits for {self.waits_for}{again}" if self.waits_for else again.removeprefix(" · ")
        seconds = max(self.latest - self.began, 1e-9)
        rates = f"{self.done / seconds:,.1f}/s"
        if self.tokens:
            rates += f" · {self.tokens / seconds:,.0f} tok/s"
        if self.spent:
            rates += f" · {self.spent}"
        return rates + (f" · {self.failed} failed" if self.failed else "") + again


class _Remaining(TimeRemainingColumn):
    """The time that is left, once there is a pace to tell it from."""

    def render(self, task: Task) -> Text:
        return Text("ETA ", "progress.remaining") + super().render(task) if task.completed else Text("")


class StageProgress:
    """Counters of the stages, drawn by whoever shows them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[str, _Counter] = {}
        self._console: Console | None = None
        self._bars: Progress | None = None
        self._rows: dict[str, TaskID] = {}

    @contextmanager
    def shown_on(self, console: Console) -> Iterator[None]:
        """Show what is reported inside this block on `console`."""
        with self._lock:
            self._counters, self._rows, self._console = {}, {}, console
        if not console.is_terminal:
            try:
                yield
            finally:
                self._console = None
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description:<11}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            _Remaining(),
        )
        with Progress(*columns, console=console, refresh_per_second=4) as bars:
            self._bars = bars
            try:
                yield
            finally:
                with self._lock:
                    for stage in self._counters:
                        self._draw(stage)
                self._bars = self._console = None

    def clear(self) -> None:
        """Count anew: another flow begins in this process."""
        with self._lock:
            self._counters = {}

    def snapshot(self) -> list[tuple[str, int, int, str]]:
        """Stage, units done, units expected and rates of every stage that has work."""
        with self._lock:
            return [(s, c.done, c.total, c.detail()) for s, c in self._counters.items() if c.total]

    def expect(self, stage: str, count: int, waits_for: str = "") -> None:
        """So many more units will be reported; none before what the stage waits for is there."""
        with self._lock:
            counter = self._counter(stage)
            counter.total += count
            counter.waits_for = waits_for
            self._draw(stage)

    def sent_again(self) -> None:
        """A request of the stage in `WORKING_ON` is sent once more; outside a stage nothing is counted."""
        stage = WORKING_ON.get()
        with self._lock:
            if counter := self._counters.get(stage):
                counter.sent_again += 1
                if self._bars:
                    self._draw(stage)

    def advance(
        self, stage: str, *, failed: bool = False, tokens: int = 0, count: int = 1, spent: str = ""
    ) -> None:
        """Report finished units, or a failed one, which stays to be done; cheap enough for every sample."""
        with self._lock:
            counter = self._counter(stage)
            counter.done += 0 if failed else count
            counter.failed += failed
            counter.tokens += tokens
            counter.spent = spent or counter.spent
            counter.latest = now = time.monotonic()
            if now - counter.told >= (0.25 if self._bars else PLAIN_EVERY_SECONDS) or (
                counter.done == counter.total
            ):
                counter.told = now
                self._draw(stage)

    def _counter(self, stage: str) -> _Counter:
        counter = self._counters.get(stage)
        if counter is None:
            counter = self._counters[stage] = _Counter()
        return counter

    def say(self, text: str) -> None:
        """Print a line above the bars, as it is."""
        self._print(text)

    def _print(self, text: str) -> None:
        """Whoever closes what is printed to (`… 2>&1 | head`) ends the news, never the run."""
        try:
            if self._console:
                self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        except OSError:
            self._console = None

    def _draw(self, stage: str) -> None:
        counter = self._counters[stage]
        if self._bars:
            if stage not in self._rows:
                self._rows[stage] = self._bars.add_task(stage, total=counter.total, detail="")
            self._bars.update(
                self._rows[stage],
                total=counter.total,
                completed=counter.done,
                detail=counter.detail(),
            )
        elif self._console and counter.done:
            self._print(f"{stage}: {counter.done}/{counter.total} · {counter.detail()}")


PROGRESS = StageProgress()
"""The process's progress."""
