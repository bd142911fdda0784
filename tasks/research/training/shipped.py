"""Trained models that come with the project, in `tasks/models`, each by the digest of its recipe.

    python -m tasks.research.training.shipped TRAINING ROOT

does the reverse for a release: it takes what a root has trained into `tasks/models`. The headline's pair is
what the quickstart runs, and has names without sizes.
"""

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import orjson

from configs.training import Training, load_training
from tasks.engines.onnx.kind import FILES
from tasks.engines.weights import MODELS
from tasks.research.training.jobs import Lesson, lessons_of, reading_kind

RECORD, CARD = "training.json", "README.md"


def bring(lessons: Iterable[Lesson], root: str) -> list[Lesson]:
    """Put those of the lessons' models that are shipped into a root that lacks them; returns these lessons."""
    shipped = {orjson.loads(path.read_bytes())["digest"]: path.parent for path in MODELS.glob(f"*/{RECORD}")}
    brought = [lesson for lesson in lessons if lesson.digest in shipped and not lesson.is_done(root)]
    for lesson in brought:
        _copy(shipped[lesson.digest], lesson.folder(root))
    return brought


def ship(training: Training, root: str) -> list[Path]:
    """Take every model of a training that a root has into the project, but for steps to others; returns their folders."""
    folders = []
    for lesson in lessons_of(training):
        if lesson.is_done(root) and not lesson.is_step:
            folder = MODELS / shipped_name(lesson)
            _copy(lesson.folder(root), folder)
            folders.append(folder)
    return folders


def shipped_name(lesson: Lesson) -> str:
    """Under what name a model is shipped: its own, but for the pair that the quickstart runs."""
    form = lesson.training
    explorer, reader = form.headline
    last = "reinforced" if form.reinforcement and not form.selection else reading_kind(form)
    match (lesson.kind, lesson.size, lesson.seed):
        case ("explorer", size, 0) if size == explorer:
            return f"a2r-{form.name}-explorer"
        case (kind, size, 0) if (kind, size) == (last, reader):
            return f"a2r-{form.name}-synthesizer"
    return lesson.name


def _copy(source: Path, target: Path) -> None:
    """The record last, since that it is there means that the model is whole."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in (*FILES, CARD, RECORD):
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)


if __name__ == "__main__":
    for folder in ship(load_training(sys.argv[1]), sys.argv[2]):
        print(folder)  # noqa: T201 - a command
