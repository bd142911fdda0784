"""Training jobs: one training of one model each, and everything that decides the weights that come out.

A job's digest is its identity and names its folder, so a finished job never runs again and a changed one
never overwrites another. In the digest: kind, problems, shape, seed, budgets and rates, the model it starts
from, the explorers whose samples it reads, the prompts and the alphabet. Not in it: root, machine, threads,
and how the curve is measured.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from configs.engines import OnnxSettings
from configs.experiment import Experiment, GeneratedBenchmark
from configs.graders import ExactGrader
from configs.models import Model
from configs.roles import Explorer
from configs.sampling import Sampling
from configs.schema import ConfigModel
from configs.training import Supervised, Training
from tasks.prompts.render import load_prompt
from tasks.research.training.record import RECORD_FILE
from tasks.research.training.tokenizer import CHAT_TEMPLATE, build_tokenizer
from warehouse.canonical import canonical_json

JobKind = Literal["explorer", "synthesizer", "selector", "reinforced", "longer", "solo"]
TrainingSplit = Literal["train", "development"]

SOLUTION_VERSION = "1"
"""Version of the target texts of a plain problem; another one makes other models."""
SYNTHESIS_VERSIONS = {"bill": "2", "sum3": "3"}
"""The same for target texts that check references or try alone."""

PLAIN_SHARE = 1 / 8
"""The share of plain problems in a synthesizer's examples, so that it does not forget how to solve them."""

EXPLORE_PROMPT, SYNTHESIZE_PROMPT = "explore-small", "synthesize-small"
"""The prompts, which are those of the experiments."""


class TrainingJob(ConfigModel):
    """One training of one model."""

    kind: JobKind
    size: str
    seed: int
    training: Training
    start: "TrainingJob | None" = None
    """The job whose model this one starts from; None: from random weights."""
    explorers: tuple["TrainingJob", ...] = ()
    """The explorers whose samples are read, the headline's first."""

    @property
    def name(self) -> str:
        """The model's name, such as a2r-sum3-synthesizer-s-seed1."""
        seed = f"-seed{self.seed}" if self.seed else ""
        return f"a2r-{self.training.name}-{self.kind}-{self.size}{seed}"

    @property
    def digest(self) -> str:
        """SHA-256 over what decides the weights, 16 hexadecimal digits."""
        return hashlib.sha256(canonical_json(self._identity(), "job")).hexdigest()[:16]

    def folder(self, root: str) -> Path:
        """Where the model is trained and kept."""
        return Path(root) / "models" / f"{self.name}-{self.digest[:8]}"

    def is_done(self, root: str) -> bool:
        """The record is written last: if it exists, the model is complete."""
        return (self.folder(root) / RECORD_FILE).is_file()

    @property
    def is_intermediate(self) -> bool:
        """Whether only other jobs use the model: it is not shipped, and not trained again once those jobs are done."""
        training = self.training
        explorer, reader = training.headline
        if self.kind == "synthesizer" and training.selection:
            return (self.size, self.seed) != (reader, 0)
        return self.kind == "explorer" and self.seed > 0 and self.size != explorer

    @property
    def supervised(self) -> Supervised:
        """How a model that is not reinforced is trained, and on how many examples."""
        training = self.training
        if self.kind == "longer":
            return training.explorer.model_copy(update={"num_examples": training.longer_examples})
        settings = training.explorer if self.kind == "explorer" else training.synthesizer
        if self.kind == "selector" and training.selection:
            settings = training.selection
        num_examples = settings.num_examples_of.get(self.size, settings.num_examples)
        return settings.model_copy(update={"num_examples": num_examples})

    def _identity(self) -> dict[str, object]:
        """What is hashed. Its keys name stored models: a renamed one makes every model another."""
        training = self.training
        identity: dict[str, object] = {
            "texts": SOLUTION_VERSION
            if self.kind in {"explorer", "longer"}
            else SYNTHESIS_VERSIONS[training.family],
            "kind": self.kind,
            "problems": [training.family, training.difficulty],
            "shape": training.shapes[self.size].model_dump(),
            "seed": self.seed,
            "alphabet": [_alphabet(), CHAT_TEMPLATE],
            "start": self.start.digest if self.start else None,
            "explorers": [explorer.digest for explorer in self.explorers],
        }
        if self.kind == "reinforced":
            budget = training.reinforcement.model_dump(exclude={"num_evaluations"})  # type: ignore[union-attr]
            identity["max_tokens"] = training.synthesizer_tokens
        else:
            budget = self.supervised.model_dump(exclude={"num_examples_of", "num_evaluations"})
        if self.kind in {"synthesizer", "selector", "solo", "reinforced"}:
            identity["references"] = training.references.model_dump(exclude={"explorers"})
        if training.explorer_problems:
            identity["problems_learnt_and_asked"] = [
                training.explorer_problems,
                training.references.num_problems,
            ]
        if self.kind != "explorer":
            identity["prompts"] = [load_prompt(name).digest for name in (EXPLORE_PROMPT, SYNTHESIZE_PROMPT)]
            identity["explorer_tokens"] = training.explorer_tokens
        return identity | {"budget": budget}


