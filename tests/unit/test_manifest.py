"""A manifest keeps what a run left, whatever version wrote it, and is read by one reader."""

import json
from pathlib import Path

import orjson
import pytest

from configs.schema import UserError
from warehouse.integrity import verify
from warehouse.manifest import VERSION, Manifest, StageRecord, manifests, read_manifest, write_manifest
from warehouse.store import Store

STORED = sorted((Path(__file__).parents[1] / "data/stored/root/runs").glob("*.json"))


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


@pytest.fixture
def manifest():
    return Manifest.read(STORED[0].read_bytes())


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem.split("-")[1])
def test_manifest_without_a_version_is_read_and_written_with_the_same_content(path):
    manifest = Manifest.read(path.read_bytes())
    written = json.loads(orjson.dumps(manifest.content()))
    assert written.pop("manifest_version") == VERSION
    assert written == json.loads(path.read_bytes())


def test_what_is_written_is_read_again(store, manifest):
    write_manifest(store, manifest)
    assert read_manifest(store, manifest.run_id) == manifest
    assert list(manifests(store)) == [manifest]


def test_stages_of_any_number_and_name_are_kept_in_order(store, manifest):
    explore = manifest.stages["explore"]
    reading = explore.model_copy(
        update={"role": explore.role.model_copy(update={"recipe": "f" * 16, "num_references": 3})}
    )
    stages = {"explore": explore, "second": reading, "synthesize": reading, "third": reading}
    write_manifest(store, manifest.model_copy(update={"stages": stages}))
    again = read_manifest(store, manifest.run_id)
    assert list(again.stages) == ["explore", "second", "synthesize", "third"]
    assert again.stages == stages
    assert list(again.roles) == ["explorer", "second", "synthesizer", "third"]
    assert again.recipes["third"] == "f" * 16


def test_field_of_no_meaning_here_is_ignored(store, manifest):
    store.write_bytes(f"runs/{manifest.run_id}.json", orjson.dumps(manifest.content() | {"weather": "rain"}))
    assert read_manifest(store, manifest.run_id) == manifest


def test_later_version_is_refused_with_the_way_out(store, manifest):
    path = f"runs/{manifest.run_id}.json"
    store.write_bytes(path, orjson.dumps(manifest.content() | {"manifest_version": VERSION + 1}))
    with pytest.raises(UserError, match=rf"manifest version {VERSION + 1}.*up to {VERSION}; update a2r"):
        read_manifest(store, manifest.run_id)
    assert ("schema", path) in {(damage.kind, damage.path) for damage in verify(store)}


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b"{}", b'{"run_id": "x", "stages": {"explore": {"wanted": 1}}}']
)
def test_what_is_not_a_manifest_is_named(store, text):
    store.write_bytes("runs/x.json", text)
    with pytest.raises(UserError, match=r"runs/x\.json is not a run's manifest .*a2r verify"):
        read_manifest(store, "x")
    assert ("torn", "runs/x.json") in {(damage.kind, damage.path) for damage in verify(store)}


def test_run_that_was_never_recorded_is_named(store):
    with pytest.raises(UserError, match=r"runs/x\.json is missing"):
        read_manifest(store, "x")


def test_recipes_hold_the_judge(manifest):
    judged = manifest.model_copy(update={"judge": manifest.stages["explore"].role})
    assert judged.recipes["judge"] == manifest.recipes["explore"]
    assert isinstance(judged.stages["explore"], StageRecord)
