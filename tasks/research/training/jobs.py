"""Lessons: one training of one model each, and everything that decides the weights that come out.

A lesson's digest is its identity and names its folder, so a finished one is never given again and a
changed one never overwrites another. In the digest: kind, problems, shape, seed, budgets and rates,
what the model starts from, the explorers whose samples it reads, the prompts and the alphabet. Out of
it: root, machine, threads, and how the curve is measured.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from configs.engines import OnnxSettings
from configs.experiment import Experiment, Explorer, GeneratedBenchmark
from configs.graders import ExactGrader
from configs.models import Model, Sampling
from configs.schema import ConfigModel
from configs.training import Supervised, Training
from tasks.prompts.render import load_prompt
from tasks.research.training.tokenizer import CHAT_TEMPLATE, build_tokenizer
from warehouse.canonical import canonical_json

Kind = Literal["explorer", "synthesizer", "selector", "reinforced", "longer", "solo"]
Split = Literal["train", "development"]

SOLUTION_TEXTS = "1"
READING_TEXTS = {"bill": "2", "sum3": "3"}
"""Versions of what is taught to be written, alone and of references; another one makes other models."""

PLAIN_SHARE = 1 / 8
"""Of a synthesizer's examples, plain problems, so that it does not forget them."""

EXPLORE, SYNTHESIZE = "explore-small", "synthesize-small"
"""The prompts, which are those of the experiments."""


class Lesson(ConfigModel):
    """One training of one model."""

    kind: Kind
    size: str
    seed: int
    training: Training
    start: "Lesson | None" = None
    """The lesson whose model this one starts from; None: from random weights."""
    explorers: tuple["Lesson", ...] = ()
    """Whose samples are read, the headline's explorer first."""

    @property
    def name(self) -> str:
        """The model's name, such as a2r-sum3-synthesizer-s-seed1."""
        seed = f"-seed{self.seed}" if self.seed else ""
        return f"a2r-{self.training.name}-{self.kind}-{self.size}{seed}"

    @property
    def digest(self) -> str:
        """SHA-256 over what decides the weights, 16 hexadecimal digits."""
        return hashlib.sha256(canonical_json(self._identity(), "lesson")).hexdigest()[:16]

    def folder(self, root: str) -> Path:
        """Where the model is made and kept."""
        return Path(root) / "models" / f"{self.name}-{self.digest[:8]}"

    def is_done(self, root: str) -> bool:
        """The record is written last: that it is there means that the model is whole."""
        return (self.folder(root) / "training.json").is_file()

    @property
    def is_step(self) -> bool:
        """Whether it is made only for others to start from or to read: neither shipped nor made again where those are there."""
        form = self.training
        explorer, reader = form.headline
        if self.kind == "synthesizer" and form.selection:
            return (self.size, self.seed) != (reader, 0)
        return self.kind == "explorer" and self.seed > 0 and self.size != explorer

    @property
    def supervised(self) -> Supervised:
        """How a model that is not reinforced is trained, and on how many examples."""
        form = self.training
        if self.kind == "longer":
            return form.explorer.model_copy(update={"num_examples": form.longer_examples})
        settings = form.explorer if self.kind == "explorer" else form.synthesizer
        if self.kind == "selector" and form.selection:
            settings = form.selection
        num_examples = settings.num_examples_of.get(self.size, settings.num_examples)
        return settings.model_copy(update={"num_examples": num_examples})

    def _identity(self) -> dict[str, Any]:
        form = self.training
        settings: dict[str, Any] = {
            "texts": SOLUTION_TEXTS if self.kind in {"explorer", "longer"} else READING_TEXTS[form.family],
            "kind": self.kind,
            "problems": [form.family, form.difficulty],
            "shape": form.shapes[self.size].model_dump(),
            "seed": self.seed,
            "alphabet": [_alphabet(), CHAT_TEMPLATE],
            "start": self.start.digest if self.start else None,
            "explorers": [lesson.digest for lesson in self.explorers],
        }
        if self.kind == "reinforced":
            budget = form.reinforcement.model_dump(exclude={"num_evaluations"})  # type: ignore[union-attr]
            settings["max_tokens"] = form.synthesizer_tokens
        else:
            budget = self.supervised.model_dump(exclude={"num_examples_of", "num_evaluations"})
        if self.kind in {"synthesizer", "selector", "solo", "reinforced"}:
            settings["references"] = form.references.model_dump(exclude={"explorers"})
        if form.explorer_problems:
            settings["problems_learnt_and_asked"] = [form.explorer_problems, form.references.num_problems]
        if self.kind != "explorer":
            settings["prompts"] = [load_prompt(name).digest for name in (EXPLORE, SYNTHESIZE)]
            settings["explorer_tokens"] = form.explorer_tokens
        return settings | {"budget": budget}


