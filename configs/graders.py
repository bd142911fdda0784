"""The typed form of a grader: what an answer is held against the gold answer by.

Every setting of a grader can change a verdict, so all of them but an engine's are in its key: other
settings, other grades beside the old ones.
"""

from typing import Annotated, Literal

from pydantic import Field

from configs.engines import EngineSettings
from configs.models import Model, Sampling
from configs.schema import ConfigModel


class Boxed(ConfigModel):
    r"""The answer is what the last \boxed{} holds."""

    fallback: Literal["none", "phrase", "last_number"] = "none"
    """Without a box: `none`: no answer; `phrase`: what follows the last "the answer is" or "####"; `last_number`."""


class MathGrader(Boxed):
    """Mathematical equality: integers and fractions exactly, normalised LaTeX, then math-verify."""

    kind: Literal["math"]


class ExactGrader(Boxed):
    """Equal to the gold answer but for white space."""

    kind: Literal["exact"]
    ignore_case: bool = False


class NumericGrader(Boxed):
    """A number within a tolerance of the gold number; both tolerances absent: the same number."""

    kind: Literal["numeric"]
    absolute: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Largest difference."""
    relative: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Largest difference as a share of the gold number; the larger of both tolerances counts."""


class ChoiceGrader(ConfigModel):
    """A letter, as of GPQA and MMLU; the benchmark's `choices` letter and shuffle them."""

    kind: Literal["choice"]
    fallback: Literal["none", "phrase"] = "none"
    r"""Without a box: `none`: no answer; `phrase`: the letter after the last "the answer is" or "Answer:"."""


class RegexGrader(ConfigModel):
    """The last match of a pattern, equal to the gold answer but for white space."""

    kind: Literal["regex"]
    pattern: str
    """RE2 syntax, which takes linear time whatever the text; a group `(?P<answer>…)` holds the answer."""
    ignore_case: bool = False
    """Of the comparison; write (?i) into the pattern for its own."""


class Whole(ConfigModel):
    """Graders that may read all of the answer."""

    answer: Literal["box", "whole"] = "box"
    r"""`box`: what the last \boxed{} holds; `whole`: all that follows the reasoning, its last 16,000 characters."""


class JudgeGrader(Whole):
    """A language model as the judge, asked once for each distinct answer to a problem; its traces are stored."""

    kind: Literal["judge"]
    model: Model
    engine: EngineSettings
    prompt: str = "judge"
    """A shipped prompt's name or the path of a .jinja file; it is given `question`, `gold` and `answer`."""
    sampling: Sampling = Sampling(temperature=0.0)


class FunctionGrader(Whole):
    """A user's own function of (gold, answer), called in a worker process that can be killed."""

    kind: Literal["function"]
    function: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """`module:function`; it returns whether the answer is right, or a verdict's name."""
    path: str | None = None
    """Folder to import the module from; absent: the experiment file's folder."""


Grader = Annotated[
    MathGrader | ExactGrader | NumericGrader | ChoiceGrader | RegexGrader | JudgeGrader | FunctionGrader,
    Field(discriminator="kind"),
]
