"""What a sweep file says: one experiment over a grid of settings, each cell an experiment of its own.

name: references
base: quickstart                                  # a preset's name or a path
overrides: [benchmark.count=50]                   # for every cell
axes:
synthesizer.references.count: [1, 2, 4]         # one setting, its values
pair:                                           # named points of several settings
small-to-big: {explorer.model.id: s, synthesizer.model.id: b}
big-to-small: {explorer.model.id: b, synthesizer.model.id: s}
"""

import itertools
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue

from configs.experiment import Experiment
from configs.layers import anchor, text_at
from configs.loading import EXPERIMENTS, FileKind, content_of, is_path, load, load_experiment
from configs.schema import ConfigModel, UserError

Scalar = str | int | float | bool | None
Axis = tuple[Scalar, ...] | dict[str, dict[str, JsonValue]]


class Sweep(ConfigModel):
    """One sweep: the full grid of its axes."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Cells are the experiments `<name>.<setting>-<value>…`, so that SQL finds them by `<name>.%`."""
    description: str = ""
    """A sentence for people."""
    base: str
    """The experiment that every cell starts from: the name of a preset, or a path (in a file relative to it; else absolute,
    because a worker runs in another folder)."""
    overrides: tuple[str, ...] = ()
    """Settings of every cell, such as benchmark.count=50."""
    axes: dict[str, Axis] = Field(min_length=1)
    """A dotted setting with its values, or a name with named points of several settings each. One axis of named points
    is a list of points; several axes make the full grid."""


@dataclass(frozen=True, slots=True)
class SweepCell:
    """One point of the grid, ready to run."""

    label: str
    """Such as count=4 temperature=0.3."""
    settings: dict[str, JsonValue]
    experiment: Experiment


def _anchor(tree: dict[Any, Any]) -> None:
    """The base may also be a preset's name."""
    if is_path(text_at(tree, "base")):
        anchor(tree, "base")


_SWEEPS = FileKind(Sweep, "a sweep file", "a shipped sweep", "sweeps", anchor=_anchor)


def is_sweep(config: str) -> bool:
    """Whether a name or a path means a sweep file, which has axes. Raises UserError."""
    if not is_path(config):
        return config in _SWEEPS.names() and config not in EXPERIMENTS.names()
    file = Path(config).expanduser()
    return file.is_file() and "axes" in content_of(EXPERIMENTS, file)


def load_sweep(config: str, overrides: Sequence[str] = ()) -> Sweep:
    """The sweep of a file or of a shipped name, with further overrides for every cell. Raises UserError."""
    sweep = load(_SWEEPS, config)
    return sweep.model_copy(update={"overrides": (*sweep.overrides, *overrides)})


def cells_of(sweep: Sweep) -> list[SweepCell]:
    """Every cell, the last axis fastest. Raises UserError naming the cell that is not a valid experiment."""
    names = _short(sweep.axes)
    points = [_points(key, names[key], axis) for key, axis in sweep.axes.items()]
    cells = [_cell(sweep, combination) for combination in itertools.product(*points)]
    [(name, count)] = Counter(cell.experiment.name for cell in cells).most_common(1)
    if count > 1:
        raise UserError(
            f"sweep {sweep.name}: {count} cells have the name {name}; give the values distinct names."
        )
    return cells


GridPoint = tuple[str, str, dict[str, JsonValue]]
"""An axis's short name, a value's name, and the settings."""


def _points(key: str, name: str, axis: Axis) -> list[GridPoint]:
    if not axis:
        raise UserError(f"axes.{key} is empty; give at least one value.")
    if isinstance(axis, dict):
        return [(name, label, settings) for label, settings in axis.items()]
    return [
        (name, json.dumps(value) if not isinstance(value, str) else value, {key: value}) for value in axis
    ]


def _cell(sweep: Sweep, points: Sequence[GridPoint]) -> SweepCell:
    label = " ".join(f"{name}={value}" for name, value, _ in points)
    settings = {key: value for _, _, chosen in points for key, value in chosen.items()}
    overrides = [*sweep.overrides, *(f"{key}={json.dumps(value)}" for key, value in settings.items())]
    try:
        experiment = load_experiment(sweep.base, overrides)
    except UserError as error:
        raise UserError(f"sweep {sweep.name}, cell {label}: {error}") from error
    slug = ".".join(re.sub(r"[^a-z0-9._-]+", "-", f"{name}-{value}".lower()) for name, value, _ in points)
    named = {"name": f"{sweep.name}.{slug}", "description": f"sweep {sweep.name}: {label}"}
    return SweepCell(label, settings, experiment.model_copy(update=named))


def _short(axes: Sequence[str] | dict[str, Axis]) -> dict[str, str]:
    """Each axis by its last word, or in full where two end in the same word."""
    last = Counter(key.rsplit(".", 1)[-1] for key in axes)
    return {key: word if last[word := key.rsplit(".", 1)[-1]] == 1 else key for key in axes}
