"""A few worker processes that may die: what runs too long or takes too much memory ends there alone.

A worker's clock is its own CPU time, kept by the kernel: a busy machine slows a right answer down
and never turns it wrong. When the time is up an exception ends the work; where no exception gets in
(one long step in C) the kernel kills the process. The wall clock is a backstop against a worker that
waits for something. Workers are forked from a clean server process that loads the needed modules once.
"""

import contextlib
import math
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, cast

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from tasks.graders.protocol import VERDICTS, Said, Scored, Verdict, verdict_of

CPU_SECONDS = 2.0
"""CPU time of one verdict; most take a hundredth of a second."""

GRACE_SECONDS = 2
"""Further CPU time until the kernel kills a worker that did not end its work."""

WALL_SECONDS = 300.0
"""The backstop: far longer, since other work may hold the processors."""

MEMORY_BYTES = 512 * 2**20
"""What a worker may take beyond what its modules take."""

MAX_WORKERS = 4

Decide = Callable[..., bool | str | Scored]
"""Whether an answer is the gold answer, or a verdict's name, or one with a score; of the gold and the answer first."""

Load = Callable[..., Decide]
"""Makes a `Decide` in the worker, before its clock starts; found by name, so a function of a module."""


class Workers:
    """The pool of one grader, started when it is first needed."""

    def __init__(self, load: Load, arguments: tuple[str, ...] = (), modules: Sequence[str] = ()) -> None:
        self._load, self._arguments, self._modules = load, arguments, list(modules)
        self._pool: ProcessPool | None = None

    def verdicts(self, cases: Iterable[tuple[Any, ...]], cpu_seconds: float = CPU_SECONDS) -> list[Verdict]:
        """A verdict on each (gold, answer), in order. Raises UserError where the function cannot be loaded."""
        return [verdict_of(said) for said in self.said(cases, cpu_seconds)]

    def said(self, cases: Iterable[tuple[Any, ...]], cpu_seconds: float = CPU_SECONDS) -> list[Said]:
        """The same with scores; what follows gold and answer in a case is handed on."""
        pool = self._started()
        futures = [
            pool.schedule(
                _limited, args=(self._load, self._arguments, case, cpu_seconds), timeout=WALL_SECONDS
            )
            for case in cases
        ]
        try:
            return [_outcome(future) for future in futures]
        except BaseException:
            self.stop()
            raise

    def close(self) -> None:
        """Let the workers end."""
        if self._pool:
            self._pool.close()
            self._pool.join()
            self._pool = None

    def stop(self) -> None:
        """End the workers at once, with whatever they are at."""
        if self._pool:
            self._pool.stop()
            self._pool.join()
            self._pool = None

    def _started(self) -> ProcessPool:
        if self._pool is None:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(self._modules)
            self._pool = ProcessPool(
                min(MAX_WORKERS, os.cpu_count() or 1),
                initializer=_prepare,
                context=context,
            )
        return self._pool


def _outcome(future: ProcessFuture) -> Said:
    try:
        found = future.result()
    except ProcessExpired as expired:
        return "timeout" if expired.exitcode == -signal.SIGXCPU else "grader_error"
    except FutureTimeout:
        return "timeout"
    if isinstance(found, Scored):
        return found
    if isinstance(found, bool):
        return "correct" if found else "wrong"
    return cast("Verdict", found) if found in VERDICTS else "grader_error"


# --- inside a worker ------------------------------------------------------------------------------


class _OutOfTime(BaseException):
    """Nothing that handles ordinary errors handles it."""


def _prepare() -> None:
    """Ctrl-C is the parent's to handle; the clock raises."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, _on_time_up)


def _on_time_up(_number: int, _frame: FrameType | None) -> None:
    raise _OutOfTime


def _limited(load: Load, arguments: tuple[str, ...], case: tuple[Any, ...], cpu_seconds: float) -> Any:  # noqa: ANN401 - whatever a user's function returns
    decide = _loaded(load, arguments)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    last = math.ceil(time.process_time() + cpu_seconds) + GRACE_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (last, hard))  # ends in SIGXCPU, which kills
    try:
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds, 0.1)  # again, should something swallow the first
        try:
            found = decide(*case)
            return found if isinstance(found, bool | str | Scored) else "grader_error"
        except Exception:  # noqa: BLE001 - sympy and a user's code raise anything; the boundary is here
            return "grader_error"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except _OutOfTime:
        signal.setitimer(signal.ITIMER_PROF, 0)
        return "timeout"


@cache
def _loaded(load: Load, arguments: tuple[str, ...]) -> Decide:
    decide = load(*arguments)
    with contextlib.suppress(OSError, ValueError):  # only Linux tells and enforces it
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    return decide
