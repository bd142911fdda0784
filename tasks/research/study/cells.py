"""The study's cells: which experiments there are, from the models that a training made.

Four groups. `alone`: every explorer of every seed by itself, many samples. `grid`: every explorer with every
synthesizer at every N. `control`: what the headline's gain rests on, and its strongest opponents.
`seed`: the headline pair with its other seeds.
"""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import orjson

from configs.engines import EngineSettings, OnnxSettings, ReplaySettings
from configs.experiment import Experiment, Explorer, GeneratedBenchmark, References, Synthesizer
from configs.graders import ExactGrader
from configs.models import Model, Sampling
from configs.training import Training
from tasks.research.training.jobs import EXPLORE, SYNTHESIZE, Kind, Lesson, lessons_of, needed, reading_kind

Group = Literal["alone", "grid", "control", "seed"]

NUM_ALONE = 16
"""Samples of an explorer by itself: votes of up to so many."""
COUNTS = (1, 2, 4)
"""Numbers of references in the grid; those above what synthesizers are trained on are left out."""


TRYING = "synthesizer that also tries by itself"
"""What a selector goes on from: the strongest opponent, with references or without."""


class Cell(NamedTuple):
    """One experiment of the study."""

    group: Group
    name: str
    experiment: Experiment
    seed: int = 0
    """Of the training of the models in it."""

    @property
    def label(self) -> str:
        """The name, and the seed unless it is the first."""
        return f"{self.name}, seed {self.seed}" if self.seed else self.name


class Models:
    """The models of a training that are there, by kind, size and seed."""

    def __init__(self, training: Training, root: str) -> None:
        self.training, self.root = training, root
        self._lessons = {(le.kind, le.size, le.seed): le for le in lessons_of(training)}

    def get(self, kind: Kind, size: str, seed: int = 0) -> Lesson | None:
        """The lesson, if its model is there."""
        lesson = self._lessons.get((kind, size, seed))
        return lesson if lesson and lesson.is_done(self.root) else None

    def missing(self) -> list[str]:
        """Names of the models that are not there yet."""
        return [
            le.name for le in needed(list(self._lessons.values()), self.root) if not le.is_done(self.root)
        ]

    def parts(self, lesson: Lesson) -> tuple[Model, EngineSettings]:
        """A role's model and engine."""
        folder = lesson.folder(self.root)
        record = orjson.loads((folder / "training.json").read_bytes())
        model = Model(id=lesson.name, params=record["num_parameters"])
        return model, OnnxSettings(kind="onnx", path=str(folder))


def cells_of(models: Models, num_problems: int, elsewhere: Callable[[Experiment], str]) -> Iterator[Cell]:
    """Every cell whose models are there.

    `elsewhere` takes an experiment that has been run and returns the path of a recording in which each
    problem has the explorer's answers to another one; it is called when the cells before are done.
    """
    form, maker = models.training, _Maker(models, num_problems)
    reading = reading_kind(form)
    yield from _alone(models, maker)
    for size in form.explorers:
        for other in form.synthesizers:
            pair = models.get("explorer", size), models.get(reading, other)
            for count in COUNTS:
                if pair[0] and pair[1] and count <= form.references.count:
                    yield Cell("grid", f"{size} → {other}, N = {count}", maker.pair(pair[0], pair[1], count))
    explorer, reader = form.headline
    yield from _controls(models, maker, elsewhere)
    for seed in range(1, form.num_seeds):
        pair = models.get("explorer", explorer, seed), models.get(reading, reader, seed)
        if pair[0] and pair[1]:
            yield Cell("seed", reading, maker.pair(pair[0], pair[1], form.references.count), seed)


def _alone(models: Models, maker: "_Maker") -> Iterator[Cell]:
    form = models.training
    for seed in range(form.num_seeds):
        for size in form.headline[:1] if seed else form.explorers:
            if lesson := models.get("explorer", size, seed):
                yield Cell("alone", size, maker.alone(lesson, EXPLORE, NUM_ALONE), seed)


