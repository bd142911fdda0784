"""The typed form of a training: a family of small models, from untrained to reinforced.

Everything here decides what weights come out, and is part of their identity. Budgets are counted in
examples and steps, never in time, so that every size sees the same problems on every machine.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.loading import FileKind, load
from configs.schema import ConfigModel


class Shape(ConfigModel):
    """A Qwen3 architecture's numbers."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int = 1
    intermediate_size: int
    head_dim: int = Field(default=32, ge=32)
    """vLLM's CPU build has no smaller one."""


class Supervised(ConfigModel):
    """Training on written answers. The loss is on what the model is to write, and on nothing else."""

    num_examples: int = Field(ge=1)
    num_examples_of: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """For a size that needs more or fewer until its curve is flat."""
    batch_size: int = Field(default=64, ge=1)
    matrix_rate: float = 0.02
    """Muon's rate, on matrices."""
    other_rate: float = 3e-3
    """AdamW's rate, on embeddings and norms."""
    warmup_steps: int = 100
    """Then the rates follow a cosine to 2 % of themselves."""
    num_evaluations: int = 10
    """How often the model is measured on development problems; the last is at the end."""


class References(ConfigModel):
    """The explorers' own samples on training problems, from which synthesizers learn to read them."""

    explorers: tuple[str, ...]
    """Sizes of the explorers, all of the synthesizer's seed."""
    num_problems: int = Field(ge=1)
    """Problems that each explorer is asked."""
    num_samples: int = Field(default=8, ge=1)
    count: int = Field(default=4, ge=1)
    """At most so many references in a prompt."""


class Reinforcement(ConfigModel):
    """GRPO on the headline synthesizer's own samples: a right answer is rewarded with 1, nothing else is."""

    num_steps: int = Field(ge=1)
    num_prompts: int = Field(default=32, ge=1)
    """Prompts a step."""
    group_size: int = Field(default=8, ge=2)
    """Samples a prompt, whose mean reward is what each is compared with."""
    temperature: float = Field(default=1.0, gt=0)
    rate: float = 3e-4
    """AdamW's rate."""
    num_evaluations: int = 10


class Training(ConfigModel):
    """A family of models for one family of problems.

    Explorers of every size; synthesizers, each from the explorer of its size; one reinforced; and the
    opponents they are compared with. Seeds after the first make the headline pair alone.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = ""
    family: Literal["bill", "sum3"]
    difficulty: int | None = None
    shapes: dict[str, Shape]
    explorers: tuple[str, ...]
    """Sizes trained to answer alone, the smallest first."""
    synthesizers: tuple[str, ...]
    """Sizes trained to read references, the smallest first."""
    headline: tuple[str, str]
    """Explorer and synthesizer that are made with every seed, reinforced, and compared with opponents."""
    num_seeds: int = Field(default=1, ge=1)
    explorer: Supervised
    explorer_problems: int | None = Field(default=None, ge=1)
    """Distinct problems of explorers, gone through again and again, each time in another order; None: fresh ones at
    every step."""
    references: References
    synthesizer: Supervised
    selection: Supervised | None = None
    """A synthesizer that tries by itself where no reference holds soon needs no references; a selector goes on from it and
    leaves finding to the explorers. None: there is none."""
    reinforcement: Reinforcement | None = None
    longer_examples: int = Field(default=0, ge=0)
    """Plain problems on which the headline synthesizer's model goes on alone, so many that it sees as many tokens as
    the synthesizer; with it comes a model that tries and checks by itself. 0: neither opponent is made."""
    explorer_tokens: int = Field(ge=1)
    """Longest answer of an explorer."""
    synthesizer_tokens: int = Field(ge=1)
    """Longest answer of a synthesizer, reasoning included."""
    num_development: int = Field(default=300, ge=1)
    """Development problems for the curves; test problems play no part."""

    @model_validator(mode="after")
    def names_its_sizes(self) -> "Training":
        """Every size that is named has a shape, and every model what it is made from."""
        explorer, synthesizer = self.headline
        for place, sizes in (
            ("explorers", self.explorers),
            ("synthesizers", self.synthesizers),
            ("headline", self.headline),
            ("explorer.num_examples_of", self.explorer.num_examples_of),
            ("synthesizer.num_examples_of", self.synthesizer.num_examples_of),
            ("selection.num_examples_of", self.selection.num_examples_of if self.selection else {}),
            ("references.explorers", self.references.explorers),
        ):
            if unknown := [size for size in sizes if size not in self.shapes]:
                raise ValueError(f"{place} names {', '.join(unknown)}; shapes has {', '.join(self.shapes)}.")
        needed = {*self.synthesizers, *self.references.explorers, explorer}
        if missing := sorted(needed.difference(self.explorers)):
            raise ValueError(
                f"explorers lacks {', '.join(missing)}, which other models are made from; add them."
            )
        if self.selection and self.family != "sum3":
            raise ValueError(f"selection is for sum3 alone, and the family is {self.family}; leave it out.")
        if synthesizer not in self.synthesizers:
            raise ValueError(f"headline's synthesizer {synthesizer} is not among synthesizers; add it.")
        return self


_TRAININGS = FileKind(Training, "a training file", "a shipped training", "trainings")


def load_training(config: str) -> Training:
    """The training of a file or of a shipped name. Raises UserError."""
    return load(_TRAININGS, config)
