"""A command in a terminal of its own: what it shows, and keys that reach the whole foreground process group."""

import contextlib
import os
import pty
import select
import signal
import time


class Terminal:
    """One command in a pseudo-terminal, as the leader of a session, in its foreground process group."""

    def __init__(self, *command, **environment):
        self.begun = time.monotonic()
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], list(map(str, command)), os.environ | {"TERM": "xterm"} | environment)
        self.status = None
        self.shown = b""
        self.first_seconds = None
        """When the first byte was shown, from the start."""

    @property
    def text(self):
        return self.shown.decode(errors="replace")

    def read(self, seconds=0.05):
        """Take in what is shown; whether the command still runs."""
        with contextlib.suppress(OSError):
            if select.select([self._master], [], [], seconds)[0]:
                self.shown += os.read(self._master, 65536)
                if self.first_seconds is None:
                    self.first_seconds = time.monotonic() - self.begun
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is None

    def until(self, holds, seconds=240):
        """Read until it holds."""
        end = time.monotonic() + seconds
        while not holds():
            assert self.read() or holds(), self.text
            assert time.monotonic() < end, self.text

    def ctrl_c(self):
        """Press it: the terminal signals the whole foreground process group."""
        os.write(self._master, b"\x03")

    def signal_group(self, number):
        os.killpg(os.getpgid(self.pid), number)

    def ended(self, seconds):
        """Wait for its end; how long that took."""
        pressed = time.monotonic()
        while self.read():
            assert time.monotonic() - pressed < seconds, self.text
        took = time.monotonic() - pressed
        while select.select([self._master], [], [], 0)[0]:
            try:
                self.shown += os.read(self._master, 65536)
            except OSError:
                break
        return took

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._master)
