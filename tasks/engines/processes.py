"""Child processes: started with a log, known by id and start time, ended for certain with all that they started.

A child is in a session of its own, so that a Ctrl-C at the terminal reaches only us. One that is started with
`dies_with_us`, and whatever it starts, ends when this process ends, however that happens; so does what a `Leash`
is around. Others outlive us.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import psutil

POLL_SECONDS = 0.1
TERM_SECONDS = 20.0
KILL_SECONDS = 10.0
LEASH = "A2R_LEASH"
"""Variable that every process on a leash inherits, and by which it is found."""
_SAME_START_SECONDS = 2.0
"""Start times of one process differ by less: a clock that is set moves them a little."""


class ProcessId(NamedTuple):
    """One process for as long as it lives; a later one with the same id has another start time."""

    pid: int
    created: float
    """Start time, seconds since the epoch."""

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """The process that has the id now. Raises psutil.NoSuchProcess."""
        return cls(pid, psutil.Process(pid).create_time())

    def is_alive(self) -> bool:
        """Whether it still runs; one that has ended and is only not yet waited for does not."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.created) < _SAME_START_SECONDS
            return is_same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


class Leash:
    """Holds what inherits its `variable`: all of it is killed by `end`, or when this process ends in any way.

    A guard process waits for our end of its standard input to close, which the kernel does for a process that
    is killed. Processes are found by the variable and not by parenthood, since orphans have no parent of ours.

    A folder that belongs to them is removed behind them.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.variable = {LEASH: uuid4().hex}
        told = [str(folder)] if folder else []
        self._guard = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "tasks.engines.leash", self.variable[LEASH], *told],
            env={name: value for name, value in os.environ.items() if name != LEASH},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end(self) -> None:
        """Kill what is left on it and wait until it is gone; safe to call twice."""
        if self._guard.poll() is None:
            self._guard.communicate(b"\n")


class Child:
    """A process that `start` has started."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", log: Path, offset: int, leash: Leash | None
    ) -> None:
        self.id = ProcessId.of(process.pid)
        self._process, self._log, self._offset, self._leash = process, log, offset, leash

    @property
    def code(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def lines(self) -> Iterator[str]:
        """What it writes, line by line as it comes, until it has ended."""
        rest = b""
        with self._log.open("rb") as log:
            log.seek(self._offset)
            while True:
                has_ended = self.code is not None
                *whole, rest = (rest + log.read()).split(b"\n")
                yield from (line.decode(errors="replace") for line in whole)
                if has_ended:
                    break
                time.sleep(POLL_SECONDS)
        if rest:
            yield rest.decode(errors="replace")

    def end(self, seconds: float = TERM_SECONDS) -> None:
        """Ask it and its group to end, make them end after `seconds`, and wait until nothing of them runs."""
        end_group(self.id, seconds)
        self._process.wait()
        if self._leash:
            self._leash.end()


def start(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    append: bool = False,
    dies_with_us: bool = False,
) -> Child:
    """Start a process whose output goes to a log that only this user can read. Raises OSError.

    Args:
        command: The program and its arguments.
        log: File for what it says.
        environment: All of its variables; None: ours.
        stdin: What it reads, to its end.
        append: Keep what the log holds already.
        dies_with_us: Whether it ends when this process does; `end` must be called then, whatever became of it.
    """
    inherited = {n: v for n, v in (os.environ if environment is None else environment).items() if n != LEASH}
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    with contextlib.ExitStack() as undone:
        leash = Leash() if dies_with_us else None
        if leash:
            undone.callback(leash.end)
        file = undone.enter_context(os.fdopen(os.open(log, flags, 0o600), "ab" if append else "wb"))
        offset = file.tell()
        process = subprocess.Popen(  # noqa: S603 - the caller's
            command,
            env=inherited | (leash.variable if leash else {}),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        file.close()
        undone.pop_all()
    if process.stdin:
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(stdin)
    return Child(process, log, offset, leash)


def group_of(leader: ProcessId) -> list[psutil.Process]:
    """What runs of the process group that `leader` leads or led, and what its members started.

    The kernel gives the group's number to no other process while a member lives; what is older than
    the leader is not of its group.
    """
    members: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) != leader.pid:
                continue
            if process.create_time() > leader.created - _SAME_START_SECONDS:
                members |= {p.pid: p for p in (process, *process.children(recursive=True))}
    return [process for process in members.values() if _runs(process)]


def end_group(leader: ProcessId, seconds: float = TERM_SECONDS) -> None:
    """Ask the group to end, make it end after `seconds`, and wait until nothing of it runs."""
    _end(lambda: group_of(leader), ((signal.SIGTERM, seconds), (signal.SIGKILL, KILL_SECONDS)))


def end_leashed(value: str) -> None:
    """Kill all processes on the leash of that value and wait until none of them runs."""
    _end(lambda: _leashed(f"{LEASH}={value}".encode()), ((signal.SIGKILL, KILL_SECONDS),))


def _end(find: Callable[[], list[psutil.Process]], signals: Sequence[tuple[signal.Signals, float]]) -> None:
    for number, patience in signals:
        until = time.monotonic() + patience
        asked: set[int] = set()
        while members := find():
            for process in members:
                if process.pid not in asked:
                    asked.add(process.pid)
                    with contextlib.suppress(psutil.Error):
                        process.send_signal(number)
            if time.monotonic() > until:
                break
            time.sleep(POLL_SECONDS)
        else:
            return


def _leashed(mark: bytes) -> list[psutil.Process]:
    """Those with the mark, and what they started that has overwritten its first variables with its title (Ray's agents)."""
    found: dict[int, psutil.Process] = {}
    overwritten: list[tuple[int, psutil.Process]] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = _environment(process)
            if mark in environment and _runs(process):
                found[process.pid] = process
            elif b"=" not in environment[0] and _runs(process):
                overwritten.append((process.ppid(), process))
    return [*found.values(), *(process for parent, process in overwritten if parent in found)]


def _environment(process: psutil.Process) -> list[bytes]:
    """A process's variables as it was started with them.

    Where there is /proc they are read as they stand: a process that has changed its title (vLLM's do) may have
    overwritten the first of them, at which psutil stops.
    """
    if Path("/proc/self/environ").exists():
        return Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    return [f"{name}={value}".encode() for name, value in process.environ().items()]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
