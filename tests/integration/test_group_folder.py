"""Several people on one root: a group's folder with umask 002, one of them reading only."""

import os
import shutil
import tempfile
import traceback
from pathlib import Path

import pytest
from test_catalog import RECIPE, trace, write_run

from configs.schema import UserError
from warehouse.catalog import connect
from warehouse.journal import Journal, recover
from warehouse.leases import Leases
from warehouse.loader import load
from warehouse.locks import in_use, upkeep
from warehouse.store import Store
from warehouse.verdicts import VerdictMemory


def writing(root, number):
    """One member's run: everything that a root is written to by; how many verdicts of both members it then knows."""
    store, memory = Store(root), VerdictMemory(Store(root), "g")
    store.open_for_writing()
    with in_use(store), upkeep(store):
        recover(store)
        store.write_recipe(RECIPE)
        leases = Leases(store, RECIPE)
        leases.claim(trace(number)["problem_digest"])
        journal = Journal(store, RECIPE)
        journal.append(trace(number))
        journal.seal()
        leases.close()
        left = Journal(store, RECIPE)
        left.append(trace(number + 100))
        left.close()
        write_run(store, f"r{number}", (number, 0))
        memory.remember({("d", "1", str(number)): True})
    load(store)
    return len(memory.recall([("d", "1", str(n)) for n in (1, 2)]))


def reading(root):
    """What somebody else sees, and is told when he tries to write."""
    store = Store(root)
    with connect(store) as catalog:
        [[count]] = catalog.execute("select count(*) from traces").fetchall()
    told = [str(count)]
    for attempt in (store.open_for_writing, in_use(store).__enter__, upkeep(store).__enter__):
        try:
            attempt()
        except UserError as error:
            told.append(str(error))
    return "\n".join(told)


def by(user, group, work, *values):
    """What the work returns when that user does it."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            os.setgroups([])
            os.setgid(group)
            os.setuid(user)
            os.umask(0o002)
            told = str(work(*values))
        except BaseException:  # noqa: BLE001 - shown by the parent
            told = traceback.format_exc()
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become several users")
def test_members_of_a_group_write_to_one_root_and_others_read_it():
    base = Path(tempfile.mkdtemp())
    root = base / "root"
    try:
        base.chmod(0o755)
        writing(str(base / "own"), 1)  # whatever is imported late, while this user's interpreter can be read
        reading(str(base / "own"))
        root.mkdir()
        os.chown(root, 20001, 30000)
        root.chmod(0o2775)
        assert by(20001, 30000, writing, str(root), 1) == "1"
        assert by(20002, 30000, writing, str(root), 2) == "2", "what one has worked out, the other knows"
        (root / ".upkeep.lock").unlink()
        counted, *refused = by(20003, 30001, reading, str(root)).splitlines()
        assert counted == "3", "the second took over the first one's journal"
        assert len(refused) == 2, "a lock that may be read can be held, one that is not there cannot be made"
        assert all("Permission denied; make it writable or choose another with --root." in r for r in refused)
    finally:
        shutil.rmtree(base)
