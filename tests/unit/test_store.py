"""The store, its journal and its index: atomic parts, recovery, nothing doubled."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow as pa
import pytest

from configs.models import Model
from configs.sampling import Sampling
from configs.schema import UserError
from warehouse.identity import problem_digest, recipe_of, trace_id
from warehouse.index import RecipeIndex
from warehouse.journal import Journal, recover, traces_table
from warehouse.planner import cut, distinct, missing_traces, wanted_traces
from warehouse.records import GRADES, TRACE_LAYOUTS, TRACES, Problem
from warehouse.store import Store, traces_folder

RECIPE = recipe_of("explore", Model(id="m"), "p", Sampling())


def problem(number):
    return Problem.of(benchmark="b", problem_id=f"p{number}", question=f"q{number}", gold="1", metadata={})


def row(number, index=0, status="ok", answer="a"):
    digest = problem_digest(f"q{number}")
    return {
        "trace_id": trace_id(RECIPE, digest, index),
        "problem_id": f"p{number}",
        "problem_digest": digest,
        "sample_index": index,
        "status": status,
        "answer": answer,
        "started_at": 1_700_000_000_000_000,
        "reference_ids": (),
        "num_tries": 1,
    }


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "root"))


def test_equal_rows_make_one_part(store):
    table = traces_table([row(1), row(2)])
    first = store.write_part("traces/x", table)
    assert store.write_part("traces/x", table) == first
    assert store.names("traces/x") == [first]


def test_rows_of_traces_are_the_same_where_their_problems_are_named(store):
    """A part of verdicts has several row groups, of which those of other problems are not read."""
    rows = [
        {"trace_id": f"{number:032x}", "problem_digest": f"{number // 1000:032x}", "verdict": "correct"}
        for number in range(40_000)
    ]
    part = store.write_part("grades/x", pa.Table.from_pylist(rows, schema=GRADES))
    wanted = [rows[place]["trace_id"] for place in (0, 17_000, 39_999)]
    problems = [rows[place]["problem_digest"] for place in (0, 17_000, 39_999)]
    found = store.read_part(part, ["trace_id", "verdict"], wanted, problems)
    assert found.num_rows == len(wanted)
    assert found == store.read_part(part, ["trace_id", "verdict"], wanted)
    assert store.read_part(part, ["trace_id"], wanted, problems[:1])["trace_id"].to_pylist() == wanted[:1]
    assert store.read_part(part, ["trace_id"], wanted, ["0"]).num_rows == 0


def test_part_is_sorted_by_problem_and_sample(store):
    part = store.write_part("x", traces_table([row(2), row(1, 1), row(1, 0)]))
    rows = store.read_part(part, ["problem_id", "sample_index"]).to_pylist()
    assert [(r["problem_id"], r["sample_index"]) for r in rows] == [("p1", 0), ("p1", 1), ("p2", 0)]


def test_part_has_the_schema_and_utc_times(store):
    part = store.write_part("x", traces_table([row(1)]))
    table = store.read_part(part)
    assert table.schema.equals(TRACES)
    assert table["started_at"].to_pylist()[0].isoformat() == "2023-11-14T22:13:20+00:00"


def test_temporary_files_are_not_parts(store, tmp_path):
    store.write_part("x", traces_table([row(1)]))
    (tmp_path / "root/x/.part-0.parquet.tmp").write_bytes(b"torn")
    assert len(store.names("x")) == 1


def test_torn_part_is_named(store, tmp_path):
    part = store.write_part("x", traces_table([row(1)]))
    file = tmp_path / "root" / part
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(UserError, match="a2r verify") as error:
        store.read_part(part)
    assert part in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_root_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="make it writable or choose another with --root"):
        Store(str(tmp_path / "root")).open_for_writing()


def test_root_below_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written to"):
        Store(str(tmp_path / "file" / "root")).open_for_writing()


def test_memory_root_stores_and_reads():
    store = Store("memory://a2r-test-store")
    store.open_for_writing()
    part = store.write_part("x", traces_table([row(1)]))
    assert store.names("x") == [part]
    assert store.read_part(part, ["answer"]).to_pylist() == [{"answer": "a"}]


def test_journal_becomes_a_part_and_goes(store):
    journal = Journal(store, RECIPE)
    journal.append(row(1))
    journal.append(row(2))
    [part] = journal.seal()
    assert part.startswith(traces_folder(RECIPE))
    assert store.read_part(part).num_rows == 2
    assert not journal.path.exists()


def test_empty_journal_leaves_nothing(store):
    journal = Journal(store, RECIPE)
    assert journal.seal() == []
    assert not journal.path.exists()


def test_recover_leaves_a_journal_in_use_alone(store):
    journal = Journal(store, RECIPE)
    journal.append(row(1))
    assert recover(store) == 0
    assert journal.path.exists()


def test_recover_takes_over_a_journal_of_a_killed_process(store):
    script = """
        import os, signal, sys
        sys.path.insert(0, "tests/unit")
        from test_store import RECIPE, row
        from warehouse.journal import Journal
        from warehouse.store import Store
        journal = Journal(Store(sys.argv[1]), RECIPE)
        journal.append(row(1))
        journal.append(row(2))
        os.write(journal._file, b'{"trace_id": "cut sho')
        os.kill(os.getpid(), signal.SIGKILL)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), store.root]
    assert subprocess.run(command, check=False).returncode == -9
    assert recover(store) == 2
    index = RecipeIndex(store, RECIPE).refresh()
    assert set(index.answers()) == {row(1)["trace_id"], row(2)["trace_id"]}
    assert recover(store) == 0
    assert (store.journal_folder).exists()
    assert not list(store.journal_folder.iterdir())


