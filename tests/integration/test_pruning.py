"""Pruning frees what only the pruned runs wanted, and leaves a valid root whenever it is cut short."""

import signal
from datetime import UTC, datetime, timedelta

import pytest
from endpoints.forks import Forks
from test_catalog import RECIPE, asked, identity, trace, write_grades, write_run, write_traces

from configs.schema import UserError
from tasks.ops.upkeep import prune_root
from warehouse.catalog import connect
from warehouse.integrity import verify
from warehouse.loader import load
from warehouse.locks import in_use
from warehouse.pruning import RunRecord, Selection, age_of, plan_pruning, recorded_runs
from warehouse.store import Store, traces_folder

FOLDER = traces_folder(RECIPE)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def of(store, experiment):
    return Selection(experiment=experiment)


def write(store, run_id, experiment, *pairs):
    """A run of an experiment over these traces."""
    write_run(store, run_id, *pairs, experiment=experiment)


@pytest.fixture
def store(tmp_path):
    """`old` wanted traces 1 to 4, `new` 3 to 6; 3 and 4 are shared; 9 belongs to no run."""
    store = Store(str(tmp_path / "root"))
    write_traces(store, trace(1), trace(2), trace(3))
    write_traces(store, trace(4), trace(5), trace(6), trace(9))
    write_grades(store, *((n, 0) for n in (1, 2, 3, 4)))
    write_grades(store, *((n, 0) for n in (5, 6)))
    write(store, "old", "before", *((n, 0) for n in (1, 2, 3, 4)))
    write(store, "new", "after", *((n, 0) for n in (3, 4, 5, 6)))
    load(store)
    return store


def files(store):
    return {file.path: file.stamp for file in store.files() if not file.path.endswith(".lock")}


def test_without_apply_nothing_changes_and_what_would_go_is_listed(store):
    before = files(store)
    plan = prune_root(store.root, of(store, "before")).as_dict()
    assert files(store) == before
    assert (plan["runs"], plan["traces"], plan["grades"], plan["is_applied"]) == (["old"], 2, 2, False)
    done = prune_root(store.root, of(store, "before"), is_applied=True)
    assert done.as_dict() == plan | {"is_applied": True}


def test_what_a_kept_run_or_no_run_wanted_stays(store):
    before = asked(store, "select * from samples where run_id = 'new' order by all")
    board = asked(store, "select * from leaderboard where run_id = 'new' order by all")
    prune_root(store.root, of(store, "before"), is_applied=True)
    assert list(verify(store)) == []
    assert asked(store, "select run_id from runs") == [("new",)]
    assert asked(store, "select * from samples order by all") == before
    assert asked(store, "select * from leaderboard order by all") == board
    left = {row[0] for row in asked(store, "select trace_id from traces where answer is not null")}
    assert left == {identity(n, 0) for n in (3, 4, 5, 6, 9)}
    assert asked(store, "select count(*) from grades") == [(4,)]


def test_space_is_what_was_reported(store):
    def stored():
        return sum(f.size for f in store.files() if f.path.split("/")[0] in {"traces", "grades", "runs"})

    before = stored()
    plan = prune_root(store.root, of(store, "*"), is_applied=True).as_dict()
    assert sorted(plan["runs"]) == ["new", "old"]
    assert 0.7 < (before - stored()) / plan["bytes"] < 1.3, "headers of Parquet weigh in files this small"
    assert store.names("grades/grader=math-1") == []
    assert asked(store, "select count(*) from traces") == [(1,)]


def test_session_that_was_open_reads_on(store):
    with connect(store) as session:
        prune_root(store.root, of(store, "before"), is_applied=True)
        left = session.execute("select count(*) from traces where answer is not null").fetchone()
    assert left == (5,)


def test_root_in_use_is_refused(store):
    before = files(store)
    with in_use(store), pytest.raises(UserError, match="under way"):
        prune_root(store.root, of(store, "before"), is_applied=True)
    assert files(store) == before


def test_no_rule_is_refused(store):
    with pytest.raises(UserError, match="--older-than 30d"):
        prune_root(store.root, Selection(), is_applied=True)


@pytest.fixture(scope="module")
def forks():
    with Forks("endpoints.killed") as forks:
        yield forks


@pytest.mark.parametrize("num_steps", [0, 1, 2, 3, 4, 6, 7])
def test_kill_at_any_step_shows_no_run_with_holes_and_the_next_pruning_ends_it(store, forks, num_steps):
    before = asked(store, "select * from samples where run_id = 'new' order by all")
    assert forks.run("endpoints.killed:prune", store.root, "before", num_steps) == -signal.SIGKILL
    load(store)
    assert asked(store, "select * from samples where run_id = 'new' order by all") == before
    holes = "select count(*) from samples where run_id = 'old' and status is null"
    assert asked(store, holes) == [(0,)], "a run is shown whole or not at all"
    assert {damage.path for damage in verify(store)} <= {"pruning.json", "runs/old.parquet"}
    prune_root(store.root, of(store, "before"), is_applied=True)
    assert list(verify(store)) == []
    assert asked(store, "select count(*) from traces") == [(5,)]
    assert [run.run_id for run in recorded_runs(store)] == ["new"]


def test_selection_needs_every_rule_and_keeps_the_newest():
    runs = [
        RunRecord(f"{name}{age}", name, NOW - timedelta(days=age), {}) for name in "ab" for age in (1, 10, 40)
    ]

    def chosen(**rules):
        return [run.run_id for run in Selection(**rules).of(runs, NOW)]

    assert chosen() == []
    assert sorted(chosen(older_than=age_of("30d"))) == ["a40", "b40"]
    assert chosen(keep_last=1, experiment="a") == ["a40", "a10"]
    assert chosen(keep_last=2, older_than=age_of("5d"), experiment="b*") == ["b40"]
    assert chosen(keep_last=3) == []
    assert chosen(keep_last=0, experiment="b") == ["b40", "b10", "b1"]


@pytest.mark.parametrize(("text", "hours"), [("12h", 12), ("30d", 720), ("8w", 1344)])
def test_age(text, hours):
    assert age_of(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "30", "d", "-3d", "1m", "3 d"])
def test_what_is_no_age_is_told(text):
    with pytest.raises(UserError, match="give hours, days or weeks"):
        age_of(text)


def test_nothing_goes_for_no_run(store):
    assert plan_pruning(store, [], recorded_runs(store)).num_bytes == 0
