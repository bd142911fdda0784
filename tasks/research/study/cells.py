"""The study's cells: which experiments there are, from the models that a training made.

Every explorer of every seed alone, with many samples; every explorer with every synthesizer at every N; the
headline pair's controls and its strongest opponents; the headline pair with its other seeds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from configs.engines import EngineSettings, OnnxSettings, ReplaySettings
from configs.experiment import Experiment, GeneratedBenchmark
from configs.graders import ExactGrader
from configs.models import Model
from configs.roles import Explorer, References, Synthesizer
from configs.sampling import Sampling
from configs.training import Training
from tasks.research.training.jobs import (
    EXPLORE_PROMPT,
    SYNTHESIZE_PROMPT,
    JobKind,
    TrainingJob,
    jobs_of,
    needed_jobs,
    reader_kind,
)
from tasks.research.training.record import read_record

NUM_ALONE = 16
"""Samples of a model alone, for votes of up to that many."""
COUNTS = (1, 2, 4)
"""Numbers of references in the grid; those above what synthesizers are trained on are left out."""


class CellKind(Enum):
    """What a cell measures. The value is its label, with the cell's fields filled in."""

    EXPLORER = "{explorer}"
    PAIR = "{explorer} → {reader}, N = {count}"
    READER = "{reader_kind}"
    SAMPLED_ORDER = "{reader_kind}, references in the order sampled"
    OTHER_PROBLEM = "{reader_kind}, another problem's references"
    NO_REFERENCES = "{reader_kind}, no references"
    OTHER_EXPLORER = "{reader_kind}, an explorer it was not trained on"
    TRYING = "synthesizer that also tries by itself"
    """What a selector was trained from: with references or without, the strongest opponent."""
    TRYING_NO_REFERENCES = "synthesizer that also tries by itself, no references"
    PLAIN_PROMPT = "its model, plain prompt"
    LONGER = "its model alone, trained on as many tokens"
    SOLO = "its model trained to try and check, without references"


@dataclass(frozen=True, slots=True)
class StudyCell:
    """One experiment of the study."""

    kind: CellKind
    experiment: Experiment
    seed: int = 0
    """Of the training of the models in it."""
    explorer: str = ""
    """The explorer's size, where the label names it."""
    reader: str = ""
    """The synthesizer's size, where the label names it."""
    count: int = 0
    """References, where the label names them."""
    reader_kind: JobKind | None = None
    """The kind of model that reads the references, where the label names it."""

    @property
    def label(self) -> str:
        """What it measures in words, and the seed unless it is the first."""
        text = self.kind.value.format(
            explorer=self.explorer, reader=self.reader, count=self.count, reader_kind=self.reader_kind
        )
        return f"{text}, seed {self.seed}" if self.seed else text

    @property
    def is_control(self) -> bool:
        """Whether it is the headline pair, a variant of it or an opponent, of the first seed."""
        return self.kind not in {CellKind.EXPLORER, CellKind.PAIR} and not self.seed


class TrainedModels:
    """The models of a training that exist in a root, by kind, size and seed."""

    def __init__(self, training: Training, root: str) -> None:
        self.training, self.root = training, root
        self._jobs = {(job.kind, job.size, job.seed): job for job in jobs_of(training)}

    def get(self, kind: JobKind, size: str, seed: int = 0) -> TrainingJob | None:
        """The job, if its model exists."""
        job = self._jobs.get((kind, size, seed))
        return job if job and job.is_done(self.root) else None

    def missing(self) -> list[str]:
        """Names of the models that are not trained yet."""
        jobs = needed_jobs(list(self._jobs.values()), self.root)
        return [job.name for job in jobs if not job.is_done(self.root)]

    def model_and_engine(self, job: TrainingJob) -> tuple[Model, EngineSettings]:
        """What an experiment needs to run the model."""
        folder = job.folder(self.root)
        model = Model(id=job.name, params=read_record(folder).num_parameters)
        return model, OnnxSettings(kind="onnx", path=str(folder))


def study_cells(
    models: TrainedModels, num_problems: int, record_mismatched: Callable[[Experiment], str]
) -> Iterator[StudyCell]:
    """Every cell whose models exist.

    `record_mismatched` takes an experiment that has been run and returns the path of a recording in which each
    problem has the explorer's answers to another problem; it is called when the cells before are done.
    """
    training, experiments = models.training, _Experiments(models, num_problems)
    kind, most = reader_kind(training), training.references.count
    yield from _alone(models, experiments)
    for explorer_size in training.explorers:
        for reader_size in training.synthesizers:
            explorer, reader = models.get("explorer", explorer_size), models.get(kind, reader_size)
            for count in COUNTS:
                if explorer and reader and count <= most:
                    pair = experiments.pair(explorer, reader, count)
                    yield StudyCell(
                        CellKind.PAIR, pair, explorer=explorer_size, reader=reader_size, count=count
                    )
    yield from _controls(models, experiments, record_mismatched)
    for seed in range(1, training.num_seeds):
        explorer = models.get("explorer", training.headline[0], seed)
        reader = models.get(kind, training.headline[1], seed)
        if explorer and reader:
            pair = experiments.pair(explorer, reader, most)
            yield StudyCell(CellKind.READER, pair, seed, reader_kind=kind)


def _alone(models: TrainedModels, experiments: "_Experiments") -> Iterator[StudyCell]:
    training = models.training
    for seed in range(training.num_seeds):
        for size in training.headline[:1] if seed else training.explorers:
            if job := models.get("explorer", size, seed):
                experiment = experiments.alone(job, EXPLORE_PROMPT, NUM_ALONE)
                yield StudyCell(CellKind.EXPLORER, experiment, seed, explorer=size)


