"""A journal and a lease belong to their writer until it is gone; what two runs do at once is done once."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from test_journal import line, stored
from test_store import RECIPE, problem, row

from warehouse.index import RecipeIndex
from warehouse.integrity import verify
from warehouse.journal import Journal, recover
from warehouse.leases import Leases
from warehouse.store import Store, traces_folder
from warehouse.writers import LEASE_SECONDS, Writer, at_work, is_alive

DIGEST = problem(1).problem_digest


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path / "root"))
    store.write_recipe(RECIPE)
    return store


@pytest.fixture
def without_locks(monkeypatch):
    """A disk whose locks are local to each client, and slow."""

    def lock(*_, **__):
        time.sleep(0.001)
        return True

    monkeypatch.setattr("warehouse.journal.lock", lock)


def other(store, script):
    """Another process at work on the root; it has said `ready`."""
    head = """
        import sys, time
        from test_store import RECIPE, row, problem
        from warehouse.journal import Journal, recover
        from warehouse.leases import Leases
        from warehouse.store import Store
        import warehouse.journal
        def lock(*_, **__):
            time.sleep(0.001)
            return True
        warehouse.journal.lock = lock
        store = Store(sys.argv[1])
    """
    code = textwrap.dedent(head) + textwrap.dedent(script)
    environment = os.environ | {"PYTHONPATH": f"{Path(__file__).parent}:{os.environ.get('PYTHONPATH', '')}"}
    process = subprocess.Popen(
        [sys.executable, "-c", code, store.root], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout.readline() == "ready\n"
    return process


def killed(process):
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()


def test_no_journal_is_lost_beside_a_recovering_process_without_locks(store, without_locks):
    """Each is open for a moment only, while another process takes over whatever it may."""
    recovering = other(store, 'print("ready", flush=True)\nwhile True: recover(store)')
    try:
        for number in range(120):
            journal = Journal(store, RECIPE)
            for index in range(3):
                journal.append(row(number, index))
            journal.seal()
    finally:
        killed(recovering)
    recover(store)
    assert len({r["trace_id"] for r in stored(store, "trace_id")}) == 360
    assert list(verify(store)) == []


def test_journal_of_a_living_writer_is_left_and_of_a_dead_one_recovered_without_locks(store, without_locks):
    writing = other(
        store,
        'journal = Journal(store, RECIPE)\njournal.append(row(1))\nprint("ready", flush=True)\ntime.sleep(60)',
    )
    assert recover(store) == 0
    assert stored(store, "trace_id") == []
    killed(writing)
    assert recover(store) == 1
    assert [p.name for p in store.journal_folder.iterdir()] == []
    assert [p.name for p in store.leases_folder.iterdir()] == [], "nothing of the dead is left behind"


def test_writer_taken_for_dead_loses_nothing_and_doubles_nothing(store, without_locks, monkeypatch):
    journal = Journal(store, RECIPE)
    journal.append(row(1))
    monkeypatch.setattr("warehouse.journal.is_alive", lambda *_: False)
    assert recover(store) == 1
    assert not journal.path.exists()
    journal.append(row(2))
    journal.seal()
    index = RecipeIndex(store, RECIPE).refresh()
    assert set(index.answers()) == {row(1)["trace_id"], row(2)["trace_id"]}
    assert list(verify(store)) == []


def test_journal_of_an_earlier_version_is_recovered(store):
    journal = Journal(store, RECIPE)
    os.write(journal._file, line(1))
    journal.close()
    first, _, rest = journal.path.read_bytes().partition(b"\n")
    journal.path.write_bytes(first.partition(b',"writer"')[0] + b"}\n" + rest)
    assert recover(store) == 1


def test_journal_that_goes_while_it_is_looked_at_does_no_harm(store, monkeypatch):
    journal = Journal(store, RECIPE)
    journal.close()
    monkeypatch.setattr("warehouse.journal.is_alive", lambda *_: bool(journal.path.unlink()))
    assert recover(store) == 0


def test_lease_is_one_writers_until_it_gives_it_back(store):
    ours, beside = Leases(store, RECIPE), Leases(store, RECIPE)
    assert ours.claim(DIGEST).is_new
    assert ours.claim(DIGEST)[:3] == (None, False, False)
    assert beside.claim(DIGEST).holder is None, "shards of one process share it"
    asking = """
        leases = Leases(store, RECIPE)
        print("ready", flush=True)
        while True:
            claim = leases.claim(problem(1).problem_digest)
            print(claim.holder.pid if claim.holder else claim.is_new, flush=True)
            if not claim.holder: break
    """
    process = other(store, asking)
    assert process.stdout.readline() == f"{os.getpid()}\n"
    ours.close()
    assert process.stdout.readline() == f"{os.getpid()}\n", "its other shard still has it"
    beside.close()
    assert process.communicate(timeout=30)[0].splitlines()[-1] == "True"


def test_shard_that_joins_a_lease_looks_what_is_stored_as_the_first_one_does(store):
    first, second = Leases(store, RECIPE), Leases(store, RECIPE)
    assert first.claim(DIGEST).is_new
    assert second.claim(DIGEST).is_new
    assert not second.claim(DIGEST).is_new, "it has looked"
    first.close()
    second.close()


def test_index_is_behind_until_all_that_came_is_taken_in(store, monkeypatch):
    index, read_part, seen = RecipeIndex(store, RECIPE), Store.read_part, []

    def watched(*arguments):
        seen.append(index.is_behind)
        return read_part(*arguments)

    journal = Journal(store, RECIPE)
    journal.append(row(1))
    journal.seal()
    long_ago = time.time() - 60
    os.utime(Path(store.root, traces_folder(RECIPE)), (long_ago, long_ago))
    monkeypatch.setattr(Store, "read_part", watched)
    index.refresh()
    assert (seen, index.is_behind) == ([True], False)


def test_time_of_a_change_is_believed_once_a_later_change_would_have_another(store):
    index, folder = RecipeIndex(store, RECIPE), Path(store.root, traces_folder(RECIPE))
    folder.mkdir(parents=True, exist_ok=True)
    now = time.time_ns()

    def is_behind(changed_at):
        os.utime(folder, ns=(changed_at, changed_at))
        return index.refresh().is_behind

    second = 1_000_000_000
    past = now - 3 * second // 2
    assert not is_behind(past - past % second + 1), "to the nanosecond"
    assert is_behind(now - now % second), "this disk may keep whole seconds"
    assert not is_behind(now - now % second - 3 * second)
    assert is_behind(now + second), "just now"


def test_lease_of_a_killed_writer_is_taken_over_at_once(store):
    holding = other(
        store,
        'Leases(store, RECIPE).claim(problem(1).problem_digest)\nprint("ready", flush=True)\ntime.sleep(60)',
    )
    ours = Leases(store, RECIPE)
    assert ours.claim(DIGEST).holder.pid == holding.pid
    killed(holding)
    claim = ours.claim(DIGEST)
    assert (claim.holder, claim.is_new, claim.is_taken_over) == (None, True, True)
    ours.close()
    recover(store)
    assert list(store.leases_folder.iterdir()) == []


def test_writer_of_another_machine_is_dead_when_it_is_silent(store):
    with at_work(store):
        far = Writer("f" * 32, 1, "elsewhere", "another boot", "1")
        path = store.leases_folder / f"{far.name}.json"
        path.write_bytes(far.content)
        assert is_alive(store, far.name)
        ours = Leases(store, RECIPE)
        (store.leases_folder / f"{ours._name(DIGEST)}.1").write_bytes(far.content)
        assert ours.claim(DIGEST).holder == far
        silent = time.time() - LEASE_SECONDS - 1
        os.utime(path, (silent, silent))
        assert not is_alive(store, far.name)
        assert ours.claim(DIGEST).is_taken_over
        ours.close()


def test_stale_holder_takes_no_lease_from_who_took_over(store):
    ours = Leases(store, RECIPE)
    ours.claim(DIGEST)
    name = ours._name(DIGEST)
    (store.leases_folder / f"{name}.2").write_bytes(Writer("e" * 32, 1, "elsewhere", "", "").content)
    ours.release()
    assert (store.leases_folder / f"{name}.1").exists()
    assert (store.leases_folder / f"{name}.2").exists()
    ours.close()
