"""Nothing that an engine says keeps a journal from becoming parts, and one bad line costs that line."""

import math
import os
import threading

import orjson
import pytest
from test_store import RECIPE, row

from warehouse.files import lock
from warehouse.index import RecipeIndex
from warehouse.integrity import verify
from warehouse.journal import Journal, recover
from warehouse.records import TRACES
from warehouse.storable import storable
from warehouse.store import Store, traces_folder


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path / "root"))
    store.write_recipe(RECIPE)
    return store


def left_behind(store, *lines, head=None):
    """A journal of a process that died: its head, then lines as they are."""
    journal = Journal(store, RECIPE)
    for line in lines:
        os.write(journal._file, line)
    journal.close()
    if head is not None:
        _, _, rows = journal.path.read_bytes().partition(b"\n")
        journal.path.write_bytes(head + b"\n" + rows)
    return journal.path


def line(number, **values):
    return orjson.dumps(row(number) | values) + b"\n"


def stored(store, *columns):
    parts = store.names(traces_folder(RECIPE), prefix="part-")
    return [r for part in parts for r in store.read_part(part, list(columns)).to_pylist()]


@pytest.mark.parametrize(
    ("column", "given", "kept"),
    [
        ("num_prompt_tokens", 12.0, 12),
        ("num_prompt_tokens", 12.5, None),
        ("num_prompt_tokens", 2**40, None),
        ("num_prompt_tokens", math.inf, None),
        ("num_prompt_tokens", "12", None),
        ("num_prompt_tokens", True, None),
        ("num_prompt_tokens", {"total": 12}, None),
        ("seed", 2**63 - 1, 2**63 - 1),
        ("seed", 2**64, None),
        ("finish_reason", 3, None),
        ("mean_logprob", math.nan, None),
        ("mean_logprob", 10**400, None),
        ("mean_logprob", -1, -1.0),
        ("answer", "\ud83d \\boxed{8}", "\ufffd \\boxed{8}"),
        ("answer", "\ud83d\ude00", "\U0001f600"),
        ("answer", "a\x00b\x1b[31m\r\u2028", "a\x00b\x1b[31m\r\u2028"),
        ("answer", ["a"], None),
    ],
)
def test_odd_values_are_stored_as_far_as_they_can_be(store, column, given, kept):
    journal = Journal(store, RECIPE)
    journal.append(row(1) | {column: given})
    journal.append(row(2))
    journal.seal()
    assert [r[column] for r in stored(store, "problem_id", column) if r["problem_id"] == "p1"] == [kept]
    assert list(verify(store)) == []


@pytest.mark.parametrize("column", TRACES.names)
def test_row_taken_as_it_is_is_what_reading_its_values_anew_gives(column):
    """Most rows pass without a copy; none of them may hold what the slow reading would have changed."""
    odd = (
        *(
            None,
            True,
            0,
            -1,
            2**31,
            2**63,
            10**30,
            1.0,
            1.5,
            math.nan,
            -math.inf,
            b"x",
            {},
            [],
            ["a"],
            (),
            ("a",),
        ),
        *(("\ud83d",), (5,), "", "x", "\u00e9", "\ud83d", "\ud83d\ude00", "ok", "truncated", "done"),
    )
    for value in odd:
        given = row(1) | {"reference_ids": ()} | {column: value}
        try:
            kept = storable(given)
        except ValueError:
            continue
        assert orjson.loads(orjson.dumps(kept)) == orjson.loads(orjson.dumps(storable(given | {"odd": 1})))


@pytest.mark.parametrize("column", ["trace_id", "problem_id", "sample_index", "status"])
def test_row_that_is_not_a_trace_is_refused(store, column):
    with pytest.raises(ValueError, match=column):
        Journal(store, RECIPE).append(row(1) | {column: None})


@pytest.mark.parametrize(
    "odd", [{"num_prompt_tokens": 12.0}, {"num_prompt_tokens": 12.5}, {"finish_reason": 3}]
)
def test_journal_with_an_odd_value_is_recovered_with_every_trace(store, odd):
    path = left_behind(store, line(1), line(2, **odd), line(3))
    assert recover(store) == 3
    assert {r["problem_id"] for r in stored(store, "problem_id")} == {"p1", "p2", "p3"}
    assert not path.exists()
    assert list(verify(store)) == []


