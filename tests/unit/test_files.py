"""Files and folders are there entirely or not at all; locks are given back by a kill."""

import errno
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from warehouse.files import atomic_file, atomic_folder, copy_file, leftovers, locked, write_file


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_has_its_name_only_once_it_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    write_file(path, b"old")
    with atomic_file(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("content", [b"", b"new" * 100_000])
def test_copy_is_the_whole_file_and_nothing_else(tmp_path, content):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(content)
    target.write_bytes(b"longer" * 100_000)
    copy_file(source, target)
    assert target.read_bytes() == content


@pytest.mark.parametrize("answer", [OSError(errno.EXDEV, "another file system"), 0])
def test_what_the_kernel_does_not_copy_is_copied_by_reading(tmp_path, monkeypatch, answer):
    def refuse(*_):
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(os, "copy_file_range", refuse, raising=False)
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"new" * 100_000)
    copy_file(source, target)
    assert target.read_bytes() == source.read_bytes()


def test_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    write_file(path, b"old")
    with pytest.raises(ZeroDivisionError), atomic_file(path) as beside:
        beside.write_text("half" * (1 // 0))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_folder_takes_the_place_of_another(tmp_path):
    target = tmp_path / "out"
    for text in ("old", "new"):
        with atomic_folder(target) as folder:
            (folder / "sub").mkdir()
            (folder / "sub" / text).write_text(text)
    assert names(target / "sub") == ["new"]
    assert names(tmp_path) == ["out"]


def test_failed_folder_leaves_what_was_there(tmp_path):
    target = tmp_path / "out"
    with atomic_folder(target) as folder:
        (folder / "old").touch()
    with pytest.raises(ZeroDivisionError), atomic_folder(target) as folder:
        (folder / "new").touch(1 // 0)
    assert names(target) == ["old"]
    assert names(tmp_path) == ["out"]


def test_what_a_kill_leaves_is_hidden_and_found(tmp_path):
    path = tmp_path / "catalog.duckdb"
    code = f"""
        import os, signal
        from pathlib import Path
        from warehouse.files import atomic_file
        with atomic_file(Path({str(path)!r})) as beside:
            beside.write_text("half")
            beside.with_name(beside.name + ".wal").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists()
    assert sorted(leftovers(path)) == sorted(tmp_path.iterdir())
    assert len(leftovers(path)) == 2
    assert not leftovers(tmp_path / "catalog")


def test_lock_is_held_by_one_or_shared_by_many_and_given_back_by_a_kill(tmp_path):
    path = tmp_path / "sub" / ".lock"
    code = f"""
        import sys
        from pathlib import Path
        from warehouse.files import locked
        with locked(Path({str(path)!r}), shared=True):
            print("locked", flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "locked\n"
        with locked(path, shared=True, wait=False):
            pass
        with pytest.raises(BlockingIOError, match="is locked"), locked(path, wait=False):
            pass
        holder.kill()
        with locked(path):  # waits until the kernel has taken it back
            pass
