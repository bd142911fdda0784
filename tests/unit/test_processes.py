"""Child processes: what they say, and that nothing of them is left, whoever is killed."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from endpoints.living import runs

from tasks.engines.processes import Leash, start

FAMILY = """
import os, subprocess, sys
script = "import signal; signal.pause()"
away = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
beside = subprocess.Popen([sys.executable, "-c", script])
print(os.getpid(), away.pid, beside.pid, flush=True)
away.wait()
"""
"""A process with a child in its group and one in a session of its own, which no signal to the group reaches."""

OWNER = """
import signal, sys
from pathlib import Path
from tasks.engines.processes import start
child = start([sys.executable, "-c", {family!r}], Path({log!r}), dies_with_us={dies})
for line in child.lines():
    print(line, flush=True)
"""


def until(holds, seconds=30):
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


@pytest.fixture
def left():
    """Ids of processes that must be gone at the end; killed in any case."""
    pids = []
    yield pids
    for pid in filter(runs, pids):
        os.kill(pid, signal.SIGKILL)


def owned(tmp_path, left, *, dies):
    """An owner in a process of its own, and the family that it has started."""
    script = OWNER.format(family=FAMILY, log=str(tmp_path / "log"), dies=dies)
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    left.extend([owner.pid, *map(int, owner.stdout.readline().split())])
    return owner, left[1:]


def test_lines_come_as_they_are_written_and_the_log_is_private(tmp_path):
    log = tmp_path / "log"
    log.write_text("earlier\n")
    script = "import sys; print(sys.stdin.read().upper()); sys.stdout.flush(); print('no end', end=''); sys.exit(3)"
    child = start([sys.executable, "-c", script], log, stdin=b"told", append=True)
    assert list(child.lines()) == ["TOLD", "no end"]
    assert child.code == 3
    assert log.read_text() == "earlier\nTOLD\nno end"
    start([sys.executable, "-c", ""], tmp_path / "other").end()
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o600


def test_child_is_in_a_session_of_its_own_and_ends_with_its_family(tmp_path, left):
    child = start([sys.executable, "-c", FAMILY], tmp_path / "log")
    left.extend(map(int, next(child.lines()).split()))
    assert os.getsid(child.id.pid) == child.id.pid != os.getsid(0)
    assert all(map(runs, left)) and child.id.is_alive()
    child.end()
    assert not any(map(runs, left)) and child.code == -signal.SIGTERM


def test_child_that_ignores_requests_is_killed(tmp_path, left):
    script = "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    child = start([sys.executable, "-c", script], tmp_path / "log")
    assert next(child.lines()) == "deaf"
    left.append(child.id.pid)
    child.end(0.2)
    assert child.code == -signal.SIGKILL


def test_child_that_dies_with_its_owner_takes_all_along(tmp_path, left):
    owner, family = owned(tmp_path, left, dies=True)
    owner.kill()
    owner.wait()
    until(lambda: not any(map(runs, family)))


def test_program_that_is_not_there_leaves_nothing(tmp_path):
    def guards():
        return [c.pid for c in psutil.Process().children() if "tasks.engines.leash" in c.cmdline()]

    with pytest.raises(FileNotFoundError):
        start(["no-such-program-at-all"], tmp_path / "log", dies_with_us=True)
    assert not list(filter(runs, guards()))


def test_other_children_outlive_their_owner(tmp_path, left):
    owner, family = owned(tmp_path, left, dies=False)
    owner.kill()
    owner.wait()
    assert all(map(runs, family))


def test_leash_ends_orphans_and_not_what_is_on_another(left):
    one, other = Leash(), Leash()
    orphan = "import os; os.fork() and os._exit(0)" + FAMILY
    for leash in (one, other):
        parent = subprocess.Popen(
            [sys.executable, "-c", orphan],
            env=os.environ | leash.variable,
            stdout=subprocess.PIPE,
            text=True,
        )
        left.extend(map(int, parent.stdout.readline().split()))
        parent.wait()
    one.end()
    assert [runs(pid) for pid in left] == [False] * 3 + [True] * 3
    other.end()
    other.end()
    assert not any(map(runs, left))
