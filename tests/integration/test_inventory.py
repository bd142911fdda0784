"""The inventory spares opening parts, and is believed of parts alone, never of whether they are there."""

import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_catalog import RECIPE, asked, everything, identity, trace, write_run, write_traces

from warehouse import entries as entries_module
from warehouse import index as index_module
from warehouse import inventory
from warehouse.compaction import merge_parts, merges
from warehouse.entries import READ, doubled, entries_by_id, entries_of, joined, stored_by_id
from warehouse.index import RecipeIndex
from warehouse.integrity import verify
from warehouse.journal import traces_table
from warehouse.loader import load
from warehouse.problem_rows import ProblemRows
from warehouse.store import Store, content_hash, traces_folder

FOLDER = traces_folder(RECIPE)
NUM_PARTS = 6


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "root"))


def add(store, numbers):
    for number in numbers:
        write_traces(store, trace(number), trace(number + 100, status="error"))
        write_run(store, f"r{number}", (number, 0), (number + 100, 0), status="incomplete")


@pytest.fixture
def loaded(store):
    add(store, range(NUM_PARTS))
    load(store)
    return store


@pytest.fixture
def opened(monkeypatch):
    """The parts that are opened from now on."""
    paths, read_part = [], Store.read_part

    def noted(store, path, *arguments):
        paths.append(path)
        return read_part(store, path, *arguments)

    monkeypatch.setattr(Store, "read_part", noted)
    return paths


def files(store):
    return store.names(f"inventory/recipe={RECIPE.key}")


def known(store):
    index = RecipeIndex(store, RECIPE).refresh()
    ids = [identity(number, 0) for number in range(300)]
    return {trace_id: held for trace_id in ids if (held := index.get(trace_id))}


def compact(store):
    for merge in merges(store, fewest=2):
        merge_parts(store, merge)


def test_index_opens_no_part_that_the_inventory_names(loaded, opened):
    from_inventory = known(loaded)
    assert opened == []
    for path in files(loaded):
        loaded.remove(path)
    assert known(loaded) == from_inventory
    assert len(opened) == NUM_PARTS
    assert len(from_inventory) == 2 * NUM_PARTS


def test_one_problem_is_looked_for_in_the_parts_that_may_hold_it(loaded, monkeypatch):
    footers, opened_file = [], Store.opened_file

    def noted(store, path):
        footers.append(path)
        return opened_file(store, path)

    monkeypatch.setattr(Store, "opened_file", noted)
    everywhere = ProblemRows(loaded)
    assert everywhere.count(RECIPE.key) == 2 * NUM_PARTS
    expected = everywhere.read(RECIPE.key, ["p3"])
    footers.clear()
    assert ProblemRows(loaded).read(RECIPE.key, ["p3"]) == expected
    assert expected.num_rows == 1
    assert len({path for path in footers if path.startswith("traces/")}) < NUM_PARTS
    write_traces(loaded, trace(3, at=1))
    assert ProblemRows(loaded).read(RECIPE.key, ["p3"]).num_rows == 2


def test_parts_that_came_since_are_opened(loaded, opened):
    write_traces(loaded, trace(50))
    assert len(known(loaded)) == 2 * NUM_PARTS + 1
    assert len(opened) == 1


def test_what_it_says_of_parts_that_are_gone_is_ignored(loaded):
    """It names small parts only; the listing names the big one, and later one part less."""
    before = {trace_id: held._replace(part="") for trace_id, held in known(loaded).items()}
    compact(loaded)
    assert {trace_id: held._replace(part="") for trace_id, held in known(loaded).items()} == before
    [whole] = loaded.names(FOLDER, prefix="part-")
    loaded.remove(whole)
    assert known(loaded) == {}


def test_part_that_was_taken_away_is_not_stored_although_it_is_named(loaded):
    gone = loaded.names(FOLDER, prefix="part-")[0]
    held = {trace_id for trace_id, row in known(loaded).items() if row.part == gone}
    loaded.remove(gone)
    assert known(loaded).keys().isdisjoint(held)
    assert len(known(loaded)) == 2 * NUM_PARTS - 2


def test_loads_leave_few_files_and_each_names_parts_that_are_there(store, opened):
    for number in range(60):
        write_traces(store, trace(number), trace(number + 100, status="error"))
        load(store)
    assert len(files(store)) <= 5
    opened.clear()
    assert len(known(store)) == 120
    assert len(opened) < inventory.FEWEST_PARTS
    compact(store)
    load(store)
    assert files(store) == [], "its parts are gone, and one part is opened as fast"
    assert len(known(store)) == 120


def test_inventory_is_written_where_an_earlier_version_left_none(loaded):
    for path in files(loaded):
        loaded.remove(path)
    write_run(loaded, "again", (1, 0))
    load(loaded)
    assert len(files(loaded)) == 1


def test_inventory_of_an_earlier_layout_is_ignored_and_replaced(loaded, opened):
    right = known(loaded)
    [path] = files(loaded)
    table = pq.read_table(pa.BufferReader(loaded.read_bytes(path)))
    sink = pa.BufferOutputStream()
    pq.write_table(table.drop_columns("tokens"), sink)
    data = sink.getvalue().to_pybytes()
    loaded.remove(path)
    earlier = f"inventory/recipe={RECIPE.key}/{content_hash(data)}.parquet"
    loaded.write_bytes(earlier, data)
    assert known(loaded) == right
    assert len(opened) == NUM_PARTS
    write_run(loaded, "again", (1, 0))
    load(loaded)
    opened.clear()
    assert known(loaded) == right
    assert opened == []
    assert earlier not in files(loaded)


