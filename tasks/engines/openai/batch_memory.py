"""Which ended batches' failures were delivered on this machine, so that the next run asks for these lines again.

A batch that is forgotten, or was seen on another machine, has its failures delivered once more, which sends nothing.
"""

import contextlib
import hashlib
import os
from pathlib import Path


def told_of(batch_id: str) -> bool:
    """Whether the batch's failures were delivered here."""
    return _path(batch_id).exists()


def remember(batch_id: str) -> None:
    """They are delivered now. A home that refuses writes costs nothing but the memory."""
    with contextlib.suppress(OSError):
        _path(batch_id).parent.mkdir(parents=True, exist_ok=True)
        _path(batch_id).touch()


def _path(batch_id: str) -> Path:
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "a2r" / "batches" / hashlib.sha256(batch_id.encode()).hexdigest()[:32]