@cache
def _alphabet() -> list[tuple[str, int]]:
    return sorted(build_tokenizer().get_vocab().items(), key=lambda item: item[1])


def reading_kind(training: Training) -> Kind:
    """The kind that reads references in the headline, unless it is a reinforced one."""
    return "selector" if training.selection else "synthesizer"


def needed(lessons: Sequence[Lesson], root: str) -> list[Lesson]:
    """The lessons but for those steps whose ends are all there."""
    wanted: set[str] = set()

    def want(lesson: Lesson) -> None:
        wanted.add(lesson.digest)
        if not lesson.is_done(root):
            for before in (lesson.start, *lesson.explorers):
                if before:
                    want(before)

    for lesson in lessons:
        if not lesson.is_step:
            want(lesson)
    return [lesson for lesson in lessons if lesson.digest in wanted]


def lessons_of(training: Training) -> list[Lesson]:
    """Every lesson, what matters most first; none before what it starts from and whose samples it reads.

    The headline pair with the first seed and its reinforcement; the other sizes, the biggest first, since
    the longest lesson should not be left alone at the end; the opponents; the pair with the other seeds.
    """
    form, (exploring_size, reading_size) = training, training.headline
    read = tuple(dict.fromkeys((exploring_size, *form.references.explorers)))

    def explorer(size: str, seed: int) -> Lesson:
        return Lesson(kind="explorer", size=size, seed=seed, training=form)

    def after(kind: Kind, start: Lesson, *, is_reading: bool = True) -> Lesson:
        explorers = tuple(explorer(size, start.seed) for size in read) if is_reading else ()
        return start.model_copy(update={"kind": kind, "start": start, "explorers": explorers})

    def pair(seed: int) -> list[Lesson]:
        bases = [explorer(size, seed) for size in dict.fromkeys((*read, reading_size))]
        return [*bases, *readers(after("synthesizer", explorer(reading_size, seed)))]

    def readers(synthesizer: Lesson) -> list[Lesson]:
        return [synthesizer, *([after("selector", synthesizer)] if form.selection else [])]

    base = explorer(reading_size, 0)
    ordered = [
        *pair(0),
        *([after("reinforced", after("synthesizer", base))] if form.reinforcement else []),
        *(explorer(size, 0) for size in reversed(form.explorers)),
        *(
            reader
            for size in reversed(form.synthesizers)
            for reader in readers(after("synthesizer", explorer(size, 0)))
        ),
        *([after("solo", base), after("longer", base, is_reading=False)] if form.longer_examples else []),
        *(lesson for seed in range(1, form.num_seeds) for lesson in pair(seed)),
    ]
    return list({lesson.digest: lesson for lesson in ordered}.values())


def asked_problems(lesson: Lesson, split: Split) -> GeneratedBenchmark:
    """The problems that a seed's explorers are asked: to train on, which they have not learnt from, or to measure curves."""
    form, is_training = lesson.training, split == "train"
    return GeneratedBenchmark(
        source="generated",
        family=form.family,
        difficulty=form.difficulty,
        count=form.references.num_problems if is_training else form.num_development,
        seed=1000 + lesson.seed if is_training else 0,
        split=split,
    )


def exploring(lesson: Lesson, root: str, split: Split) -> Experiment:
    """The experiment in which an explorer is asked what other models then read, by the pipeline itself."""
    form = lesson.training
    is_training = split == "train"
    return Experiment(
        name=f"{lesson.name}.{split}",
        description=f"Samples of {lesson.name} on {split} problems, for training.",
        benchmark=asked_problems(lesson, split),
        explorer=Explorer(
            model=Model(id=lesson.name),
            engine=OnnxSettings(kind="onnx", path=str(lesson.folder(root))),
            prompt=EXPLORE,
            sampling=Sampling(
                n=form.references.num_samples if is_training else form.references.count,
                temperature=1.0,
                max_tokens=form.explorer_tokens,
                seed=lesson.seed,
            ),
        ),
        grader=ExactGrader(kind="exact"),
    )
