"""Where a model's files lie on this machine, and what they say without being loaded."""

import json
import os
import re
from pathlib import Path

from configs.models import Model

MODELS = Path(__file__).parents[1] / "models"
"""The models shipped with the package, a folder each."""
_POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length")


def shipped_or_hub(name: str) -> str:
    """The folder of a shipped model, else the name, which is then a hub id."""
    return str(MODELS / name) if (MODELS / name).is_dir() else name


def weights_file(location: str, model: Model, name: str) -> Path | None:
    """A file of the weights at `location`, a folder or a hub id, where it is on this machine already."""
    if (Path(location).expanduser() / name).is_file():
        return Path(location).expanduser() / name
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - a quarter of a second, for `a2r check` alone

    try:
        cached = try_to_load_from_cache(location, name, revision=hub_revision(model))
    except ValueError:  # not a hub id
        return None
    return Path(cached) if isinstance(cached, str | os.PathLike) else None


def positions(location: str, model: Model) -> int | None:
    """The longest prompt and completion together that the model was made for; None where nothing here says it."""
    config = weights_file(location, model, "config.json")
    found = json.loads(config.read_text(encoding="utf-8")) if config else {}
    return next((int(found[name]) for name in _POSITIONS if found.get(name)), None)


def is_digest(revision: str | None) -> bool:
    """Whether a revision is the digest of files, with or without settings behind it, and not a name that somebody gave."""
    return re.fullmatch(r"[0-9a-f]{16}(\+.*)?", revision or "", re.DOTALL) is not None


def hub_revision(model: Model) -> str | None:
    """The revision to download: what stands before the settings that `pinned_revision` appended."""
    return (model.revision or "").partition("+")[0] or None
