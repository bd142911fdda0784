"""Two machines on one root in an object store: leases are objects there, and no disk is shared."""

import itertools
import os
import shutil
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import s3fs
import test_two_runs
from endpoints.object_stores import environment, served
from test_store import RECIPE, problem
from test_two_runs import IN_FLIGHT, answered_differently, ended, go, lacking, when_both_have_asked

from warehouse import writers
from warehouse.compaction import merge_parts, merges
from warehouse.integrity import verify
from warehouse.journal import recover
from warehouse.lease_files import ObjectFiles
from warehouse.leases import Leases
from warehouse.store import Store
from warehouse.writers import Writer, at_work, enter, files_of, is_alive, leave

LEASE_SECONDS = 4.0
MACHINE = """
    import sys
    from warehouse import rolling, writers
    writers.LEASE_SECONDS, writers.RENEWED_SECONDS, rolling.ROLL_SECONDS = map(float, sys.argv[4:])
    writers._machine = lambda: sys.argv[3]
"""
"""Where it runs is all that tells one machine from another: whose processes it cannot see, it knows by their silence."""
DIGEST = problem(1).problem_digest


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a server that creates an object only where there is none."""
    with served(tmp_path_factory.mktemp("s3"), "honoured") as address:
        yield address


def new_root(address, tmp_path, monkeypatch):
    for name, value in environment(address, tmp_path / "here").items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    bucket = f"b{uuid.uuid4().hex[:12]}"
    s3fs.S3FileSystem(use_listings_cache=False).mkdir(bucket)
    store = Store(f"s3://{bucket}/root")
    store.open_for_writing()
    return store


@pytest.fixture
def store(address, tmp_path, monkeypatch):
    return new_root(address, tmp_path, monkeypatch)


@pytest.fixture
def experiment(experiment_data, endpoint):
    return answered_differently(experiment_data, endpoint)


def begun(store, experiment, cache, lease_seconds=LEASE_SECONDS, roll_seconds=60.0):
    """A process of another machine that is ready to make the experiment's traces on the root."""
    seconds = map(str, (lease_seconds, 0.5, roll_seconds))
    return test_two_runs.begun(
        store, experiment, cache.name, *seconds, before=MACHINE, XDG_CACHE_HOME=str(cache)
    )


def num_rows(store):
    """Of all parts of traces."""
    paths = [file.path for file in store.files("traces") if "/part-" in file.path]
    return sum(store.read_part(path, ["trace_id"]).num_rows for path in paths)


def num_journalled(cache):
    """Of traces in a machine's journals."""
    return sum(path.read_bytes().count(b"\n") - 1 for path in cache.glob("a2r/*/journal/*.jsonl"))


def shown(store):
    """What is in the root of writers and leases."""
    return [file.path for file in store.files("leases")]


def test_two_machines_divide_the_work_of_a_busy_store_beside_a_compaction(
    experiment, endpoint, tmp_path, monkeypatch
):
    with served(tmp_path / "s3", "honoured", is_busy=True) as address:
        store = new_root(address, tmp_path, monkeypatch)
        endpoint.fault = when_both_have_asked()
        machines = [begun(store, experiment, tmp_path / name, 60.0, 0.2) for name in ("first", "second")]
        go(*machines)
        num_merged, until = 0, time.monotonic() + 120
        while any(machine.poll() is None for machine in machines) and time.monotonic() < until:
            num_merged += sum(len(merge_parts(store, merge).merge.parts) for merge in merges(store, fewest=2))
        divided(store, experiment, endpoint, machines)
        assert num_merged > 2


def divided(store, experiment, endpoint, machines):
    """Two machines have made each trace once, and leave nothing else."""
    first, second = machines
    made = [ended(process) for process in machines]
    assert endpoint.by_model == {"small": 40, "big": 20}, "each request is sent once"
    assert lacking(store, experiment) == {"explore": 0, "synthesize": 0}
    assert num_rows(store) == 60, "no trace is there twice"
    for stage in ("explore", "synthesize"):
        assert min(counts[stage][0] for counts, _ in made) > 0, "both work"
    said = "".join(text for _, text in made)
    assert f"another run (pid {first.pid} on " in said or f"another run (pid {second.pid} on " in said
    assert shown(store) == []
    assert list(verify(store)) == []


