"""Loading is incremental, idempotent and atomic; everything in the catalog says what it is."""

import os
import re
import threading
import time
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from machines import go_on_elsewhere

from configs.models import Model
from configs.sampling import Sampling
from configs.schema import UserError
from warehouse import dictionary, loader
from warehouse.catalog import blank_catalog, connect, open_for_loading
from warehouse.identity import recipe_of, trace_id
from warehouse.journal import traces_table
from warehouse.loader import GATHERED, REDUCED, load
from warehouse.manifest import Manifest, RoleRecord, StageRecord, write_manifest
from warehouse.records import GRADES, MEMBERS, PROBLEMS, TRACE_LAYOUTS, Problem
from warehouse.relations import statement
from warehouse.store import Store, traces_folder
from warehouse.summary import StageCounts

RECIPE = recipe_of("explore", Model(id="m"), "p", Sampling())
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def problem(number):
    return Problem.of(benchmark="b", problem_id=f"p{number}", question=f"q{number}", gold="1", metadata={})


def identity(number, index):
    return trace_id(RECIPE, problem(number).problem_digest, index)


def trace(number, index=0, status="ok", at=0):
    return {
        "trace_id": identity(number, index),
        "problem_id": f"p{number}",
        "problem_digest": problem(number).problem_digest,
        "sample_index": index,
        "status": status,
        "reasoning": None,
        "answer": None if status == "error" else f"\\boxed{{{number}}}",
        "started_at": 1_700_000_000_000_000 + at,
        "reference_ids": (),
        "num_tries": 1,
        "error_code": "timeout" if status == "error" else None,
        "error_message": "too slow" if status == "error" else None,
    }


def write_traces(store, *rows):
    store.write_recipe(RECIPE)
    return store.write_part(traces_folder(RECIPE), traces_table(rows))


def write_grades(store, *pairs, verdict="correct"):
    rows = [
        {
            "trace_id": identity(number, index),
            "problem_digest": problem(number).problem_digest,
            "gold": "1",
            "verdict": verdict,
            "is_correct": verdict == "correct",
            "extracted": "1",
            "vote_key": "1",
        }
        for number, index in pairs
    ]
    table = pa.Table.from_pylist(rows, schema=GRADES)
    store.write_part("grades/grader=math-1", table, prefix=f"part-{RECIPE.key}-")


def write_run(store, run_id, *pairs, status="complete", experiment="e"):
    numbers = sorted({number for number, _ in pairs})
    rows = [{name: getattr(problem(n), name) for name in PROBLEMS.names} for n in numbers]
    store.write_part("problems", pa.Table.from_pylist(rows, schema=PROBLEMS))
    members = [
        {
            "stage": "explore",
            "problem_id": f"p{number}",
            "problem_digest": problem(number).problem_digest,
            "sample_index": index,
            "trace_id": identity(number, index),
            "gold": "1",
        }
        for number, index in pairs
    ]
    store.write_table(f"runs/{run_id}.parquet", pa.Table.from_pylist(members, schema=MEMBERS))
    role = RoleRecord(
        model="m",
        revision=None,
        params=None,
        price_input=None,
        price_output=None,
        recipe=RECIPE.key,
        engine="openai",
        prompt="p",
        n=1,
        temperature=1.0,
        max_tokens=9,
        stored_as="explore",
        settings="explorer",
        round=0,
        reads=(),
    )
    counts = StageCounts(
        wanted=len(pairs), generated=len(pairs), reused=0, errors=0, blocked=0, truncated=0, tokens=0
    )
    manifest = Manifest(
        run_id=run_id,
        experiment=experiment,
        status=status,
        benchmark="b",
        num_problems=len(numbers),
        grader="math-1",
        started_at=NOW,
        finished_at=NOW,
        stages={"explore": StageRecord(role=role, counts=counts)},
        config={},
        versions={},
    )
    write_manifest(store, manifest)


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path, monkeypatch):
    go_on_elsewhere(monkeypatch, tmp_path / "cache")
    return Store(str(tmp_path / "root") if request.param == "local" else f"memory://{tmp_path}")


@pytest.fixture
def loaded(store):
    write_traces(store, trace(1), trace(2))
    write_grades(store, (1, 0), (2, 0))
    write_run(store, "first", (1, 0), (2, 0))
    load(store)
    return store


def asked(store, query):
    with connect(store) as catalog:
        return catalog.execute(query).fetchall()


