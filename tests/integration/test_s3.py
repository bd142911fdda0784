"""A root on an object store that others write to, too: what they publish is seen at once, and little is asked for."""

import os
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest
import s3fs
from test_catalog import (
    RECIPE,
    asked,
    everything,
    identity,
    trace,
    write_grades,
    write_run,
    write_traces,
)

from warehouse.compaction import merge_parts, merges
from warehouse.index import RecipeIndex
from warehouse.integrity import verify
from warehouse.loader import load
from warehouse.problem_rows import ProblemRows
from warehouse.store import Store, traces_folder

FOLDER = traces_folder(RECIPE)
NUM_PARTS = 4
KEY = "test-key"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a server that speaks S3, in a process of its own: DuckDB asks it while it holds Python."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("s3")
    where = ("--host", "127.0.0.1", "--port", str(port), "--data-dir", str(folder), "--no-access-log")
    server = subprocess.Popen(
        [str(Path(sys.executable).with_name("nanio")), "serve", *where],
        env={**os.environ, "NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": KEY},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(600):
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert server.poll() is None, "the server has ended"
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    server.kill()
    server.wait(10)


@pytest.fixture
def root(address, tmp_path, monkeypatch):
    """A new bucket; catalog, journals and locks are in a folder of the test."""
    for name, value in {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    bucket = f"b{uuid.uuid4().hex[:12]}"
    s3fs.S3FileSystem(use_listings_cache=False).mkdir(bucket)
    return f"s3://{bucket}/root"


@pytest.fixture
def requests(monkeypatch):
    """How often each operation was asked of the server."""
    counts, call = Counter(), s3fs.S3FileSystem._call_s3

    async def counted(self, method, *arguments, **named):
        counts[method] += 1
        return await call(self, method, *arguments, **named)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)
    return counts


def elsewhere(root, work):
    """What another machine does: it shares no cache of listings with this one."""
    s3fs.S3FileSystem.clear_instance_cache()
    result = work(Store(root))
    s3fs.S3FileSystem.clear_instance_cache()
    return result


def scatter(store):
    for number in range(NUM_PARTS):
        write_traces(store, trace(number, at=number), trace(number + 20, status="error", at=number))
        write_grades(store, (number, 0))
        write_run(store, f"r{number}", (number, 0), (number + 20, 0), status="incomplete")


def compact(store):
    for merge in merges(store, fewest=2):
        merge_parts(store, merge)


def test_parts_of_a_second_writer_are_seen_at_once(root):
    store = Store(root)
    write_traces(store, trace(1))
    index = RecipeIndex(store, RECIPE).refresh()
    for number in range(2, 6):
        elsewhere(root, lambda other, number=number: write_traces(other, trace(number)))
        assert index.refresh().has(identity(number, 0))
        assert len(store.names(FOLDER, prefix="part-")) == number


def test_readers_follow_a_compaction_elsewhere(root):
    store = Store(root)
    scatter(store)
    load(store)
    before = everything(store)
    index, problems = RecipeIndex(store, RECIPE).refresh(), ProblemRows(store)
    assert problems.read(RECIPE.key, ["p3"]).num_rows == 1
    elsewhere(root, compact)
    ids = [identity(number, 0) for number in range(NUM_PARTS)]
    assert index.rows(ids, ["answer"]).num_rows == NUM_PARTS
    assert problems.read(RECIPE.key, ["p3"]).num_rows == 1
    assert not load(store).is_rebuilt
    assert everything(store) == before
    assert list(verify(store)) == []


def test_load_of_two_machines_shows_the_same(root, tmp_path, monkeypatch):
    scatter(Store(root))
    load(Store(root))
    here = everything(Store(root))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    elsewhere(root, load)
    assert everything(Store(root)) == here
    assert asked(Store(root), "select count(*) from traces where status = 'ok'") == [(NUM_PARTS,)]


def test_what_is_stored_is_known_by_few_requests_however_many_parts(root, requests):
    store = Store(root)
    scatter(store)
    load(store)
    requests.clear()
    index = RecipeIndex(Store(root), RECIPE).refresh()
    assert all(index.has(identity(number, 0)) for number in range(NUM_PARTS))
    assert requests.total() <= 4, requests  # two listings, and one file of the inventory
