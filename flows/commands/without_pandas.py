"""Arrow and DuckDB look for pandas whenever they are handed a value, which costs a third of a second if it is there.

Nothing of ours needs it, so their C code, which asks in our name, does not find it; whoever imports it by a statement does.
"""

import sys
from importlib.machinery import ModuleSpec
from types import FrameType

_OURS = frozenset({"configs", "warehouse", "tasks", "flows"})
_MACHINERY = "importlib"


class _HiddenPandas:
    @staticmethod
    def find_spec(name: str, *_: object) -> ModuleSpec | None:
        if name == "pandas" and _importer(sys._getframe(1)) in _OURS:  # noqa: SLF001 - Python's own way to ask
            raise ModuleNotFoundError(name, name=name)
        return None


def hide_pandas() -> None:
    """Do so from here on, in this process."""
    sys.meta_path.insert(0, _HiddenPandas)


def _importer(frame: FrameType | None) -> str:
    """The top package of the code that imports, C code excepted: that has no frame."""
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] == _MACHINERY:
        frame = frame.f_back
    return frame.f_globals.get("__name__", "").partition(".")[0] if frame else ""