def everything(store, but=()):
    relations = ["problems", "traces", "grades", "runs", "samples", "pass_at_k", "cons_at_k", "leaderboard"]
    with connect(store) as catalog:
        rows = {r: catalog.execute(f"from {r}").fetchall() for r in relations if r not in but}
    return {relation: sorted(map(str, found)) for relation, found in rows.items()}


def test_loading_twice_changes_nothing(loaded):
    before = loaded.catalog_path.stat()
    report = load(loaded)
    after = loaded.catalog_path.stat()
    assert report.num_files == 0
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_only_what_is_new_is_read(loaded):
    write_traces(loaded, trace(3))
    write_grades(loaded, (3, 0))
    write_run(loaded, "second", (1, 0), (3, 0))
    report = load(loaded)
    assert (report.num_files, report.num_rows, report.is_rebuilt) == (4, 3, False)
    assert asked(loaded, "select run_id, accuracy from leaderboard order by all") == [
        ("first", 1.0),
        ("second", 1.0),
    ]


def test_everything_is_joined_by_key(loaded):
    """A condition that names both sides and is no equality would compare every row with every other."""
    with open_for_loading(loaded.catalog_path, loaded, 0) as connection:
        named = connection.execute("select view_name from duckdb_views() where not internal").fetchall()
        queries = [f"from {name}" for (name,) in named]
        for step in GATHERED:
            connection.execute(statement(f"load/{step}"))
        queries += [statement(f"load/{step}") for step in (*GATHERED, *REDUCED)]
        plans = {
            query: "".join(text for _, text in connection.execute(f"explain {query}").fetchall())
            for query in queries
        }
    assert len(plans) > len(REDUCED)
    assert [query for query, plan in plans.items() if "NL_JOIN" in plan] == []


def test_one_problem_is_read_from_the_file_that_holds_it(loaded):
    """However long the history is: a footer of texts alone takes milliseconds."""
    for number in (3, 4, 5):
        write_traces(loaded, trace(number))
    load(loaded)
    query = "select answer, reasoning from traces where problem_id = 'p4'"
    assert len(asked(loaded, query)) == 1
    [(_, plan)] = asked(loaded, f"explain analyze {query}")
    assert re.findall(r"Total Files Read: (\d+)", plan) == ["1"]


def test_load_of_many_groups_says_the_same(loaded, monkeypatch):
    for number in (3, 4, 5):
        write_traces(loaded, trace(number))
        write_grades(loaded, (number, 0))
        write_run(loaded, f"r{number}", (1, 0), (number, 0))
    load(loaded)
    before = everything(loaded)
    loaded.catalog_path.unlink()
    monkeypatch.setattr(loader, "_MOST_AT_ONCE", 1)
    monkeypatch.setattr(loader, "_SAMPLES_AT_ONCE", 1)
    assert load(loaded).is_rebuilt
    assert everything(loaded) == before


def test_rebuilt_catalog_says_the_same(loaded):
    write_traces(loaded, trace(3))
    write_run(loaded, "second", (1, 0), (3, 0))
    load(loaded)
    before = everything(loaded)
    loaded.catalog_path.unlink()
    assert load(loaded).is_rebuilt
    assert everything(loaded) == before


def test_answer_replaces_the_failure_in_every_run_that_wanted_it(store):
    write_traces(store, trace(1, status="error"))
    write_run(store, "early", (1, 0), status="incomplete")
    load(store)
    assert asked(store, "select status, verdict, is_correct, error_code from samples") == [
        ("error", "infra_error", None, "timeout")
    ]
    assert asked(store, "select status, answer, error_message from traces") == [("error", None, "too slow")]
    write_traces(store, trace(1, at=5))
    write_grades(store, (1, 0))
    load(store)
    assert asked(store, "select status, verdict, is_correct, error_code from samples") == [
        ("ok", "correct", True, None)
    ]
    assert asked(store, "select status from traces") == [("ok",)]


def test_last_failure_is_kept(store):
    write_traces(store, trace(1, status="error", at=9) | {"error_message": "late"})
    write_traces(store, trace(1, status="error", at=1) | {"error_message": "early"})
    load(store)
    assert asked(store, "select error_message from traces") == [("late",)]


def test_trace_in_two_parts_is_one_row(store):
    write_traces(store, trace(1))
    write_traces(store, trace(1, at=3), trace(2))
    load(store)
    assert asked(store, "select count(*), count(distinct trace_id) from traces") == [(2, 2)]


