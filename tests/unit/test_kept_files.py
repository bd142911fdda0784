"""Files kept on this machine's disk: each is fetched once, in whole or in blocks, and the oldest go first."""

import os
import random
from functools import partial

import pytest

from warehouse.kept_files import BLOCK_BYTES, KeptFiles, write_bytes


def test_file_is_fetched_once_and_a_failure_leaves_nothing(tmp_path):
    kept = KeptFiles(tmp_path / "kept")
    with pytest.raises(OSError, match="no network"):
        kept.fetched("a", lambda _: (_ for _ in ()).throw(OSError("no network")))
    assert kept.get("a") is None and list(kept.folder.iterdir()) == []
    assert kept.fetched("a", partial(write_bytes, b"x")).read_bytes() == b"x"
    assert kept.fetched("a", lambda _: pytest.fail("it is kept")).read_bytes() == b"x"
    kept.remove("a")
    assert kept.get("a") is None


def test_what_was_not_read_for_longest_goes_first(tmp_path):
    before, folder = KeptFiles(tmp_path), tmp_path
    for age, name in enumerate("abc"):
        path = before.fetched(name, partial(write_bytes, bytes(100)))
        os.utime(path, (1000 - age, 1000 - age))
    assert before.get("c")
    KeptFiles(folder, most_bytes=250).fetched("d", partial(write_bytes, bytes(100)))
    assert {path.name for path in folder.iterdir()} == {"c", "d"}


def test_blocks_are_fetched_as_far_as_they_are_read_and_once(tmp_path):
    data, asked, chance = os.urandom(9 * BLOCK_BYTES + 123), [], random.Random(0)

    def fetch(start, end):
        asked.append((start, end))
        return data[start:end]

    kept = KeptFiles(tmp_path)
    file = kept.in_blocks("key", len(data), fetch)
    file.seek(-8, os.SEEK_END)
    assert file.read() == data[-8:]
    assert asked == [(9 * BLOCK_BYTES, len(data))]
    for _ in range(100):
        start, size = chance.randrange(len(data)), chance.choice([1, 5000, 3 * BLOCK_BYTES])
        file.seek(start)
        assert file.read(size) == data[start : start + size]
        assert file.tell() == min(start + size, len(data))
    file.seek(0)
    assert file.read() == data
    assert sum(end - start for start, end in asked) == len(data), "no byte twice"
    again = kept.in_blocks("key", len(data), lambda *_: pytest.fail("all of it is kept"))
    assert again.read() == data
    kept.remove("key")
    assert list(tmp_path.iterdir()) == []
