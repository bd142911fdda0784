"""What one machine keeps and another does not: a cache of its own."""

from functools import cache

from warehouse.catalog import _kept_blank, blank_catalog
from warehouse.files import write_file


def go_on_elsewhere(monkeypatch, folder):
    """From now on this process is on a machine whose cache is that new folder, with a blank catalog: half a second's work."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    blank = _blank()
    _kept_blank().parent.mkdir(parents=True, exist_ok=True)
    write_file(_kept_blank(), blank)


@cache
def _blank():
    """Made by this process, on the first of its machines: not what an earlier version may have left in the user's cache."""
    return blank_catalog()
