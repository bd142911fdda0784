"""training.json: what is on record of a finished model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import orjson

from warehouse.files import write_file

RECORD_FILE = "training.json"

CurvePoint = Mapping[str, float]
"""num_steps, num_tokens, seconds, and what was measured there. NaN, where training diverged, is null in the file."""


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """One finished training, but for the job itself, which the file holds as `lesson`."""

    name: str
    digest: str
    num_parameters: int
    num_steps: int
    num_tokens: int
    seconds: float
    machine: str
    versions: Mapping[str, str]
    curve: Sequence[CurvePoint]

    @property
    def accuracy(self) -> float:
        """On development problems, at the end."""
        return self.curve[-1]["accuracy"]


def read_record(folder: Path) -> TrainingRecord:
    """The record in a model's folder."""
    content = orjson.loads((folder / RECORD_FILE).read_bytes())
    content["curve"] = [
        {name: math.nan if value is None else value for name, value in point.items()}
        for point in content["curve"]
    ]
    return TrainingRecord(**{field.name: content[field.name] for field in fields(TrainingRecord)})


def write_record(folder: Path, record: TrainingRecord, job: Mapping[str, object]) -> None:
    """Write the record and its job, whole or not at all."""
    content = asdict(record) | {"lesson": job}
    write_file(folder / RECORD_FILE, orjson.dumps(content, option=orjson.OPT_INDENT_2))
