"""The typed form of one experiment file (closed, frozen; nothing happens on construction).

Science and execution are separate types. `Model`, `Sampling` (`configs.models`), `References` and the prompt decide
what a trace can be and enter its identity (`warehouse.identity`); the `…Settings` of engines and
`Execution` decide only how fast and from where it comes, and never do.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from configs.engines import EngineSettings
from configs.graders import Grader, MathGrader
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
    """Column with a unique id; without one the row number is the id."""
    choices: str | tuple[str, ...] | None = None
    """Multiple choice: the columns with the wrong choices, `answer` holding the right one (GPQA); or one column with
    the list of all choices, `answer` holding the right one's letter, place from 0, or text (MMLU). They are lettered
    and put under the question; the gold answer is a letter, for the grader `choice`."""
    shuffle_choices: bool = True
    """In an order drawn from the problem's id and kept in its metadata; else as they stand, the right one of GPQA first."""
    answer_after: str | None = None
    """Take the gold answer from what follows the last such mark (GSM8K: "####"), commas removed."""


class HubBenchmark(Columns):
    """A data set on the Hugging Face hub, pinned to a revision."""

    source: Literal["hf"]
    path: str
    """Hub id, such as math-ai/aime25."""
    config: str | None = None
    """The data set's configuration name, where it has several (gsm8k: main)."""
    split: str
    revision: str
    """Commit or tag; pin a commit, or the problems may change under the results."""


class FileBenchmark(Columns):
    """A local .jsonl, .parquet or .csv file."""

    source: Literal["file"]
    path: str


class GeneratedBenchmark(ConfigModel):
    """Problems made by a seeded generator; the same settings always give the same problems."""

    source: Literal["generated"]
    family: Literal["bill", "sum3"] = "sum3"
    """`sum3`: which three of six integers hit the target; `bill`: prices times quantities, added up."""
    difficulty: int | None = None
    """How many integers or items; absent: 6 and 3."""
    count: int = Field(default=200, ge=1)
    seed: int = 0
    split: Literal["train", "development", "test"] = "test"
    """Every question belongs to one split for ever, so no test problem is ever trained on, whatever the seeds."""


Benchmark = Annotated[HubBenchmark | FileBenchmark | GeneratedBenchmark, Field(discriminator="source")]


# --- science: what decides a trace --------------------------------------------------------------


class References(ConfigModel):
    """What of the explorer's traces the synthesizer is shown. All of it is identity."""

    count: int = Field(default=4, ge=1)
    """How many references: the first `count` usable traces by sample index."""
    content: Literal["answer", "full", "last_paragraph"] = "answer"
    """`answer`: what follows the reasoning; `full`: reasoning and answer; `last_paragraph`: of the answer."""
    order: Literal["shuffled", "sampled", "by_vote"] = "shuffled"
    """`shuffled` by a seed of the problem; `sampled`: by sample index; `by_vote`: commonest answer first."""
    truncated: Literal["drop", "keep"] = "drop"
    """Whether traces that ran into max_tokens are shown."""
    duplicates: Literal["keep", "merge"] = "keep"
    """`merge` shows equal references once, with their count."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Budget of one reference; a longer one keeps its end, where the answer is."""
    total_max_tokens: int | None = Field(default=None, ge=1)
    """Budget of all references; what exceeds it falls to `overflow`."""
    overflow: Literal["drop_last", "shorten_all"] = "drop_last"
    """`drop_last` leaves out whole references from the end; `shorten_all` cuts each to an equal share."""
    tokenizer: str | None = None
    """A tokenizer.json to count tokens with; without one, four characters count as a token."""


# --- execution: what decides speed and place ------------------------------------------------------


class Execution(ConfigModel):
    """How the work is cut and retried; none of it changes a result."""

    shard_size: int | None = Field(default=None, ge=1)
    """Traces a Prefect task makes; absent: about an eighth of what is missing, bounded by the engine's concurrency."""
    retries: int = Field(default=1, ge=0)
    """How often Prefect tries a shard again that ended with transient errors."""
    retry_delay_seconds: float = Field(default=5.0, ge=0)


# --- roles and the experiment -----------------------------------------------------------------


class Role(ConfigModel):
    """Who answers in one stage, and how."""

    model: Model
    engine: EngineSettings
    prompt: str
    """A shipped prompt's name or the path of a .jinja file."""
    sampling: Sampling = Sampling()


class Explorer(Role):
    """The role that answers each problem n times, independently."""

    prompt: str = "explore"


class Synthesizer(Role):
    """The role that reads the problem and the references and reasons once more."""

    prompt: str = "synthesize"
    references: References = References()


class Experiment(ConfigModel):
    """One experiment: problems, an explorer, perhaps a synthesizer, a grader."""

    model_config = ConfigDict(title="in full")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = ""
    benchmark: Benchmark
    explorer: Explorer
    synthesizer: Synthesizer | None = None
    """Absent: a self-consistency baseline."""
    grader: Grader = MathGrader(kind="math")
    execution: Execution = Execution()

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
