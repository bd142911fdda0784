"""Trained models that ship with the project, in `tasks/models`, each found by its job's digest.

    python -m tasks.research.training.shipped TRAINING ROOT

does the reverse for a release: it copies what was trained in a root into `tasks/models`. The headline's pair,
which the quickstart runs, has names without sizes.
"""

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from configs.training import Training, load_training
from tasks.engines.onnx.model_folder import FILES
from tasks.engines.weights import MODELS
from tasks.research.training.jobs import TrainingJob, jobs_of, reader_kind
from tasks.research.training.record import RECORD_FILE, read_record

CARD_FILE = "README.md"


def install_shipped(jobs: Iterable[TrainingJob], root: str) -> list[TrainingJob]:
    """Copy the shipped models of these jobs into a root that lacks them; returns the jobs whose models were copied."""
    shipped = {read_record(path.parent).digest: path.parent for path in MODELS.glob(f"*/{RECORD_FILE}")}
    installed = [job for job in jobs if job.digest in shipped and not job.is_done(root)]
    for job in installed:
        _copy(shipped[job.digest], job.folder(root))
    return installed


def ship(training: Training, root: str) -> list[Path]:
    """Copy a training's finished models from a root into the project, intermediate ones excepted; returns their folders."""
    folders = []
    for job in jobs_of(training):
        if job.is_done(root) and not job.is_intermediate:
            folder = MODELS / shipped_name(job)
            _copy(job.folder(root), folder)
            folders.append(folder)
    return folders


def shipped_name(job: TrainingJob) -> str:
    """The name under which a model ships: its own, except for the pair that the quickstart runs."""
    training = job.training
    explorer, reader = training.headline
    last = "reinforced" if training.reinforcement and not training.selection else reader_kind(training)
    match (job.kind, job.size, job.seed):
        case ("explorer", size, 0) if size == explorer:
            return f"a2r-{training.name}-explorer"
        case (kind, size, 0) if (kind, size) == (last, reader):
            return f"a2r-{training.name}-synthesizer"
    return job.name


def _copy(source: Path, target: Path) -> None:
    """The record last: if it exists, the model is complete."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in (*FILES, CARD_FILE, RECORD_FILE):
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)


if __name__ == "__main__":
    for folder in ship(load_training(sys.argv[1]), sys.argv[2]):
        print(folder)  # noqa: T201 - a command