def test_damaged_inventory_is_named_and_misleads_nobody(loaded, opened, tmp_path):
    right = known(loaded)
    [path] = files(loaded)
    data = bytearray(loaded.read_bytes(path))
    data[len(data) // 2] ^= 1
    loaded.write_bytes(path, bytes(data))
    assert known(loaded) == right
    assert len(opened) == NUM_PARTS
    assert [(damage.path, damage.kind) for damage in verify(loaded)] == [(path, "checksum")]
    loaded.remove(path)
    assert list(verify(loaded)) == []


@pytest.mark.parametrize("large", [1, 3, 2**20])
@pytest.mark.parametrize("recent_rows", [0, 3, 100])
def test_index_says_the_same_however_few_rows_it_keeps_as_objects(store, monkeypatch, recent_rows, large):
    """Answers, failures, a failure with its answer, and two answers of which the earlier one counts."""
    monkeypatch.setattr(index_module, "_RECENT_ROWS", recent_rows)
    monkeypatch.setattr(entries_module, "_LARGE", large)
    index = RecipeIndex(store, RECIPE)
    twice = [trace(7, at=at) | {"answer": f"\\boxed{{{at}}}"} for at in (5, 1, 9)]
    parts = [
        [trace(1), trace(2, status="error") | {"error_code": "bad_request"}, twice[0]],
        [trace(3, status="error"), trace(4), twice[1]],
        [trace(2, at=3), trace(5)],
        [twice[2], trace(3, status="error", at=8)],
    ]
    for rows in parts:
        write_traces(store, *rows)
        index.refresh()
    assert set(index.answers()) == {identity(number, 0) for number in (1, 2, 4, 5, 7)}
    assert index.get(identity(3, 0)).status == "error"
    assert index.get(identity(6, 0)) is None
    assert index.rows([identity(7, 0)], ["answer"])["answer"].to_pylist() == ["\\boxed{1}"]
    fresh = RecipeIndex(store, RECIPE).refresh()
    for number in range(8):
        assert fresh.get(identity(number, 0)) == index.get(identity(number, 0))
        assert (identity(number, 0) in fresh.held) == index.has(identity(number, 0))


def test_entries_say_what_the_rows_say():
    rows = [
        trace(number, status=status) | {"error_code": code, "answer_digest": digest}
        for number, (status, code, digest) in enumerate(
            [
                ("ok", None, "0123456789abcdef"),
                ("truncated", None, "f" * 16),
                ("error", "timeout", None),
                ("error", "context_overflow", None),
                ("ok", None, None),
            ]
        )
    ]
    table = traces_table(rows).select(READ)
    expected, entries = stored_by_id("part", table), entries_of("part", table)
    assert {row["trace_id"]: entries.get(row["trace_id"]) for row in rows} == expected
    assert {trace_id: entries_by_id(expected).get(trace_id) for trace_id in expected} == expected
    assert set(entries.answers()) == {row["trace_id"] for row in rows if row["status"] != "error"}
    assert entries.get("no id at all") is None
    both = joined([entries, entries_of("other", table)])
    assert len(both) == 2 * len(rows) and both.doubled().all()
    assert both.of_parts(["other"]).get(rows[0]["trace_id"]).part == "other"


def test_rows_of_one_trace_are_found_in_several_pieces():
    """Also among ids that are equal in their first half."""
    first, second = (
        entries_of(
            part,
            traces_table([trace(n) | {"trace_id": f"{n // 4:016x}{n:016x}"} for n in numbers]).select(READ),
        )
        for part, numbers in (("a", (1, 2, 3, 9)), ("b", (0, 2, 3, 8, 20)))
    )
    assert [piece.are_in(other).tolist() for piece, other in ((first, second), (second, first))] == [
        [False, True, True, False],
        [False, True, True, False, False],
    ]
    assert [rows.sum() for rows in doubled([first, second])] == [2, 2]
    assert not any(rows.any() for rows in doubled([first]))


def test_row_without_a_readable_id_is_left_out_of_entries():
    table = traces_table([trace(1), trace(2) | {"trace_id": "no id"}]).select(READ)
    assert list(entries_of("part", table).answers()) == [identity(1, 0)]


def test_relations_do_not_know_of_the_inventory(loaded):
    before = everything(loaded)
    for path in files(loaded):
        loaded.remove(path)
    loaded.catalog_path.unlink()
    load(loaded)
    assert everything(loaded) == before
    assert asked(loaded, "select count(*) from traces where status = 'ok'") == [(NUM_PARTS,)]


def test_readers_beside_loads_that_write_it_and_compactions_that_outdate_it(store):
    for number in range(NUM_PARTS):
        write_traces(store, trace(number))
    load(store)
    stop, counts, errors = threading.Event(), [], []
    wanted = [identity(number, 0) for number in range(NUM_PARTS)]
    index = RecipeIndex(store, RECIPE).refresh()

    def guarded(work):
        def run():
            try:
                while not stop.is_set():
                    counts.append(work())
            except Exception as error:  # noqa: BLE001 - the test tells it
                errors.append(error)

        return threading.Thread(target=run)

    threads = [
        guarded(lambda: index.rows(wanted, ["answer"]).num_rows),
        guarded(lambda: sum(map(RecipeIndex(store, RECIPE).refresh().has, wanted))),
    ]
    for thread in threads:
        thread.start()
    for first in range(200, 260, 5):
        for number in range(first, first + 5):
            write_traces(store, trace(number))
        load(store)
        compact(store)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert set(counts) == {NUM_PARTS}