def _controls(models: Models, maker: "_Maker", elsewhere: Callable[[Experiment], str]) -> Iterator[Cell]:
    form = models.training
    size, reading = form.headline
    count = form.references.count
    explorer = models.get("explorer", size)
    for kind in (reading_kind(form), "reinforced"):
        if explorer and (reader := models.get(kind, reading)):
            usual = maker.pair(explorer, reader, count)
            yield Cell("control", kind, usual)
            yield Cell("control", f"{kind}, references in the order sampled", maker.ordered(usual))
            yield Cell(
                "control", f"{kind}, another problem's references", maker.misled(usual, elsewhere(usual))
            )
            yield Cell("control", f"{kind}, no references", maker.alone(reader, SYNTHESIZE, count))
            if other := models.get("explorer", size, 1):
                label = f"{kind}, an explorer it was not trained on"
                yield Cell("control", label, maker.pair(other, reader, count))
    if form.selection and explorer and (trying := models.get("synthesizer", reading)):
        yield Cell("control", TRYING, maker.pair(explorer, trying, count))
        yield Cell("control", f"{TRYING}, no references", maker.alone(trying, SYNTHESIZE, count))
    if reader := models.get(reading_kind(form), reading):
        yield Cell("control", "its model, plain prompt", maker.alone(reader, EXPLORE, NUM_ALONE))
    if longer := models.get("longer", reading):
        yield Cell(
            "control", "its model alone, as many tokens of training", maker.alone(longer, EXPLORE, NUM_ALONE)
        )
    if solo := models.get("solo", reading):
        yield Cell(
            "control",
            "its model trained to try and check, without references",
            maker.alone(solo, SYNTHESIZE, count),
        )


class _Maker:
    """Experiments of the study, all on the same held-out problems."""

    def __init__(self, models: Models, num_problems: int) -> None:
        form = models.training
        self._models, self._form = models, form
        self._benchmark = GeneratedBenchmark(
            source="generated", family=form.family, difficulty=form.difficulty, count=num_problems, seed=0
        )

    def alone(self, lesson: Lesson, prompt: str, num_samples: int) -> Experiment:
        """One model by itself."""
        model, engine = self._models.parts(lesson)
        limit = self._form.explorer_tokens if prompt == EXPLORE else self._form.synthesizer_tokens
        sampling = Sampling(n=num_samples, temperature=1.0, max_tokens=limit)
        explorer = Explorer(model=model, engine=engine, prompt=prompt, sampling=sampling)
        return self._experiment(f"{lesson.name}.{prompt}.{num_samples}", explorer, None)

    def pair(self, explorer: Lesson, synthesizer: Lesson, count: int) -> Experiment:
        """An explorer with a synthesizer, one answer a problem."""
        model, engine = self._models.parts(explorer)
        sampling = Sampling(n=count, temperature=1.0, max_tokens=self._form.explorer_tokens)
        other, its_engine = self._models.parts(synthesizer)
        return self._experiment(
            f"{explorer.name}.{synthesizer.name}.{count}",
            Explorer(model=model, engine=engine, prompt=EXPLORE, sampling=sampling),
            Synthesizer(
                model=other,
                engine=its_engine,
                prompt=SYNTHESIZE,
                references=References(count=count),
                sampling=Sampling(n=1, temperature=1.0, max_tokens=self._form.synthesizer_tokens),
            ),
        )

    def ordered(self, usual: Experiment) -> Experiment:
        """The same with the references as they were sampled, not shuffled."""
        reader = _reader(usual)
        references = reader.references.model_copy(update={"order": "sampled"})
        return usual.model_copy(
            update={
                "name": f"{usual.name}.ordered",
                "synthesizer": reader.model_copy(update={"references": references}),
            }
        )

    def misled(self, usual: Experiment, recording: str) -> Experiment:
        """The same with another problem's references."""
        reader = _reader(usual)
        model = usual.explorer.model.model_copy(update={"id": f"{usual.explorer.model.id}-elsewhere"})
        engine = ReplaySettings(kind="replay", path=recording)
        explorer = usual.explorer.model_copy(update={"model": model, "engine": engine})
        return usual.model_copy(
            update={"name": f"{usual.name}.elsewhere", "explorer": explorer, "synthesizer": reader}
        )

    def _experiment(self, name: str, explorer: Explorer, synthesizer: Synthesizer | None) -> Experiment:
        return Experiment(
            name=f"study.{name}",
            benchmark=self._benchmark,
            explorer=explorer,
            synthesizer=synthesizer,
            grader=ExactGrader(kind="exact"),
        )


def _reader(experiment: Experiment) -> Synthesizer:
    assert experiment.synthesizer  # noqa: S101 - made by `pair`
    return experiment.synthesizer
