"""Processes by id and start time: who still runs, and how a whole group of them is ended for certain."""

import contextlib
import os
import signal
import time
from typing import NamedTuple

import psutil

POLL_SECONDS = 0.1
TERM_SECONDS = 20.0
KILL_SECONDS = 10.0
_SAME_START_SECONDS = 2.0
"""Start times of one process differ by less: a clock that is set moves them a little."""


class Known(NamedTuple):
    """One process for as long as it lives; a later one with the same id has another start time."""

    pid: int
    created: float
    """Start time, seconds since the epoch."""

    @classmethod
    def of(cls, pid: int) -> "Known":
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


def group_of(leader: Known) -> list[psutil.Process]:
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


def end_group(leader: Known, seconds: float = TERM_SECONDS) -> None:
    """Ask the group to end, make it end after `seconds`, and wait until nothing of it runs."""
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, KILL_SECONDS)):
        members = group_of(leader)
        for process in members:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
        until = time.monotonic() + patience
        while any(map(_runs, members)) and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        if not any(map(_runs, members)) and not group_of(leader):
            return


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
