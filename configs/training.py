"""What a training file says: a family of small models, from untrained to reinforced.

Everything here decides what weights come out, and is part of their identity. Budgets are counted in
examples and steps, never in time, so that every size sees the same problems on every machine.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.loading import FileKind, load
from configs.schema import ConfigModel


class Architecture(ConfigModel):
    """The dimensions of a Qwen3 model."""

    hidden_size: int
    """Width of the residual stream."""
    num_hidden_layers: int
    """Number of layers."""
    num_attention_heads: int
    """Heads per layer."""
    num_key_value_heads: int = 1
    """Heads whose keys and values are kept."""
    intermediate_size: int
    """Width inside each feed-forward block."""
    head_dim: int = Field(default=32, ge=32)
    """The smallest that vLLM's CPU build supports is 32."""


class Supervised(ConfigModel):
    """Training on written answers. The loss covers what the model is to write, and nothing else."""

    num_examples: int = Field(ge=1)
    """Examples that a model sees."""
    num_examples_of: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """By size, for those that need more or fewer until their curve is flat."""
    batch_size: int = Field(default=64, ge=1)
    """Examples per step."""
    matrix_rate: float = 0.02
    """Muon's learning rate, for matrices."""
    other_rate: float = 3e-3
    """AdamW's learning rate, for embeddings and norms."""
    warmup_steps: int = 100
    """After them the rates follow a cosine down to 2 % of themselves."""
    num_evaluations: int = 10
    """How often the model is evaluated on development problems, the last time at the end."""


class TrainingReferences(ConfigModel):
    """The explorers' samples on training problems, from which synthesizers learn to read references."""

    explorers: tuple[str, ...]
    """Sizes of the explorers, all of the synthesizer's seed."""
    num_problems: int = Field(ge=1)
    """Problems per explorer."""
    num_samples: int = Field(default=8, ge=1)
    """Samples per problem."""
    count: int = Field(default=4, ge=1)
    """Most references in one prompt."""


class Reinforcement(ConfigModel):
    """GRPO on the headline synthesizer's own samples: the reward is 1 for a right answer, else 0."""

    num_steps: int = Field(ge=1)
    """Optimizer steps."""
    num_prompts: int = Field(default=32, ge=1)
    """Prompts per step."""
    group_size: int = Field(default=8, ge=2)
    """Samples per prompt; each is compared with their mean reward."""
    temperature: float = Field(default=1.0, gt=0)
    """At which the samples are drawn."""
    rate: float = 3e-4
    """AdamW's learning rate."""
    num_evaluations: int = 10
    """How often the model is evaluated on development problems."""


class Training(ConfigModel):
    """A family of models for one family of problems.

    There are explorers of every size, synthesizers, each made from the explorer of its size, one of them reinforced,
    and the opponents that they are compared with. Seeds after the first make only the headline pair.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Models are called a2r-<name>-…."""
    description: str = ""
    """A sentence for people."""
    family: Literal["bill", "sum3"]
    """Which problems: triples with a sum, or bills."""
    difficulty: int | None = None
    """Number of integers or of items; as in a generated benchmark."""
    shapes: dict[str, Architecture]
    """By size."""
    explorers: tuple[str, ...]
    """Sizes trained to answer alone, the smallest first."""
    synthesizers: tuple[str, ...]
    """Sizes trained to read references, the smallest first."""
    headline: tuple[str, str]
    """Explorer and synthesizer that are trained with every seed, reinforced, and compared with opponents."""
    num_seeds: int = Field(default=1, ge=1)
    """How often the headline pair is trained, each time from another seed."""
    explorer: Supervised
    """How explorers are trained."""
    explorer_problems: int | None = Field(default=None, ge=1)
    """Distinct problems that explorers are trained on, repeated in another order each time; None: new ones at every
    step."""
    references: TrainingReferences
    """What synthesizers learn to read."""
    synthesizer: Supervised
    """How synthesizers are trained."""
    selection: Supervised | None = None
    """For a selector. A synthesizer that searches by itself where every reference is wrong soon needs no references; a
    selector is trained on from it and leaves the search to the explorers. None: there is no selector."""
    reinforcement: Reinforcement | None = None
    """How one of them is reinforced."""
    longer_examples: int = Field(default=0, ge=0)
    """Problems without references on which the headline synthesizer's model is trained instead, so many that it sees as
    many tokens as the synthesizer; together with a model that tries and checks by itself. 0: neither opponent."""
    explorer_tokens: int = Field(ge=1)
    """Longest answer of an explorer."""
    synthesizer_tokens: int = Field(ge=1)
    """Longest answer of a synthesizer, including its reasoning."""
    num_development: int = Field(default=300, ge=1)
    """Development problems for the curves; test problems are not used."""

    @model_validator(mode="after")
    def names_its_sizes(self) -> "Training":
        """Every size that is named has a shape, and every model has what it is made from."""
        explorer, synthesizer = self.headline
        for setting, sizes in (
            ("explorers", self.explorers),
            ("synthesizers", self.synthesizers),
            ("headline", self.headline),
            ("explorer.num_examples_of", self.explorer.num_examples_of),
            ("synthesizer.num_examples_of", self.synthesizer.num_examples_of),
            ("selection.num_examples_of", self.selection.num_examples_of if self.selection else {}),
            ("references.explorers", self.references.explorers),
        ):
            if unknown := [size for size in sizes if size not in self.shapes]:
                raise ValueError(
                    f"{setting} names {', '.join(unknown)}; shapes has {', '.join(self.shapes)}."
                )
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
