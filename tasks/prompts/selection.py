"""What a reply means that is not itself the answer: the choice of a candidate.

A selection's answer is the candidate's, word for word; what the model said stays, as the trace's reasoning. A reply that names no
candidate, or is cut off before it does, falls back to the vote of the candidates, and `selected_id` of its trace is NULL.
The vote counts answers by `reference_key`, which never changes, so a stored trace stays what it is.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tasks.engines.endings import ending_of
from tasks.engines.protocol import Completion
from tasks.graders.extraction import extract_answer
from tasks.graders.reference_keys import reference_key
from tasks.prompts.references import Candidate, Reference

_CHOICE = re.compile(r"\bchoice\b[\s:=*]*(\d+)|\\boxed\s*\{\s*(\d+)\s*\}", re.IGNORECASE)


class Reply(NamedTuple):
    """What of a trace differs from what the model said; fields are named like columns."""

    status: str
    reasoning: str
    answer: str
    selected_id: str | None


def choice_of(text: str, num_candidates: int) -> int | None:
    """The number, from 1, of the candidate that a reply names last: `Choice: 2` or a box; None where it names none."""
    named = [int(match[1] or match[2]) for match in _CHOICE.finditer(text)]
    return named[-1] if named and 1 <= named[-1] <= num_candidates else None


def vote_of(candidates: Sequence[Candidate]) -> Candidate | None:
    """The first candidate that has the commonest answer, in a tie the first of the prompt's; without any the first."""
    answers = [extract_answer(candidate.answer) for candidate in candidates]
    keys = [None if answer is None else reference_key(answer) for answer in answers]
    votes = Counter(key for key in keys if key is not None)
    most = votes.most_common(1)[0][0] if votes else None
    return next((candidate for candidate, key in zip(candidates, keys, strict=True) if key == most), None)


def selected(
    candidates: Sequence[Candidate], references: Sequence[Reference], completion: Completion
) -> Reply:
    """The answer of the candidate that the completion names; of the vote's where it names none."""
    is_whole = ending_of(completion.finish_reason) != "length"
    number = choice_of(completion.answer, len(references)) if is_whole else None
    chosen = candidates[references[number - 1].first] if number else None
    answering = chosen or vote_of(candidates)
    said = "\n\n".join(part for part in (completion.reasoning, completion.answer) if part)
    return Reply(
        "ok", said, answering.answer if answering else "", selected_id=chosen.trace_id if chosen else None
    )


READINGS: Mapping[str, Callable[[Sequence[Candidate], Sequence[Reference], Completion], Reply]] = {
    "select": selected
}
"""By kind of stage, where a reply is not itself the answer."""


def reading_of(
    kind: str, candidates: Sequence[Candidate], references: Sequence[Reference]
) -> Callable[[Completion], Mapping[str, object]] | None:
    """How replies to the prompt with these references are read; None where a reply is the answer."""
    reading = READINGS.get(kind)
    return (lambda completion: reading(candidates, references, completion)._asdict()) if reading else None