@pytest.mark.parametrize(
    "bad", [b"\x00" * 40 + b"\n", b'{"trace_id": "x"}\n', b"5\n", b"{}\n", b'{"a": \xff}\n', b"\n"]
)
def test_bad_line_costs_that_line_and_is_set_aside(store, bad):
    path = left_behind(store, line(1), bad, line(2))
    [damage] = verify(store)
    assert (damage.path, damage.kind) == (f"journal/{path.name}", "torn")
    assert "line 3" in damage.detail
    said = []
    assert recover(store, said.append) == 2
    aside = path.with_suffix(".unreadable")
    assert aside.read_bytes() == bad
    assert str(aside) in said[0]
    assert [d.path for d in verify(store)] == [f"journal/{aside.name}"]
    assert recover(store) == 0


@pytest.mark.parametrize("head", [b"not JSON", b'{"recipe": 5}', b'{"recipe": "{}"}', b"[]"])
def test_journal_of_no_recipe_is_set_aside_and_the_others_are_recovered(store, head):
    bad = left_behind(store, line(1), head=head)
    left_behind(store, line(2))
    assert [d.path for d in verify(store)] == [f"journal/{bad.name}"]
    said = []
    assert recover(store, said.append) == 1
    aside = bad.with_suffix(".unreadable")
    assert aside.read_bytes().endswith(line(1))
    assert len(said) == 1
    assert [d.path for d in verify(store)] == [f"journal/{aside.name}"]


def test_journal_cut_before_its_head_was_whole_goes(store):
    path = left_behind(store)
    path.write_bytes(path.read_bytes()[:20])
    assert list(verify(store)) == []
    assert recover(store) == 0
    assert list(store.journal_folder.iterdir()) == []


def test_long_journal_becomes_several_parts(store, monkeypatch):
    monkeypatch.setattr("warehouse.journal._PIECE_BYTES", 1000)
    left_behind(store, *(line(number, answer="x" * 400) for number in range(7)))
    assert recover(store) == 7
    assert len(store.names(traces_folder(RECIPE), prefix="part-")) > 1
    assert len({r["problem_id"] for r in stored(store, "problem_id")}) == 7
    assert list(verify(store)) == []


def test_journal_sealed_while_it_is_taken_over_is_left(store, monkeypatch):
    """Another run opens the journal, then its owner seals it and lets it go."""
    journal = Journal(store, RECIPE)
    journal.append(row(1))

    def sealed_first(*_):
        journal.seal()
        return False

    monkeypatch.setattr("warehouse.journal.is_alive", sealed_first)
    assert recover(store) == 0
    assert [r["problem_id"] for r in stored(store, "problem_id")] == ["p1"]


def test_whoever_recovers_beside_another_thread_finds_what_that_one_recovers(store, monkeypatch):
    left_behind(store, line(1), line(2))
    write_part, has_begun, may_write, found = Store.write_part, threading.Event(), threading.Event(), []

    def slow(*arguments, **named):
        has_begun.set()
        assert may_write.wait(60)
        return write_part(*arguments, **named)

    def recovered():
        recover(store)
        found.append(len(stored(store, "problem_id")))

    monkeypatch.setattr(Store, "write_part", slow)
    threads = [threading.Thread(target=recovered) for _ in range(2)]
    threads[0].start()
    assert has_begun.wait(60)
    threads[1].start()
    threads[1].join(0.2)  # long enough for one that does not wait
    may_write.set()
    for thread in threads:
        thread.join(60)
    assert found == [2, 2]


def test_journal_of_a_dying_process_is_waited_for(store):
    path = left_behind(store, line(1))
    held = os.open(path, os.O_RDWR)
    assert lock(held, wait=False)
    dying = threading.Timer(0.2, os.close, [held])
    dying.start()
    assert recover(store) == 1
    dying.join()


def test_answers_are_read_back_from_an_open_journal_as_its_part_will_hold_them(store):
    index = RecipeIndex(store, RECIPE)
    journal = index.opened()
    for number, values in enumerate(({"answer": "a\n\u2028b"}, {"status": "error"}, {"answer": "c"})):
        journal.append(row(number) | values)
    ids = [row(number)["trace_id"] for number in range(3)]
    assert [index.has(trace_id) for trace_id in ids] == [True, False, True]
    columns = ["answer", "answer_digest", "started_at", "num_prompt_tokens"]
    held = index.rows(ids, columns)
    assert held.num_rows == 2
    journal.seal()
    assert journal.rows(ids[:1]) is None, "it is closed"
    assert index.rows(ids, columns) == held, "what is sealed is found in its part"
    index.forget(journal)
    assert [index.has(trace_id) for trace_id in ids] == [True, False, True]
    assert index.by_part(ids).keys() == set(store.names(traces_folder(RECIPE), prefix="part-"))