def _controls(
    models: TrainedModels, experiments: "_Experiments", record_mismatched: Callable[[Experiment], str]
) -> Iterator[StudyCell]:
    training = models.training
    explorer_size, reader_size = training.headline
    count = training.references.count
    explorer = models.get("explorer", explorer_size)
    for kind in (reader_kind(training), "reinforced"):
        if explorer and (reader := models.get(kind, reader_size)):
            pair = experiments.pair(explorer, reader, count)
            yield StudyCell(CellKind.READER, pair, reader_kind=kind)
            yield StudyCell(CellKind.SAMPLED_ORDER, experiments.in_sampled_order(pair), reader_kind=kind)
            mismatched = experiments.mismatched(pair, record_mismatched(pair))
            yield StudyCell(CellKind.OTHER_PROBLEM, mismatched, reader_kind=kind)
            without = experiments.alone(reader, SYNTHESIZE_PROMPT, count)
            yield StudyCell(CellKind.NO_REFERENCES, without, reader_kind=kind)
            if other := models.get("explorer", explorer_size, 1):
                pair = experiments.pair(other, reader, count)
                yield StudyCell(CellKind.OTHER_EXPLORER, pair, reader_kind=kind)
    if training.selection and explorer and (trying := models.get("synthesizer", reader_size)):
        yield StudyCell(CellKind.TRYING, experiments.pair(explorer, trying, count))
        without = experiments.alone(trying, SYNTHESIZE_PROMPT, count)
        yield StudyCell(CellKind.TRYING_NO_REFERENCES, without)
    if reader := models.get(reader_kind(training), reader_size):
        yield StudyCell(CellKind.PLAIN_PROMPT, experiments.alone(reader, EXPLORE_PROMPT, NUM_ALONE))
    if longer := models.get("longer", reader_size):
        yield StudyCell(CellKind.LONGER, experiments.alone(longer, EXPLORE_PROMPT, NUM_ALONE))
    if solo := models.get("solo", reader_size):
        yield StudyCell(CellKind.SOLO, experiments.alone(solo, SYNTHESIZE_PROMPT, count))


class _Experiments:
    """The study's experiments, all on the same held-out problems."""

    def __init__(self, models: TrainedModels, num_problems: int) -> None:
        training = models.training
        self._models, self._training = models, training
        self._benchmark = GeneratedBenchmark(
            source="generated",
            family=training.family,
            difficulty=training.difficulty,
            count=num_problems,
            seed=0,
        )

    def alone(self, job: TrainingJob, prompt: str, num_samples: int) -> Experiment:
        """One model alone."""
        model, engine = self._models.model_and_engine(job)
        is_plain = prompt == EXPLORE_PROMPT
        limit = self._training.explorer_tokens if is_plain else self._training.synthesizer_tokens
        sampling = Sampling(n=num_samples, temperature=1.0, max_tokens=limit)
        explorer = Explorer(model=model, engine=engine, prompt=prompt, sampling=sampling)
        return self._experiment(f"{job.name}.{prompt}.{num_samples}", explorer, None)

    def pair(self, explorer: TrainingJob, reader: TrainingJob, count: int) -> Experiment:
        """An explorer with a synthesizer, one answer per problem."""
        model, engine = self._models.model_and_engine(explorer)
        sampling = Sampling(n=count, temperature=1.0, max_tokens=self._training.explorer_tokens)
        reader_model, reader_engine = self._models.model_and_engine(reader)
        return self._experiment(
            f"{explorer.name}.{reader.name}.{count}",
            Explorer(model=model, engine=engine, prompt=EXPLORE_PROMPT, sampling=sampling),
            Synthesizer(
                model=reader_model,
                engine=reader_engine,
                prompt=SYNTHESIZE_PROMPT,
                references=References(count=count),
                sampling=Sampling(n=1, temperature=1.0, max_tokens=self._training.synthesizer_tokens),
            ),
        )

    def in_sampled_order(self, pair: Experiment) -> Experiment:
        """The same with the references in the order sampled, not shuffled."""
        synthesizer = _synthesizer(pair)
        references = synthesizer.references.model_copy(update={"order": "sampled"})
        return pair.model_copy(
            update={
                "name": f"{pair.name}.ordered",
                "synthesizer": synthesizer.model_copy(update={"references": references}),
            }
        )

    def mismatched(self, pair: Experiment, recording: str) -> Experiment:
        """The same with another problem's references."""
        model = pair.first_explorer.model.model_copy(
            update={"id": f"{pair.first_explorer.model.id}-elsewhere"}
        )
        engine = ReplaySettings(kind="replay", path=recording)
        explorer = pair.first_explorer.model_copy(update={"model": model, "engine": engine})
        return pair.model_copy(update={"name": f"{pair.name}.elsewhere", "explorer": explorer})

    def _experiment(self, name: str, explorer: Explorer, synthesizer: Synthesizer | None) -> Experiment:
        return Experiment(
            name=f"study.{name}",
            benchmark=self._benchmark,
            explorer=explorer,
            synthesizer=synthesizer,
            grader=ExactGrader(kind="exact"),
        )


def _synthesizer(experiment: Experiment) -> Synthesizer:
    assert experiment.synthesizer  # noqa: S101 - made by `pair`
    return experiment.synthesizer
