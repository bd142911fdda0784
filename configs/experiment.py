"""What an experiment file says (closed and frozen; nothing happens on construction).

Science and execution are separate types. `Model` (`configs.models`), `Sampling` (`configs.sampling`), `References` and the prompt
(`configs.roles`) decide what a trace can be and enter its identity (`warehouse.identity`); the `…Settings` of engines and
`Execution` decide only how fast and from where it comes, and never do.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.config import JsonDict

from configs.engines import is_billed_elsewhere
from configs.graders import GraderSettings, MathGrader
from configs.models import Model
from configs.roles import Explorer, Role, StageSettings, Synthesizer, stages_in
from configs.schema import ConfigModel

R = TypeVar("R", bound=Role)

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
    column with all choices (a list, or texts with labels as in ARC) or columns that end in a, b, c and so on, while
    `answer` holds the letter, the label, the index from 0 or the text of the right one (MMLU). The choices are lettered
    and put under the question; the gold answer is a letter, for the grader `choice`."""
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
    """A local .jsonl, .json, .parquet or .csv file, perhaps compressed (.gz, .zst)."""

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


SingleBenchmark = Annotated[HubBenchmark | FileBenchmark | GeneratedBenchmark, Field(discriminator="source")]


def _also_as_list(schema: JsonDict) -> None:
    """A file may also list a suite's benchmarks, and name them: what editors are told."""
    named: JsonDict = {"anyOf": [{"type": "string"}, schema.pop("additionalProperties")]}
    kept = {name: schema.pop(name) for name in list(schema) if name not in {"title", "description"}}
    listed: JsonDict = {"type": "array", "items": named}
    by_name: JsonDict = {**kept, "additionalProperties": named}
    schema["anyOf"] = [listed, by_name]


class SuiteBenchmark(ConfigModel):
    """Several benchmarks in one run: metrics of each and their macro-average, in which each counts alike."""

    source: Literal["suite"]
    of: dict[str, SingleBenchmark] = Field(json_schema_extra=_also_as_list)
    """Which: a list of presets, experiment files and whole benchmark settings, such as [aime24, aime25], or a mapping that
    gives each a name of yours. Its problems are called by that name: aime24/60."""

    @field_validator("of", mode="before")
    @classmethod
    def of_several(cls, of: object) -> object:
        """What a list says is a mapping by now (`configs.suites`)."""
        if not isinstance(of, Mapping) or not of:
            raise ValueError(f"is {of!r}; give a list of benchmarks, such as [aime24, aime25].")
        return of

    @model_validator(mode="after")
    def benchmarks_differ(self) -> "SuiteBenchmark":
        """No benchmark is in it twice."""
        names, held = list(self.of), list(self.of.values())
        for place, benchmark in enumerate(held):
            if (first := held.index(benchmark)) < place:
                raise ValueError(
                    f"holds one benchmark twice, in of.{names[first]} and of.{names[place]}; remove one."
                )
        return self


Benchmark = Annotated[
    HubBenchmark | FileBenchmark | GeneratedBenchmark | SuiteBenchmark, Field(discriminator="source")
]


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


# --- the experiment ---------------------------------------------------------------------------


class Experiment(ConfigModel):
    """One experiment: problems, one or more explorers, a grader, and usually a synthesizer or several rounds of them."""

    model_config = ConfigDict(title="in full")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    """What runs, SQL and the UI call it; small letters, digits, dots, dashes."""
    description: str = ""
    """A sentence for people; it is kept with every run."""
    benchmark: Benchmark
    """Which problems."""
    explorer: Explorer | None = None
    """Who answers each problem several times. In a file with `explorers`: what all of them have in common."""
    explorers: tuple[Explorer, ...] = ()
    """Several explorers, each with its own model, prompt and samples; the first round reads all of them."""
    synthesizer: Synthesizer | None = None
    """Without one, the experiment is a self-consistency baseline. In a file with `rounds`: what all of them have in
    common."""
    rounds: tuple[Synthesizer, ...] = ()
    """Several rounds, each a synthesizer that reads the former; the last one's answers are the experiment's."""
    grader: GraderSettings = MathGrader(kind="math")
    """How answers are compared with the gold answers."""
    max_undecided: float = Field(default=0.02, ge=0, le=1)
    """Largest share of a stage's answers that may have no verdict (a grader that gave up, a judge that did not decide);
    beyond it the run is incomplete. They are left out of every number either way."""
    execution: Execution = Execution()
    """How the work is split; it changes no result."""
    budget: Budget | None = None
    """Where requests end; the run is then incomplete and exits with 4."""

    @property
    def stages(self) -> tuple[StageSettings, ...]:
        """Who answers, in order: each stage reads only earlier ones."""
        explorers = _by_field("explorer", self.explorer, "explorers", self.explorers)
        return stages_in(explorers, _by_field("synthesizer", self.synthesizer, "rounds", self.rounds))

    @property
    def first_explorer(self) -> Explorer:
        """The explorer, or the first of several."""
        return self.explorer or self.explorers[0]

    def with_roles(self, change: Callable[[Role], Role]) -> "Experiment":
        """The same experiment, each of its roles changed."""
        fields = {name: getattr(self, name) for name in ("explorer", "explorers", "synthesizer", "rounds")}
        changed = {
            name: tuple(map(change, held)) if isinstance(held, tuple) else held and change(held)
            for name, held in fields.items()
        }
        return self.model_copy(update=changed)

    @model_validator(mode="after")
    def stages_fit(self) -> "Experiment":
        """There is an explorer, and every round reads what is before it, no more than there is."""
        for one, several in (("explorer", "explorers"), ("synthesizer", "rounds")):
            if getattr(self, one) and getattr(self, several):
                raise ValueError(f"{one} and {several} are both given; put {one} into {several}.")
        if not self.explorer and not self.explorers:
            raise ValueError("explorer is missing; add it.")
        _ = self.stages
        return self

    @model_validator(mode="after")
    def budget_can_be_kept(self) -> "Experiment":
        """Dollars cannot be limited where nobody says what an answer costs."""
        if self.budget is None or self.budget.dollars is None:
            return self
        roles = {stage.field: stage.role for stage in self.stages} | {"grader": self.grader}
        for name, role in roles.items():
            model, engine = getattr(role, "model", None), getattr(role, "engine", None)
            if isinstance(model, Model) and model.price is None and is_billed_elsewhere(engine):
                raise ValueError(
                    f"budget.dollars is {self.budget.dollars:g} but {name}.model has no price, so nobody knows what is spent; "
                    f"give {name}.model.price: {{input: …, output: …}} in dollars per million tokens, or limit budget.tokens."
                )
        return self


def _by_field(one: str, role: R | None, several: str, roles: tuple[R, ...]) -> dict[str, R]:
    """The role of a short form, or those of the list, each by the field that holds it."""
    return {one: role} if role else {f"{several}.{place}": role for place, role in enumerate(roles)}
