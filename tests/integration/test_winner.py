"""Of two rows of one trace the same one counts for every reader, and verdicts are of the answer it shows."""

import random

import pytest
from test_catalog import RECIPE, asked, trace, write_run

from tasks.graders.exact import Exact
from tasks.grading.traces import Grading
from warehouse.compaction import merge_parts, merges
from warehouse.grades import valid_grades, write_grades
from warehouse.index import RecipeIndex
from warehouse.integrity import verify
from warehouse.journal import Journal, traces_table
from warehouse.loader import load
from warehouse.store import Store, traces_folder
from warehouse.verdicts import VerdictMemory
from warehouse.winner import winners

FOLDER = traces_folder(RECIPE)


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path / "root"))
    store.write_recipe(RECIPE)
    return store


def answered(number, answer, at):
    return trace(number, at=at) | {"answer": f"\\boxed{{{answer}}}", "latency_seconds": 0.5}


def journalled(store, *rows):
    journal = Journal(store, RECIPE)
    for row in rows:
        journal.append(row)
    [part] = journal.seal()
    return part


class _Exact(Exact):
    """Right if the box holds 1."""

    key = "exact-test"

    def __init__(self):
        pass

    def extract(self, texts):
        return [text.removeprefix("\\boxed{").removesuffix("}") or None for text in texts]

    def vote_key(self, answer):
        return answer

    def decide(self, gold, answer):
        return "correct" if answer == gold else "wrong"


def graded(store):
    """Grade every trace that has no verdict yet, as the grading step does; the number of new verdicts."""
    index, grading = (
        RecipeIndex(store, RECIPE).refresh(),
        Grading(_Exact(), VerdictMemory(store, "exact-test")),
    )
    done = set(valid_grades(index, "exact-test", ["trace_id"], set(index.answers())))
    golds = {trace_id: {"1"} for trace_id in index.answers() if (trace_id,) not in done}
    for ids in index.by_part(golds).values():
        rows = grading.grades(
            index.batches(ids, ["problem_digest", "status", "answer", "answer_digest"]), golds
        )
        write_grades(store, "exact-test", RECIPE, rows)
    return len(golds)


def shown(store):
    return dict(asked(store, "select trace_id, answer from traces"))


def held(store):
    index = RecipeIndex(store, RECIPE).refresh()
    rows = index.rows(index.answers(), ["answer"]).to_pylist()
    return {row["trace_id"]: row["answer"] for row in rows}


@pytest.mark.parametrize("seed", [1, 3, 5, 7])
def test_index_load_and_compaction_choose_the_same_row(store, seed):
    """Twenty traces with up to four rows each, in parts that arrive in any order, loaded and merged on the way."""
    dice = random.Random(seed)
    rows = [
        answered(number, f"{number}-{copy}", at=dice.choice([1, 2, 3]))
        | {"latency_seconds": dice.choice([None, 0.5, 1.5])}
        for number in range(20)
        for copy in range(dice.randrange(1, 5))
    ]
    dice.shuffle(rows)
    index = RecipeIndex(store, RECIPE)
    for first in range(0, len(rows), 9):
        journalled(store, *rows[first : first + 9])
        write_run(store, "r", *((number, 0) for number in range(20)))
        load(store)
        index.refresh()
        if dice.random() < 0.3:
            for merge in merges(store, fewest=2):
                merge_parts(store, merge)
    load(store)
    incremental, fresh = shown(store), held(store)
    assert incremental == fresh
    assert {
        row["trace_id"]: row["answer"] for row in index.rows(index.answers(), ["answer"]).to_pylist()
    } == fresh
    store.catalog_path.unlink()
    load(store)
    assert shown(store) == fresh
    for merge in merges(store, fewest=2):
        merge_parts(store, merge)
    load(store)
    assert shown(store) == held(store) == fresh
    assert len(fresh) == 20
    assert list(verify(store)) == []


def test_no_verdict_is_of_an_answer_that_is_not_shown(store):
    """Two runs had other answers, the later one was graded first; its verdicts are not lent to the earlier answers."""
    late = [answered(number, 1, at=9) for number in range(6)]
    early = [answered(number, number, at=1) for number in range(6)]
    journalled(store, *late)
    write_run(store, "r", *((number, 0) for number in range(6)))
    assert graded(store) == 6
    journalled(store, *early)
    assert {damage.kind for damage in verify(store)} == {"verdict"}
    load(store)
    assert asked(store, "select count(*) from grades") == [(1,)], (
        "only that of the answer both gave is still one"
    )
    assert graded(store) == 5
    assert list(verify(store)) == []
    load(store)
    query = "select answer = '\\boxed{1}' as is_one, is_correct from traces join grades using (trace_id)"
    assert sorted(asked(store, query)) == [(False, False)] * 5 + [(True, True)]
    for merge in merges(store, fewest=2):
        merge_parts(store, merge)
    load(store)
    assert sorted(asked(store, query)) == [(False, False)] * 5 + [(True, True)]
    assert list(verify(store)) == []


def test_failures_never_hide_an_answer_and_the_last_one_counts():
    failed = trace(1, status="error", at=5)
    rows = [failed, failed | {"started_at": failed["started_at"] - 3, "error_code": "bad_request"}]
    assert traces_table(rows)["error_code"].to_pylist() == ["timeout"]
    assert traces_table([*rows, answered(1, 1, at=9)])["status"].to_pylist() == ["ok"]
    assert list(winners(traces_table([answered(1, 1, at=9), answered(2, 1, at=9)]))) == [0, 1]


def test_digest_that_is_not_of_the_answer_is_named(store):
    store.write_part(FOLDER, traces_table([answered(1, 1, at=1) | {"answer_digest": "0" * 16}]))
    assert {damage.kind for damage in verify(store)} == {"identity"}
