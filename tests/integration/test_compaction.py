"""Compaction keeps every row that a relation shows, whoever reads or writes meanwhile, whenever it is killed."""

import signal
import threading

import pytest
from endpoints.forks import Forks
from machines import go_on_elsewhere
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

from configs.schema import UserError
from warehouse import compaction, loader
from warehouse.catalog import connect
from warehouse.compaction import merge_parts, merges
from warehouse.index import RecipeIndex
from warehouse.integrity import verify
from warehouse.journal import traces_table
from warehouse.loader import load
from warehouse.locks import in_use, unused, upkeep
from warehouse.records import TRACE_LAYOUTS
from warehouse.relations import statement
from warehouse.store import Store, traces_folder

FOLDER = traces_folder(RECIPE)


def compact(store):
    return [merge_parts(store, merge) for merge in merges(store, fewest=2)]


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "root"))


@pytest.fixture
def scattered(store):
    """Twelve answers and twelve failures in twelve parts, of twelve runs."""
    return scatter(store)


@pytest.fixture(params=["local", "memory"])
def anywhere(request, store, tmp_path, monkeypatch):
    go_on_elsewhere(monkeypatch, tmp_path / "cache")
    return scatter(store if request.param == "local" else Store(f"memory://{tmp_path}"))


def scatter(store):
    for number in range(12):
        write_traces(store, trace(number, at=number), trace(number + 20, status="error", at=number))
        write_grades(store, (number, 0))
        write_run(store, f"r{number}", (number, 0), (number + 20, 0), status="incomplete")
    load(store)
    return store


def test_many_parts_become_one_and_every_relation_says_the_same(anywhere):
    before = everything(anywhere)
    done = compact(anywhere)
    assert {m.merge.place.split("/")[0] for m in done} == {"traces", "grades", "problems"}
    assert all(len(m.merge.parts) == 12 for m in done)
    assert len(anywhere.names(FOLDER, prefix="part-")) == 1
    assert not load(anywhere).is_rebuilt, "the catalog follows, it is not built anew"
    assert everything(anywhere) == before
    assert list(verify(anywhere)) == []
    anywhere.catalog_path.unlink()
    load(anywhere)
    assert everything(anywhere) == before
    assert merges(anywhere, fewest=2) == []


def test_rows_are_sorted_by_problem_and_sample(scattered):
    compact(scattered)
    [part] = scattered.names(FOLDER, prefix="part-")
    rows = scattered.read_part(part, ["problem_id", "sample_index"]).to_pylist()
    assert rows == sorted(rows, key=lambda row: (row["problem_id"], row["sample_index"]))


def test_open_snapshot_reads_the_same_texts_before_between_and_after(anywhere):
    query = "select trace_id, answer, status from traces order by all"
    with connect(anywhere) as session:
        before = session.execute(query).fetchall()
        seen = []
        for merge in merges(anywhere, fewest=2):
            merge_parts(anywhere, merge)
            seen.append(session.execute(query).fetchall())
        load(anywhere)
        write_traces(anywhere, trace(50))
        compact(anywhere)
        seen.append(session.execute(query).fetchall())
    assert len(before) == 24
    assert all(rows == before for rows in seen)


def test_load_between_the_big_part_and_the_end_of_the_small_ones_changes_nothing(scattered):
    before = everything(scattered)
    small = {
        path: scattered.read_bytes(path) for m in merges(scattered) for path in (p.path for p in m.parts)
    }
    compact(scattered)
    for path, data in small.items():
        scattered.write_bytes(path, data)
    load(scattered)
    assert everything(scattered) == before
    for path in small:
        scattered.remove(path)
    assert not load(scattered).is_rebuilt
    assert everything(scattered) == before


def test_catalog_that_never_saw_the_small_parts_sees_their_rows(scattered):
    write_traces(scattered, trace(50))
    write_traces(scattered, trace(51))
    write_run(scattered, "late", (50, 0), (51, 0))
    compact(scattered)
    assert not load(scattered).is_rebuilt
    assert asked(scattered, "select count(*) from samples where run_id = 'late' and status = 'ok'") == [(2,)]


def test_part_that_is_lost_and_not_merged_is_still_forgotten(scattered):
    compact(scattered)
    load(scattered)
    [whole] = scattered.names(FOLDER, prefix="part-")
    write_traces(scattered, trace(50))
    load(scattered)
    scattered.remove(whole)
    assert load(scattered).is_rebuilt
    assert asked(scattered, "select trace_id from traces where status = 'ok'") == [(identity(50, 0),)]


def test_only_superseded_rows_are_dropped(store):
    write_traces(store, trace(1, status="error", at=1) | {"error_message": "first"}, trace(2, status="error"))
    write_traces(store, trace(1, status="error", at=2) | {"error_message": "last"})
    write_traces(store, trace(2, at=5))
    load(store)
    before = everything(store)
    [done] = compact(store)
    assert (done.num_rows, done.num_dropped) == (2, 2)
    load(store)
    assert everything(store) == before
    assert asked(store, "select error_message from traces where status = 'error'") == [("last",)]


