"""The settings of a grader: how an answer is compared with the gold answer.

Every setting of a grader can change a verdict, so all of them except an engine's are in its key: with other
settings there are other grades, beside the old ones.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from configs.engines import EngineSettings
from configs.models import Model
from configs.sampling import Sampling
from configs.schema import ConfigModel


class BoxedAnswerGrader(ConfigModel):
    r"""What graders have in common that read what the last \boxed{} holds."""

    fallback: Literal["none", "phrase", "last_number"] = "none"
    """What is read if there is no box. `none`: nothing, there is no answer; `phrase`: what follows the last "the answer is"
    or "####"; `last_number`: the last number."""


class MathGrader(BoxedAnswerGrader):
    """Mathematical equality: integers and fractions exactly, then normalised LaTeX, then a reader of formulas."""

    kind: Literal["math"]
    tolerance: str | None = None
    """The benchmark's column with the largest difference from a gold number that is still right; without a value there, the
    answer has to be equal."""
    unit: str | None = None
    """The benchmark's column with the unit of the gold answer, which an answer may have behind it."""


class ExactGrader(BoxedAnswerGrader):
    """Equal to the gold answer, apart from white space."""

    kind: Literal["exact"]
    ignore_case: bool = False
    """Whether capitals count as small letters."""


class NumericGrader(BoxedAnswerGrader):
    """A number within a tolerance of the gold number; without tolerances, exactly that number."""

    kind: Literal["numeric"]
    absolute: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Largest difference allowed."""
    relative: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Largest difference allowed, as a share of the gold number; the larger of the two tolerances counts."""


class ChoiceGrader(ConfigModel):
    """A letter, as in GPQA and MMLU; the benchmark's `choices` are lettered and shuffled."""

    kind: Literal["choice"]
    fallback: Literal["none", "phrase"] = "none"
    r"""What is read if there is no \boxed{}. `none`: nothing, there is no answer; `phrase`: the letter after the last
    "the answer is" or "Answer:"."""


class RegexGrader(ConfigModel):
    """The last match of a pattern, equal to the gold answer apart from white space."""

    kind: Literal["regex"]
    pattern: str
    """In RE2 syntax, which takes linear time whatever the text; the group `(?P<answer>…)`, if there is one, is the answer."""
    ignore_case: bool = False
    """In the comparison; for the search, write (?i) into the pattern."""


class ScoringGrader(ConfigModel):
    """What graders have in common that can give a score between 0 and 1, beside right and wrong."""

    threshold: float = Field(default=1.0, gt=0, le=1)
    """The least score that is right. What counts right answers (mean@1, votes, pass@k) uses it; the mean of the scores
    stands beside."""


class JudgeGrader(ScoringGrader):
    """A language model as the judge, called once per distinct answer to a problem; its traces are stored."""

    kind: Literal["judge"]
    answer: Literal["box", "whole"] = "box"
    r"""`box`: what the last \boxed{} holds; `whole`: everything after the reasoning, up to its last 16,000
    characters."""
    rubric: str | None = None
    """What points are given for, in words. The judge then ends with `Score: 7` instead of a verdict, and its score is
    that share of `points`."""
    points: int = Field(default=10, ge=1)
    """Full marks of the rubric."""
    model: Model
    """Which weights judge."""
    engine: EngineSettings
    """What asks them."""
    prompt: str = "judge"
    """Name of a shipped prompt or path of a .jinja file, which can use `question`, `gold`, `answer`, and with a rubric
    `rubric` and `points`. With a rubric, `judge` means the shipped prompt `judge-rubric`."""
    sampling: Sampling = Sampling(temperature=0.0)
    """How a judgement is drawn; temperature 0 unless it says otherwise."""


class FunctionGrader(ScoringGrader):
    """A function of your own of (gold, answer), called in a worker process that can be killed."""

    kind: Literal["function"]
    answer: Literal["box", "whole"] = "whole"
    r"""`whole`: everything after the reasoning, up to its last 16,000 characters; `box`: what the last \boxed{} holds."""
    function: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """`module:function`, of `gold` and `answer`, and by name of `problem`, `text` and `reasoning`. It returns whether the
    answer is right, a float between 0 and 1, an object with `correct` and `score`, or the name of a verdict."""
    path: str | None = None
    """Folder to import the module from; default: the folder of the experiment file."""


KINDS: Mapping[str, str] = {
    "exact": "tasks.graders.exact:Exact",
    "numeric": "tasks.graders.numeric:Numeric",
    "choice": "tasks.graders.choice:Choice",
    "regex": "tasks.graders.regex:Regex",
}
"""Where the class of each kind is that needs only its settings. A function (`tasks/graders/function.py`) also needs the
problems, a judge (`tasks/grading/judge.py`) a root besides."""

SingleGraderSettings = Annotated[
    MathGrader | ExactGrader | NumericGrader | ChoiceGrader | RegexGrader | JudgeGrader | FunctionGrader,
    Field(discriminator="kind"),
]


def _in_full(settings: object) -> object:
    """`math` is short for `{kind: math}`."""
    return {"kind": settings} if isinstance(settings, str) else settings


class CascadeGrader(ConfigModel):
    """Several graders in order: each decides what it can, and the next gets what it cannot."""

    kind: Literal["cascade"]
    of: tuple[
        Annotated[
            SingleGraderSettings, BeforeValidator(_in_full, json_schema_input_type=str | SingleGraderSettings)
        ],
        ...,
    ] = Field(min_length=2)
    """The graders; a name alone is short for `{kind: …}`. The last one's verdict stands, whatever it is."""
    check_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the answers that an earlier grader decided, which the last one is also asked about, to see how often they
    agree. It changes no verdict."""
    seed: int = 0
    """Which answers these are."""


GraderSettings = Annotated[
    MathGrader
    | ExactGrader
    | NumericGrader
    | ChoiceGrader
    | RegexGrader
    | JudgeGrader
    | FunctionGrader
    | CascadeGrader,
    Field(discriminator="kind"),
]
