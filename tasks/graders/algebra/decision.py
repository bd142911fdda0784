"""The verdict on two normal forms, made in a worker: it is bounded there whatever was written."""

from collections.abc import Sequence

from tasks.graders.algebra.comparison import same
from tasks.graders.algebra.forms import Form, Value
from tasks.graders.algebra.functions import TooLargeError
from tasks.graders.algebra.reading import read
from tasks.graders.algebra.substitution import constant
from tasks.graders.algebra.tokens import UnreadError
from tasks.graders.normalise import named_readings
from tasks.graders.protocol import Verdict
from tasks.graders.workers import Decide


def load() -> Decide:
    """What a worker decides with."""
    return verdict


def verdict(gold: str, answer: str) -> Verdict:
    """Whether any reading of the answer is any reading of the gold answer; an answer not read whole is wrong."""
    golds, answers = _forms(gold), _forms(answer)
    is_refused = False
    for one in golds:
        for two in answers:
            try:
                if same(one, two):
                    return "correct"
            except TooLargeError:
                is_refused |= not _is_ordinary(two)
    return "grader_error" if is_refused else "wrong"


def is_read(text: str) -> bool:
    """Whether all of a text was understood."""
    return bool(_forms(text))


def _forms(text: str) -> Sequence[Form]:
    found = []
    for reading in named_readings(text):
        try:
            found.append(read(reading))
        except UnreadError:
            continue
    return found


def _is_ordinary(form: Form) -> bool:
    """Whether a value is within bounds, so that it differs from one that is not."""
    try:
        return isinstance(form, Value) and constant(form.node) is not None
    except TooLargeError:
        return False