def test_damaged_part_is_left_where_it_is(scattered):
    part = scattered.names(FOLDER, prefix="part-")[3]
    data = bytearray(scattered.read_bytes(part))
    data[10] ^= 1
    scattered.write_bytes(part, bytes(data))
    with pytest.raises(UserError, match="is damaged"):
        compact(scattered)
    assert len(scattered.names(FOLDER, prefix="part-")) == 12
    assert [damage.path for damage in verify(scattered)] == [part]


def test_big_parts_are_left_alone_and_groups_are_bounded(scattered, monkeypatch):
    sizes = [scattered.unpacked_bytes(part) for part in scattered.names(FOLDER, prefix="part-")]
    monkeypatch.setattr(compaction, "BIG_BYTES", 3 * max(sizes))
    groups = [m for m in merges(scattered, fewest=2) if m.place.startswith("traces")]
    assert [len(group.parts) for group in groups] == [3, 3, 3, 3]
    monkeypatch.setattr(compaction, "SMALL_BYTES", min(sizes))
    assert [m for m in merges(scattered, fewest=2) if m.place.startswith("traces")] == []


def test_history_that_moves_is_followed_part_by_part(scattered, monkeypatch):
    """Ten million rows that are changed in one transaction do not fit into the memory of a load."""
    before = everything(scattered)
    sizes = [scattered.unpacked_bytes(part) for part in scattered.names(FOLDER, prefix="part-")]
    monkeypatch.setattr(compaction, "BIG_BYTES", 3 * max(sizes))
    compact(scattered)
    parts = scattered.names(FOLDER, prefix="part-")
    assert len(parts) == 4
    monkeypatch.setattr(loader, "_MOST_AT_ONCE", 1)
    looked_for = []
    monkeypatch.setattr(loader, "statement", lambda name: looked_for.append(name) or statement(name))
    assert not load(scattered).is_rebuilt
    assert looked_for.count("load/moved") == len(parts)
    assert everything(scattered) == before
    assert list(verify(scattered)) == []


def test_index_and_its_rows_follow_the_parts(scattered):
    index = RecipeIndex(scattered, RECIPE).refresh()
    answers = set(index.answers())
    compact(scattered)
    assert index.rows([identity(3, 0)], ["answer"])["answer"].to_pylist() == ["\\boxed{3}"]
    assert set(index.answers()) == answers


def test_readers_loaders_and_writers_go_on_meanwhile(scattered):
    stop, counts, errors = threading.Event(), [], []

    def guarded(work):
        def run():
            try:
                while not stop.is_set():
                    work()
            except Exception as error:  # noqa: BLE001 - the test tells it
                errors.append(error)

        return threading.Thread(target=run)

    index = RecipeIndex(scattered, RECIPE).refresh()
    wanted = [identity(number, 0) for number in range(12)]
    threads = [
        guarded(lambda: counts.append(index.rows(wanted, ["answer"]).num_rows)),
        guarded(
            lambda: counts.append(
                len(set(wanted).intersection(RecipeIndex(scattered, RECIPE).refresh().answers()))
            )
        ),
    ]
    for thread in threads:
        thread.start()
    for number in range(100, 130):
        write_traces(scattered, trace(number))
        compact(scattered)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert set(counts) == {12}
    load(scattered)
    assert asked(scattered, "select count(*), count(distinct trace_id) from traces where status = 'ok'") == [
        (42, 42)
    ]


@pytest.fixture(scope="module")
def forks():
    with Forks("endpoints.killed") as forks:
        yield forks


@pytest.mark.parametrize("num_steps", [0, 1, 7, 14])
def test_kill_at_any_step_leaves_a_valid_root_and_the_next_compaction_ends_it(scattered, forks, num_steps):
    store = scattered
    before = everything(store)
    assert forks.run("endpoints.killed:compact", store.root, num_steps) == -signal.SIGKILL
    assert list(verify(store)) == []
    load(store)
    assert everything(store) == before
    compact(store)
    load(store)
    assert everything(store) == before
    assert [len(store.names(place)) for place in (FOLDER, "problems")] == [1, 1]


def test_locks_of_runs_and_upkeep(tmp_path):
    store = Store(str(tmp_path))
    with in_use(store), in_use(store), upkeep(store):
        with pytest.raises(UserError, match=r"A run on .* is under way"), unused(store):
            pass
        with pytest.raises(UserError, match="Another compaction or pruning"), upkeep(store):
            pass
    with unused(store), upkeep(store):
        assert {path.name for path in tmp_path.iterdir()} == {".in-use.lock", ".upkeep.lock"}


def test_parts_of_an_earlier_layout_merge_with_new_ones(store):
    old = traces_table([trace(1)]).select(TRACE_LAYOUTS[1].names)
    store.write_part(FOLDER, old)
    write_traces(store, trace(2) | {"mean_logprob": -0.5})
    load(store)
    before = everything(store)
    [done] = compact(store)
    assert store.read_part(done.part, ["mean_logprob"])["mean_logprob"].to_pylist() == [None, -0.5]
    load(store)
    assert everything(store) == before
    assert list(verify(store)) == []
