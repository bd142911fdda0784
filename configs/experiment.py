"""What an experiment file says (closed and frozen; nothing happens on construction).

Science and execution are separate types. `Model`, `Sampling` (`configs.models`), `References` and the prompt decide
what a trace can be and enter its identity (`warehouse.identity`); the `…Settings` of engines and
`Execution` decide only how fast and from where it comes, and never do.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from configs.engines import EngineSettings, is_billed_elsewhere
from configs.graders import GraderSettings, MathGrader
from configs.models import Model, Sampling
from configs.schema import ConfigModel

# --- problems -------------------------------------------------------------------------------


class Columns(ConfigModel):
    """Which columns of a data set hold what."""

    question: str = "question"
    """Column with the problem text."""
    answer: str = "answer"
    """Column with the gold answer; numbers are turned into text (27.0 becomes 27)."""
    id: str | None = None
    """Column with a unique id; default: the row number."""
    choices: str | tuple[str, ...] | None = None
    """For multiple choice: either the columns with the wrong choices, while `answer` holds the right one (GPQA), or one
    column with the list of all choices, while `answer` holds the letter, the index from 0 or the text of the right one
    (MMLU). The choices are lettered and put under the question; the gold answer is a letter, for the grader `choice`."""
    shuffle_choices: bool = True
    """Shuffle them by the problem's id and keep the order in its metadata; else they stay as they are, in GPQA with the
    right one first."""
    answer_after: str | None = None
    """The gold answer is what follows the last such mark (GSM8K: "####"), without commas."""


class HubBenchmark(Columns):
    """A data set on the Hugging Face hub, pinned to a revision."""

    source: Literal["hf"]
    path: str
    """Hub id, such as math-ai/aime25."""
    config: str | None = None
    """The data set's configuration name, where it has several (gsm8k: main)."""
    split: str
    """Which part of the data set, such as test."""
    revision: str
    """Commit or tag; pin a commit, or the problems may change while the results stay."""


class FileBenchmark(Columns):
    """A local .jsonl, .parquet or .csv file."""

    source: Literal["file"]
    path: str
    """The file, relative to the one that names it."""


class GeneratedBenchmark(ConfigModel):
    """Problems from a seeded generator; the same settings always give the same problems."""

    source: Literal["generated"]
    family: Literal["bill", "sum3"] = "sum3"
    """`sum3`: which three of six integers hit the target; `bill`: prices times quantities, added up."""
    difficulty: int | None = None
    """Number of integers (`sum3`, default 6) or of items (`bill`, default 3)."""
    count: int = Field(default=200, ge=1)
    """Number of problems."""
    seed: int = 0
    """Another seed, other problems."""
    split: Literal["train", "development", "test"] = "test"
    """Every question permanently belongs to one split, so a test problem is never trained on, whatever the seeds."""


Benchmark = Annotated[HubBenchmark | FileBenchmark | GeneratedBenchmark, Field(discriminator="source")]


# --- science: what decides a trace --------------------------------------------------------------


class References(ConfigModel):
    """What the synthesizer is shown of the explorer's traces. All of it is part of a trace's identity."""

    count: int = Field(default=4, ge=1)
    """Number of references: the first `count` usable traces by sample index."""
    content: Literal["answer", "full", "last_paragraph"] = "answer"
    """`answer`: what follows the reasoning; `full`: reasoning and answer; `last_paragraph`: the last one of the answer."""
    order: Literal["shuffled", "sampled", "by_vote"] = "shuffled"
    """`shuffled`: by a seed of the problem's own; `sampled`: by sample index; `by_vote`: the most common answer first."""
    truncated: Literal["drop", "keep"] = "drop"
    """Whether traces that reached max_tokens are left out or shown."""
    duplicates: Literal["keep", "merge"] = "keep"
    """`merge`: equal references are shown once, with their count."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Budget per reference; of a longer one the end is kept, where the answer is."""
    total_max_tokens: int | None = Field(default=None, ge=1)
    """Budget of all references together; `overflow` says what happens beyond it."""
    overflow: Literal["drop_last", "shorten_all"] = "drop_last"
    """`drop_last`: whole references are left out, from the end; `shorten_all`: each is cut to an equal share."""
    tokenizer: str | None = None
    """A tokenizer.json that counts tokens; default: four characters count as one token."""


# --- execution: what decides how fast ------------------------------------------------------