def test_share_of_a_machine_lost_with_its_disk_is_made_by_the_other_but_for_what_its_journals_left_as_parts(
    store, experiment, endpoint, tmp_path, monkeypatch
):
    monkeypatch.setattr(writers, "LEASE_SECONDS", LEASE_SECONDS)
    experiment["execution"] = {"shard_size": 60}
    num_rolled, num_late = 20, 6
    num_asked, later, at_last = itertools.count(), threading.Event(), threading.Event()

    def fault(*_):
        number = next(num_asked)
        return (
            None if number < num_rolled else ("until", later if number < num_rolled + num_late else at_last)
        )

    endpoint.fault = fault
    first, second = (
        begun(store, experiment, tmp_path / name, roll_seconds=1) for name in ("first", "second")
    )
    go(first)
    wait_until(lambda: num_rows(store) == num_rolled)
    later.set()
    wait_until(lambda: num_journalled(tmp_path / "first") + num_rows(store) >= num_rolled + num_late)
    go(second)
    first.kill()
    lost = time.monotonic()
    first.communicate()
    shutil.rmtree(tmp_path / "first")
    at_last.set()
    ended(second)
    assert time.monotonic() - lost < LEASE_SECONDS + 20
    assert lacking(store, experiment) == {"explore": 0, "synthesize": 0}
    assert num_rows(store) == 60
    assert 60 <= endpoint.num_samples <= 60 + num_late + IN_FLIGHT
    with at_work(store):
        recover(store)
    assert shown(store) == []
    assert list(verify(store)) == []


def wait_until(is_so):
    until = time.monotonic() + 60
    while not is_so() and time.monotonic() < until:
        time.sleep(0.1)
    assert is_so()


def test_lease_is_created_once_however_many_ask(store):
    prefix = store.root.removeprefix("s3://") + "/leases"
    machines = [ObjectFiles(s3fs.S3FileSystem(use_listings_cache=False), prefix) for _ in range(8)]
    together = threading.Barrier(len(machines))

    def ask(place):
        won = []
        for number in range(20):
            together.wait(60)
            if machines[place].create(f"lease.{number}", f"{place}".encode()):
                won.append(number)
        return won

    with ThreadPoolExecutor(len(machines)) as threads:
        won = [number for found in threads.map(ask, range(len(machines))) for number in found]
    assert sorted(won) == list(range(20))


def test_lease_of_which_the_answer_was_lost_is_ours(store):
    ours = Leases(store, RECIPE)
    with at_work(store) as me:
        assert files_of(store).create(f"{ours._name(DIGEST)}.1", me.content)
    claim = ours.claim(DIGEST)
    assert (claim.holder, claim.is_new) == (None, True)
    ours.close()
    assert shown(store) == []


def test_lease_of_a_silent_machine_is_taken_over_and_kept_from_its_former_holder(store, monkeypatch):
    monkeypatch.setattr(writers, "LEASE_SECONDS", LEASE_SECONDS)
    monkeypatch.setattr(writers, "RENEWED_SECONDS", 0.5)
    files = ObjectFiles(store.object_store.inner, f"{store.object_store.base}/leases")
    far = Writer("f" * 32, 1, "elsewhere", "another boot", "1")
    ours = Leases(store, RECIPE)
    name = ours._name(DIGEST)
    files.renew(f"{far.name}.json", far.content)
    assert files.create(f"{name}.1", far.content)
    assert ours.claim(DIGEST).holder == far
    until = time.monotonic() + 60
    while (claim := ours.claim(DIGEST)).holder and time.monotonic() < until:
        time.sleep(0.1)
    assert (claim.holder, claim.is_new, claim.is_taken_over) == (None, True, True)
    assert not is_alive(store, far.name)
    assert files.read(f"{name}.2") == enter(store).content
    leave(store)
    later = Writer("e" * 32, 1, "elsewhere", "", "")
    assert files.create(f"{name}.3", later.content)
    ours.release()
    assert sorted(files.names()) == sorted(
        [f"{far.name}.json", *(f"{name}.{n}" for n in (1, 2, 3)), *mine(store)]
    )
    ours.close()


def mine(store):
    """The files of this process."""
    me = enter(store)
    leave(store)
    return [f"{me.name}.json"]


@pytest.mark.parametrize("conditions", ["overlooked", "refused"])
def test_store_without_conditions_has_leases_of_one_machine_and_says_so(
    conditions, experiment, endpoint, tmp_path, monkeypatch
):
    with served(tmp_path / "s3", conditions) as address:
        store = new_root(address, tmp_path, monkeypatch)
        with at_work(store):
            assert not files_of(store).is_far
            assert [path.suffix for path in store.leases_folder.iterdir()] == [".json"]
            assert shown(store) == []
        runs = [begun(store, experiment, Path(os.environ["XDG_CACHE_HOME"])) for _ in range(2)]
        go(*runs)
        for run in runs:
            assert (
                ended(run)[1].replace("\n", " ").count("does not create an object only where there is none")
                == 1
            )
        assert endpoint.num_samples == 60