def test_doubled_trace_keeps_its_first_answer():
    table = traces_table([row(1, answer="first"), row(1, answer="second")])
    assert table["answer"].to_pylist() == ["first"]


def test_answer_replaces_a_failure_within_a_journal():
    table = traces_table([row(1, status="error", answer=None), row(1)])
    assert table["status"].to_pylist() == ["ok"]


def test_failure_is_missing_until_an_answer_comes(store):
    wanted = wanted_traces(RECIPE, problem(1), range(2))
    index = RecipeIndex(store, RECIPE)
    store.write_part(traces_folder(RECIPE), traces_table([row(1, 0, status="error"), row(1, 1)]))
    assert missing_traces(index.refresh(), wanted) == wanted[:1]
    store.write_part(traces_folder(RECIPE), traces_table([row(1, 0)]))
    assert missing_traces(index.refresh(), wanted) == []


def test_index_reads_rows_of_several_parts(store):
    for number in (1, 2, 3):
        store.write_part(traces_folder(RECIPE), traces_table([row(number, answer=f"a{number}")]))
    index = RecipeIndex(store, RECIPE).refresh()
    ids = [row(1)["trace_id"], row(3)["trace_id"]]
    assert sorted(index.rows(ids, ["answer"])["answer"].to_pylist()) == ["a1", "a3"]


def test_raising_n_keeps_the_samples_there_are():
    assert wanted_traces(RECIPE, problem(1), range(8))[:4] == wanted_traces(RECIPE, problem(1), range(4))


def test_cut_never_splits_a_problem_and_keeps_order():
    problems = [problem(number) for number in range(7)]
    pieces = cut(problems, lambda _: 4, 10)
    assert [len(piece) for piece in pieces] == [3, 3, 1]
    assert [p for piece in pieces for p in piece] == problems


def test_distinct_keeps_one_problem_a_question():
    twin = Problem.of(benchmark="b", problem_id="other", question="q1", gold="1", metadata={})
    assert len(distinct([problem(1), twin, problem(2)])) == 2


@pytest.mark.parametrize(
    "text", ["two\nlines\r\n", 'a "quote" \\boxed{}', "π ≤ 𝔸 \u2028", "nul \0 inside", ""]
)
def test_journal_keeps_every_character(store, text):
    journal = Journal(store, RECIPE)
    journal.append(row(1, answer=text))
    [part] = journal.seal()
    assert store.read_part(part, ["answer"]).to_pylist() == [{"answer": text}]


def test_trace_journalled_twice_is_stored_once(store):
    journal = Journal(store, RECIPE)
    for status, answer in (("error", None), ("ok", "first"), ("ok", "second")):
        journal.append(row(1, status=status, answer=answer))
    [part] = journal.seal()
    assert store.read_part(part, ["answer"]).to_pylist() == [{"answer": "first"}]


def test_rows_of_parts_of_two_layouts_stand_together(store):
    tables = [traces_table([row(1) | {"score": 1.5}]), traces_table([row(2)]).select(TRACE_LAYOUTS[1].names)]
    for table in tables:
        store.write_part(traces_folder(RECIPE), table)
    ids = [trace_id(RECIPE, problem_digest(f"q{n}"), 0) for n in (1, 2)]
    rows = RecipeIndex(store, RECIPE).refresh().rows(ids, ["problem_id", "score"]).to_pylist()
    assert {r["problem_id"]: r["score"] for r in rows} == {"p1": 1.5, "p2": None}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux lists them")
def test_reading_starts_no_threads(store):
    """One that still holds Python's bytes when a short command exits aborts it."""
    numbers = range(600)
    part = store.write_part("x", traces_table([row(number, answer="long" * 99) for number in numbers]))
    script = f"""
        import os
        from pathlib import Path
        import warehouse.parquet  # NumPy begins threads of its own as it is imported
        from warehouse.store import Store

        def names():
            tasks = (Path("/proc/self/task") / task / "comm" for task in os.listdir("/proc/self/task"))
            return [name for task in tasks if "jemalloc" not in (name := task.read_text())]

        store, part = Store({store.root!r}), {part!r}
        before = names()
        ids = store.read_part(part, ["trace_id"])["trace_id"].to_pylist()[::2]
        assert len(store.read_part(part, ["answer"], ids)) == 300
        assert sum(map(len, store.batches(part, ["trace_id", "answer"], ids))) == 300
        assert names() == before, names()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)


def test_fields_of_outcomes_are_columns_of_traces():
    from tasks.engines.protocol import Completion
    from warehouse.records import Wanted

    assert set(Completion._fields) | set(Wanted._fields) <= set(TRACES.names)
