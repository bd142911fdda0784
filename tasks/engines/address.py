"""Where an `EngineKind` comes from: the name under which a module holds it, ours or a user's."""

import importlib
import sys
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from tasks.engines.protocol import EngineError, EngineKind


@lru_cache(maxsize=64)
def kind_at(address: str, folder: str | None = None) -> EngineKind[Any]:
    """The kind that `module:NAME` is, its module imported once, also from a folder that is not on Python's path.

    Raises EngineError naming what is missing.
    """
    name, _, attribute = address.partition(":")
    module = _imported(name, folder)
    found = getattr(module, attribute, None)
    if not isinstance(found, EngineKind):
        what = "has no such name" if found is None else f"holds {type(found).__name__} there"
        raise EngineError(
            f"engine.kind is {address}, but {module.__file__ or name} {what}; define {attribute} = EngineKind(…), of "
            "tasks.engines.protocol."
        )
    return found


def _imported(name: str, folder: str | None) -> ModuleType:
    """The module, looked for on Python's path and then in the folder, so that the folder shadows nothing installed."""
    if folder and folder not in sys.path:
        sys.path.append(folder)
    top = name.partition(".")[0]
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and not f"{name}.".startswith(f"{error.name}."):
            raise EngineError(
                f"engine.kind is in {name}, which imports {error.name}, and that is not installed."
            ) from error
        where = f" in {folder} or" if folder else ""
        raise EngineError(
            f"engine.kind is in {name}, but there is no such module{where} on Python's path; set engine.import_from to "
            "the folder it is in."
        ) from error
    except Exception as error:
        raise EngineError(f"engine.kind: importing {name} failed: {type(error).__name__}: {error}") from error
    ours = PathFinder.find_spec(top, [folder]) if folder else None
    used = getattr(sys.modules[top], "__file__", None)
    if ours and ours.origin and used and Path(ours.origin).resolve() != Path(used).resolve():
        raise EngineError(
            f"engine.kind is in {name}, but this process has imported another {top} from {used}; rename {ours.origin}."
        )
    return module
