"""The folder an export leaves: made beside and renamed, so it is there whole or not at all."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from configs.schema import UserError

MARK = "export.json"
"""Every export holds it; nothing else is ever replaced."""


@contextmanager
def new_folder(target: Path, *, force: bool) -> Iterator[Path]:
    """A folder to write into, which becomes `target` at the end. Raises UserError where that must not be."""
    target = target.expanduser().absolute()
    is_empty = target.is_dir() and not any(target.iterdir())
    if target.exists() and not is_empty:
        if not (target / MARK).is_file():
            raise UserError(f"{target} exists and is not an export of a2r; choose another folder with --to.")
        if not force:
            raise UserError(
                f"{target} holds an export already; replace it with --force, or choose another folder."
            )
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        beside.mkdir(parents=True)
        yield beside
        before = beside.with_name(f"{beside.name}.before")
        if target.exists():
            target.replace(before)
        beside.replace(target)
        shutil.rmtree(before, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{target} cannot be written: {error.strerror or error}; free some space or choose another folder with --to."
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