@cache
def _alphabet() -> list[tuple[str, int]]:
    return sorted(build_tokenizer().get_vocab().items(), key=lambda item: item[1])


def reader_kind(training: Training) -> JobKind:
    """The kind of the headline's model that reads references, before any reinforcement."""
    return "selector" if training.selection else "synthesizer"


def needed_jobs(jobs: Sequence[TrainingJob], root: str) -> list[TrainingJob]:
    """All jobs except intermediate ones that no unfinished job depends on."""
    needed: set[str] = set()

    def add(job: TrainingJob) -> None:
        needed.add(job.digest)
        if not job.is_done(root):
            for dependency in (job.start, *job.explorers):
                if dependency:
                    add(dependency)

    for job in jobs:
        if not job.is_intermediate:
            add(job)
    return [job for job in jobs if job.digest in needed]


def jobs_of(training: Training) -> list[TrainingJob]:
    """Every job, the most important first; none before the jobs it depends on.

    The headline pair with the first seed and its reinforcement; the other sizes, the biggest first, so that
    the longest job does not run alone at the end; the opponents; the pair with the other seeds.
    """
    explorer_size, reader_size = training.headline
    sampled_sizes = tuple(dict.fromkeys((explorer_size, *training.references.explorers)))

    def explorer(size: str, seed: int) -> TrainingJob:
        return TrainingJob(kind="explorer", size=size, seed=seed, training=training)

    def after(kind: JobKind, start: TrainingJob, *, reads_samples: bool = True) -> TrainingJob:
        explorers = tuple(explorer(size, start.seed) for size in sampled_sizes) if reads_samples else ()
        return start.model_copy(update={"kind": kind, "start": start, "explorers": explorers})

    def pair(seed: int) -> list[TrainingJob]:
        bases = [explorer(size, seed) for size in dict.fromkeys((*sampled_sizes, reader_size))]
        return [*bases, *readers(after("synthesizer", explorer(reader_size, seed)))]

    def readers(synthesizer: TrainingJob) -> list[TrainingJob]:
        return [synthesizer, *([after("selector", synthesizer)] if training.selection else [])]

    base = explorer(reader_size, 0)
    ordered = [
        *pair(0),
        *([after("reinforced", after("synthesizer", base))] if training.reinforcement else []),
        *(explorer(size, 0) for size in reversed(training.explorers)),
        *(
            reader
            for size in reversed(training.synthesizers)
            for reader in readers(after("synthesizer", explorer(size, 0)))
        ),
        *(
            [after("solo", base), after("longer", base, reads_samples=False)]
            if training.longer_examples
            else []
        ),
        *(job for seed in range(1, training.num_seeds) for job in pair(seed)),
    ]
    return list({job.digest: job for job in ordered}.values())


def reference_problems(job: TrainingJob, split: TrainingSplit) -> GeneratedBenchmark:
    """The problems that a seed's explorers are sampled on.

    To train on (`train`; explorers are not trained on these), or to measure curves (`development`).
    """
    training, is_training = job.training, split == "train"
    return GeneratedBenchmark(
        source="generated",
        family=training.family,
        difficulty=training.difficulty,
        count=training.references.num_problems if is_training else training.num_development,
        seed=1000 + job.seed if is_training else 0,
        split=split,
    )


def sampling_experiment(job: TrainingJob, root: str, split: TrainingSplit) -> Experiment:
    """The experiment by which the pipeline samples an explorer for other models to read."""
    training = job.training
    is_training = split == "train"
    return Experiment(
        name=f"{job.name}.{split}",
        description=f"Samples of {job.name} on {split} problems, for training.",
        benchmark=reference_problems(job, split),
        explorer=Explorer(
            model=Model(id=job.name),
            engine=OnnxSettings(kind="onnx", path=str(job.folder(root))),
            prompt=EXPLORE_PROMPT,
            sampling=Sampling(
                n=training.references.num_samples if is_training else training.references.count,
                temperature=1.0,
                max_tokens=training.explorer_tokens,
                seed=job.seed,
            ),
        ),
        grader=ExactGrader(kind="exact"),
    )