class Execution(ConfigModel):
    """How the work is split and retried; none of it changes a result."""

    shard_size: int | None = Field(default=None, ge=1)
    """Traces per Prefect task; default: about an eighth of what is missing, bounded by the engine's concurrency."""
    retries: int = Field(default=1, ge=0)
    """How often Prefect retries a shard that ended with transient errors."""
    retry_delay_seconds: float = Field(default=5.0, ge=0)
    """How long Prefect waits before it does."""


class Budget(ConfigModel):
    """Where the requests of an experiment end. What is stored stays; a larger budget continues from there."""

    dollars: float | None = Field(default=None, gt=0)
    """Of all answers that the experiment wants, those found in the store included: by what the provider bills, else by
    `model.price`."""
    tokens: int | None = Field(default=None, ge=1)
    """The same in tokens, prompts and completions."""

    @model_validator(mode="after")
    def says_something(self) -> "Budget":
        """A budget without a limit would be none."""
        if self.dollars is None and self.tokens is None:
            raise ValueError("has no limit; give dollars, tokens or both, or leave it out.")
        return self


# --- roles and the experiment -----------------------------------------------------------------


class Role(ConfigModel):
    """Who answers in one stage, and how."""

    model: Model
    """Which weights answer."""
    engine: EngineSettings
    """What turns requests into completions, and from where."""
    prompt: str
    """Name of a shipped prompt or path of a .jinja file."""
    sampling: Sampling = Sampling()
    """How many answers are drawn, and how."""


class Explorer(Role):
    """The role that answers each problem n times, independently."""

    prompt: str = "explore"
    """Name of a shipped prompt or path of a .jinja file, which can use `question`."""


class Synthesizer(Role):
    """The role that reads the problem and the references and reasons once more."""

    prompt: str = "synthesize"
    """Name of a shipped prompt or path of a .jinja file, which can use `question` and `references`."""
    references: References = References()
    """Which of the explorer's answers it is shown, and how."""


ROLES: Mapping[str, str] = {"explore": "explorer", "synthesize": "synthesizer"}
"""The role that an experiment's settings of a stage are called by; of any other stage it is the stage's own name."""


def role_of(stage: str) -> str:
    """The role of a stage: what its settings stand under."""
    return ROLES.get(stage, stage)


class Experiment(ConfigModel):
    """One experiment: problems, an explorer, a grader, and usually a synthesizer."""

    model_config = ConfigDict(title="in full")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    """What runs, SQL and the UI call it; small letters, digits, dots, dashes."""
    description: str = ""
    """A sentence for people; it is kept with every run."""
    benchmark: Benchmark
    """Which problems."""
    explorer: Explorer
    """Who answers each problem several times."""
    synthesizer: Synthesizer | None = None
    """Without one, the experiment is a self-consistency baseline."""
    grader: GraderSettings = MathGrader(kind="math")
    """How answers are compared with the gold answers."""
    max_undecided: float = Field(default=0.02, ge=0, le=1)
    """Largest share of a stage's answers that may have no verdict (a grader that gave up, a judge that did not decide);
    beyond it the run is incomplete. They are left out of every number either way."""
    execution: Execution = Execution()
    """How the work is split; it changes no result."""
    budget: Budget | None = None
    """Where requests end; the run is then incomplete and exits with 4."""

    @model_validator(mode="after")
    def references_exist(self) -> "Experiment":
        """A synthesizer cannot be shown more references than the explorer samples."""
        if self.synthesizer and self.synthesizer.references.count > self.explorer.sampling.n:
            count, n = self.synthesizer.references.count, self.explorer.sampling.n
            raise ValueError(
                f"synthesizer.references.count is {count} but explorer.sampling.n is {n}; "
                f"raise explorer.sampling.n to {count} or more, or lower synthesizer.references.count."
            )
        return self

    @model_validator(mode="after")
    def budget_can_be_kept(self) -> "Experiment":
        """Dollars cannot be limited where nobody says what an answer costs."""
        if self.budget is None or self.budget.dollars is None:
            return self
        roles = {"explorer": self.explorer, "synthesizer": self.synthesizer, "grader": self.grader}
        for name, role in roles.items():
            model, engine = getattr(role, "model", None), getattr(role, "engine", None)
            if isinstance(model, Model) and model.price is None and is_billed_elsewhere(engine):
                raise ValueError(
                    f"budget.dollars is {self.budget.dollars:g} but {name}.model has no price, so nobody knows what is spent; "
                    f"give {name}.model.price: {{input: …, output: …}} in dollars per million tokens, or limit budget.tokens."
                )
        return self
