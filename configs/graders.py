"""The settings of a grader: how an answer is compared with the gold answer.

Every setting of a grader can change a verdict, so all of them except an engine's are in its key: with other
settings there are other grades, beside the old ones.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from configs.engines import EngineSettings
from configs.models import Model, Sampling
from configs.schema import ConfigModel


class BoxedAnswerGrader(ConfigModel):
    r"""What graders have in common that read what the last \boxed{} holds."""

    fallback: Literal["none", "phrase", "last_number"] = "none"
    """What is read if there is no box. `none`: nothing, there is no answer; `phrase`: what follows the last "the answer is"
    or "####"; `last_number`: the last number."""


class MathGrader(BoxedAnswerGrader):
    """Mathematical equality: integers and fractions exactly, then normalised LaTeX, then math-verify."""

    kind: Literal["math"]


class ExactGrader(BoxedAnswerGrader):
    """Equal to the gold answer, apart from white space."""

    kind: Literal["exact"]
    ignore_case: bool = False


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


class WholeAnswerGrader(ConfigModel):
    """What graders have in common that can read the whole answer."""

    answer: Literal["box", "whole"] = "box"
    r"""`box`: what the last \boxed{} holds; `whole`: everything after the reasoning, up to its last 16,000
    characters."""


class JudgeGrader(WholeAnswerGrader):
    """A language model as the judge, called once per distinct answer to a problem; its traces are stored."""

    kind: Literal["judge"]
    model: Model
    engine: EngineSettings
    prompt: str = "judge"
    """Name of a shipped prompt or path of a .jinja file, which can use `question`, `gold` and `answer`."""
    sampling: Sampling = Sampling(temperature=0.0)


class FunctionGrader(WholeAnswerGrader):
    """A function of your own of (gold, answer), called in a worker process that can be killed."""

    kind: Literal["function"]
    function: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """`module:function`. It returns whether the answer is right, or the name of a verdict."""
    path: str | None = None
    """Folder to import the module from; default: the folder of the experiment file."""


KINDS: Mapping[str, str] = {
    "math": "tasks.graders.math:Math",
    "exact": "tasks.graders.exact:Exact",
    "numeric": "tasks.graders.numeric:Numeric",
    "choice": "tasks.graders.choice:Choice",
    "regex": "tasks.graders.regex:Regex",
    "function": "tasks.graders.function:Function",
}
"""Where the class of each kind is that needs only its settings. A judge, in `tasks/grading/judge.py`, also needs a root."""

GraderSettings = Annotated[
    MathGrader | ExactGrader | NumericGrader | ChoiceGrader | RegexGrader | JudgeGrader | FunctionGrader,
    Field(discriminator="kind"),
]
