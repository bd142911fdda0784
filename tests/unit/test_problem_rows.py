"""One problem's rows from the parts that may hold it, and from no other."""

import random

import pyarrow as pa
import pytest

from configs.schema import UserError
from warehouse.parquet import FEWEST_ROWS
from warehouse.problem_rows import ProblemRows
from warehouse.records import TRACE_LAYOUTS, TRACES
from warehouse.store import Store

RECIPE = "0123456789abcdef"
FOLDER = f"traces/stage=explore/recipe={RECIPE}"


def rows(problems, *, status="ok", samples=4, schema=TRACES, answer=""):
    """Sorted as parts are: by problem, then by sample."""
    made = [
        {
            "trace_id": f"{name}/{index}/{status}",
            "problem_id": name,
            "problem_digest": name,
            "sample_index": index,
            "status": status,
            "answer": answer,
        }
        for name in sorted(problems)
        for index in range(samples)
    ]
    return pa.Table.from_pylist(made, schema=TRACES).select(schema.names)


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


def test_rows_of_every_part_and_layout_are_found(store):
    store.write_part(FOLDER, rows([f"p{i}" for i in range(500)]))
    store.write_part(FOLDER, rows(["p7", "q"], status="error", samples=1, schema=TRACE_LAYOUTS[-1]))
    found = ProblemRows(store).read(RECIPE, ["p7", "p499", "nothing"])
    assert found.schema == TRACES
    assert sorted(found["trace_id"].to_pylist()) == sorted(
        [f"{name}/{i}/ok" for name in ("p7", "p499") for i in range(4)] + ["p7/0/error"]
    )
    assert ProblemRows(store).count(RECIPE) == 2002
    assert ProblemRows(store).stage_of(RECIPE) == "explore"


def test_only_row_groups_that_may_hold_the_problem_are_read(store):
    names = [f"p{i:04}" for i in range(2 * FEWEST_ROWS)]
    part = store.write_part(
        FOLDER, rows(names, answer=random.Random(0).randbytes(5000).hex())
    )  # several groups
    reader = ProblemRows(store)
    assert reader.read(RECIPE, ["p0001"]).num_rows == 4
    path = store.catalog_path.parent / part
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)  # damage in the middle
    path.write_bytes(data)
    assert reader.read(RECIPE, ["p0001"]).num_rows == 4
    with pytest.raises(UserError, match="cannot be read"):
        reader.read(RECIPE, names)


def test_parts_that_come_and_go_are_seen(store):
    reader = ProblemRows(store)
    assert reader.read(RECIPE, ["a"]).num_rows == 0 and reader.stage_of(RECIPE) is None
    first = store.write_part(FOLDER, rows(["a"]))
    assert reader.read(RECIPE, ["a"]).num_rows == 4
    store.write_part(FOLDER, rows(["a", "b"], samples=5))
    store.remove(first)
    assert reader.read(RECIPE, ["a"]).num_rows == 5
