"""`a2r verify` finds and names every damage, and nothing else."""

import json

import pyarrow as pa
import pytest
from test_store import RECIPE, row

from warehouse.integrity import verify
from warehouse.journal import traces_table
from warehouse.records import PROBLEMS, TRACE_LAYOUTS
from warehouse.store import Store, traces_folder


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path))
    store.write_recipe(RECIPE)
    store.write_part(traces_folder(RECIPE), traces_table([row(1), row(2)]))
    return store


@pytest.fixture
def part(store, tmp_path):
    [name] = store.names(traces_folder(RECIPE))
    return tmp_path / name


def kinds(store):
    return {(damage.path.rsplit("/", 1)[-1], damage.kind) for damage in verify(store)}


def test_sound_root_has_no_damage(store):
    assert kinds(store) == set()


def test_torn_part(store, part):
    part.write_bytes(part.read_bytes()[:-9])
    assert kinds(store) == {(part.name, "torn")}


def test_wrong_checksum(store, part):
    data = bytearray(part.read_bytes())
    table = traces_table([row(1)])
    other = store.write_part("x", table)
    part.write_bytes(store.read_bytes(other))
    (part.parents[3] / other).unlink()
    assert data
    assert kinds(store) == {(part.name, "checksum")}


def test_id_that_does_not_match_its_content(store):
    forged = row(3) | {"sample_index": 7}
    name = store.write_part(traces_folder(RECIPE), traces_table([forged]))
    assert kinds(store) == {(name.rsplit("/", 1)[-1], "identity")}


def test_reference_ids_are_part_of_the_content(store):
    forged = row(3) | {"reference_ids": ["another"]}
    name = store.write_part(traces_folder(RECIPE), traces_table([forged]))
    assert kinds(store) == {(name.rsplit("/", 1)[-1], "identity")}


def test_question_that_does_not_match_its_digest(store):
    columns = {name: ["x"] for name in PROBLEMS.names}
    name = store.write_part("problems", pa.table(columns, schema=PROBLEMS))
    assert kinds(store) == {(name.rsplit("/", 1)[-1], "identity")}


def test_changed_recipe(store, part):
    file = part.parent / "recipe.json"
    content = json.loads(file.read_text())
    content["sampling"]["temperature"] = 0.1
    file.write_text(json.dumps(content))
    assert kinds(store) == {("recipe.json", "recipe")}


def test_missing_recipe(store, part):
    (part.parent / "recipe.json").unlink()
    assert ("recipe.json", "recipe") in kinds(store)


def test_orphans(store, part):
    (part.parent / ".part-x.parquet.1.tmp").write_bytes(b"half")
    (part.parents[3] / "stray.txt").write_bytes(b"?")
    assert kinds(store) == {(".part-x.parquet.1.tmp", "orphan"), ("stray.txt", "orphan")}


def test_other_schema(store):
    name = store.write_part(traces_folder(RECIPE), pa.table({"x": [1]}))
    assert kinds(store) == {(name.rsplit("/", 1)[-1], "schema")}


def test_run_without_its_manifest(store):
    store.write_table("runs/r1.parquet", pa.table({"x": [1]}))
    assert kinds(store) == {("r1.parquet", "schema"), ("r1.parquet", "incomplete")}


def test_parts_of_every_layout_are_sound(store):
    for layout in TRACE_LAYOUTS:
        store.write_part(traces_folder(RECIPE), traces_table([row(3)]).select(layout.names))
    assert kinds(store) == set()
