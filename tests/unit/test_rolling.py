"""What a shard has made is in parts soon where the root is in an object store, and the shard goes on."""

import threading
import time
import uuid

import pytest
from test_store import RECIPE, row

from configs.schema import UserError
from warehouse import rolling
from warehouse.index import RecipeIndex
from warehouse.inventory import known_entries
from warehouse.journal import recover
from warehouse.rolling import RollingJournal
from warehouse.store import Store, traces_folder

FOLDER = traces_folder(RECIPE)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Of a root in an object store of this process."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store = Store(f"memory://{uuid.uuid4().hex}")
    store.open_for_writing()
    store.write_recipe(RECIPE)
    return RecipeIndex(store, RECIPE)


def parts_of(index):
    return index.store.names(FOLDER, prefix="part-")


def until_there_are(num_parts, index):
    until = time.monotonic() + 60
    while len(parts_of(index)) < num_parts and time.monotonic() < until:
        time.sleep(0.01)
    assert len(parts_of(index)) == num_parts


def all_known(index, *numbers):
    return all(index.has(row(number)["trace_id"]) for number in numbers)


def test_what_has_arrived_is_a_part_after_a_while_and_the_shard_goes_on(index, monkeypatch):
    monkeypatch.setattr(rolling, "ROLL_SECONDS", 0.1)
    journal = RollingJournal(index)
    for number in range(3):
        journal.append(row(number))
        assert all_known(index, *range(number + 1))
        until_there_are(number + 1, index)
        assert all_known(index, *range(number + 1))
    journal.append(row(3))
    assert sorted(journal.seal()) == parts_of(index)
    assert len(parts_of(index)) in {3, 4}, "the last may have become one by itself"
    assert all_known(index, *range(4))
    assert list(index.store.journal_folder.iterdir()) == []


def test_much_journal_is_a_part_at_once(index, monkeypatch):
    monkeypatch.setattr(rolling, "ROLL_BYTES", 1000)
    journal = RollingJournal(index)
    journal.append(row(1))
    assert parts_of(index) == []
    journal.append(row(2, answer="a" * 1000))
    until_there_are(1, index)
    assert journal.seal() == parts_of(index)


def test_part_that_the_store_refuses_is_written_later(index, monkeypatch):
    monkeypatch.setattr(rolling, "ROLL_SECONDS", 0.1)
    write, refused = Store.write_bytes, []

    def refusing(store, path, data):
        if len(refused) < 2:
            refused.append(path)
            raise UserError("not now")
        write(store, path, data)

    monkeypatch.setattr(Store, "write_bytes", refusing)
    journal = RollingJournal(index)
    journal.append(row(1))
    until_there_are(1, index)
    assert len(refused) == 2 and all_known(index, 1)
    assert journal.seal() == parts_of(index)


def test_journal_that_cannot_become_a_part_is_told_and_recovered(index, monkeypatch):
    def refusing(*_):
        raise UserError("never")

    journal = RollingJournal(index)
    journal.append(row(1))
    with monkeypatch.context() as broken:
        broken.setattr(Store, "write_bytes", refusing)
        with pytest.raises(UserError, match="never"):
            journal.seal()
    assert not all_known(index, 1)
    assert recover(index.store) == 1
    assert all_known(index.refresh(), 1)


def test_root_on_a_disk_has_one_part_a_shard(tmp_path, monkeypatch):
    monkeypatch.setattr(rolling, "ROLL_SECONDS", 0.01)
    index = RecipeIndex(Store(str(tmp_path / "root")), RECIPE)
    journal = RollingJournal(index)
    for number in range(3):
        journal.append(row(number))
    assert "journal" not in {thread.name for thread in threading.enumerate()}
    assert len(journal.seal()) == 1


def named(index):
    """Parts that the inventory names."""
    return [part for piece in known_entries(index.store, RECIPE.key, parts_of(index)) for part in piece.parts]


def test_parts_of_a_lost_machine_are_known_without_opening_them(index, monkeypatch, tmp_path):
    monkeypatch.setattr(rolling, "ROLL_SECONDS", 0.1)
    journal = RollingJournal(index)
    for number in range(2):
        journal.append(row(number))
        until_there_are(number + 1, index)
    until = time.monotonic() + 60
    while time.monotonic() < until and len(named(index)) < 2:
        time.sleep(0.01)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
        elsewhere.setattr(Store, "read_part", None)
        assert all_known(RecipeIndex(Store(index.store.root), RECIPE).refresh(), 0, 1)
    journal.seal()
    assert len(index.store.names(f"inventory/recipe={RECIPE.key}")) == 1, "files of an inventory are merged"