@pytest.mark.parametrize("newer_first", [False, True])
def test_parts_of_an_earlier_layout_are_read_as_null(store, newer_first):
    old = traces_table([trace(1)]).select(TRACE_LAYOUTS[1].names)
    new = traces_table([trace(2) | {"mean_logprob": -0.5, "score": 2.0}])
    store.write_recipe(RECIPE)
    for table in (new, old) if newer_first else (old, new):
        store.write_part(traces_folder(RECIPE), table)
        load(store)
    store.catalog_path.unlink()
    load(store)
    assert asked(store, "select problem_id, mean_logprob, score, answer from traces order by all") == [
        ("p1", None, None, "\\boxed{1}"),
        ("p2", -0.5, 2.0, "\\boxed{2}"),
    ]


def test_ungraded_sample_is_null_and_no_zero(store):
    write_traces(store, trace(1))
    write_run(store, "r", (1, 0))
    load(store)
    assert asked(store, "select verdict, is_correct from samples") == [(None, None)]
    assert asked(store, "select accuracy, num_attempts from leaderboard") == [(None, 0)]


def test_what_a_killed_load_left_beside_is_removed(loaded):
    left = loaded.catalog_path.with_name(".catalog.duckdb.0123abcd.tmp")
    left.write_bytes(b"half")
    spilled = left.with_name(f"{left.name}.tmp")
    spilled.mkdir()
    (spilled / "duckdb_temp_block-1.block").write_bytes(b"rows")
    write_run(loaded, "later", (0, 0))
    load(loaded)
    assert not left.exists() and not spilled.exists()


def test_recorded_again_replaces_the_run(loaded):
    write_run(loaded, "first", (1, 0))
    load(loaded)
    assert asked(loaded, "select count(*) from samples") == [(1,)]


def test_part_that_is_gone_is_forgotten(loaded):
    path = loaded.names(traces_folder(RECIPE))[0]
    loaded.filesystem.rm_file(loaded._at(path))
    assert load(loaded).is_rebuilt
    assert asked(loaded, "select count(*) from traces") == [(0,)]


def test_torn_part_leaves_the_catalog_as_it_was(loaded):
    before = everything(loaded, but={"traces"})
    loaded.write_bytes(f"{traces_folder(RECIPE)}/part-{'0' * 16}.parquet", b"PAR1 torn")
    with pytest.raises(UserError, match=r"a2r verify"):
        load(loaded)
    assert everything(loaded, but={"traces"}) == before
    assert not list(loaded.catalog_path.parent.glob(".catalog.duckdb*"))


def test_catalog_of_another_version_is_rebuilt(loaded):
    loaded.catalog_path.write_bytes(b"not a catalog")
    with pytest.raises(UserError, match="not a readable catalog"):
        connect(loaded)
    assert load(loaded).is_rebuilt


def test_readers_see_whole_loads_while_loads_go_on(loaded):
    seen, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            seen.append(asked(loaded, "select count(*) from samples")[0][0])

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(10, 15):
        write_traces(loaded, trace(number))
        write_run(loaded, f"r{number}", (number, 0), (1, 0))
        load(loaded)
    stop.set()
    reader.join()
    assert seen == sorted(seen)
    assert all(count % 2 == 0 for count in seen)
    assert asked(loaded, "select count(*) from samples") == [(12,)]


def test_catalog_is_read_only_for_everyone_else(loaded):
    with connect(loaded) as catalog, pytest.raises(Exception, match="read-only"):
        catalog.execute("delete from store.samples")


def test_every_relation_column_and_macro_has_its_comment(loaded):
    bare = asked(
        loaded,
        "select view_name from duckdb_views() where not internal and comment is null "
        "union all select table_name from duckdb_tables() where comment is null "
        "union all select table_name || '.' || column_name from duckdb_columns() where not internal and comment is null "
        "union all select function_name from duckdb_functions() "
        "where not internal and function_name <> 'trace_files' and comment is null",
    )
    assert bare == []


def test_dictionary_is_what_the_catalog_says():
    assert dictionary.PATH.read_text(encoding="utf-8") == dictionary.dictionary()


def test_blank_catalogs_of_long_ago_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "a2r"
    folder.mkdir()
    old, recent = folder / "blank-0123-1.5.0.duckdb", folder / "blank-4567-1.5.5.duckdb"
    for kept, days in ((old, 31), (recent, 29)):
        kept.touch()
        os.utime(kept, times=(time.time() - days * 86_400,) * 2)
    made = blank_catalog()
    assert not old.exists()
    assert recent.exists()
    assert [kept.read_bytes() for kept in folder.glob("blank-*") if kept != recent] == [made]
