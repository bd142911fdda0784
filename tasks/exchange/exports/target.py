"""The folder an export leaves: made beside and renamed, so it is there whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from configs.schema import UserError
from warehouse.files import atomic_folder

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
    try:
        with atomic_folder(target) as folder:
            yield folder
    except OSError as error:
        raise UserError(
            f"{target} cannot be written: {error.strerror or error}; free some space or choose another folder with --to."
        ) from error
