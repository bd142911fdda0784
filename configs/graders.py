"""The typed form of a grader: what an answer is held against the gold answer by."""

from typing import Annotated, Literal

from pydantic import Field

from configs.form import Form


class MathGrader(Form):
    r"""Last \boxed{} of the answer: integers, normalised LaTeX, then math-verify."""

    kind: Literal["math"]


class ExactGrader(Form):
    r"""Last \boxed{} of the answer, equal to the gold answer but for white space."""

    kind: Literal["exact"]


Grader = Annotated[MathGrader | ExactGrader, Field(discriminator="kind")]
