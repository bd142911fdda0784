"""How far the samples of a problem agree, and how many of them are wanted where sampling stops once they do.

Both are decided on samples in index order and on their texts alone, so arrival order, kills, reruns and graders change
nothing. Answers are compared as references are (`tasks.graders.reference_keys`); a sample that was cut off or
names no answer agrees with none.
"""

from collections import Counter
from collections.abc import Sequence

from configs.roles import Stop
from tasks.graders.extraction import extract_answer
from tasks.graders.reference_keys import reference_key


def vote_of(answer: str) -> str:
    """What a sample's answer counts as; empty where it names none."""
    extracted = extract_answer(answer)
    return "" if extracted is None else reference_key(extracted)


def agreement(votes: Sequence[str]) -> float:
    """The share of all samples that give the most common answer; 0 where none gives any."""
    counts = Counter(vote for vote in votes if vote)
    return max(counts.values(), default=0) / len(votes) if votes else 0.0


def num_wanted(votes: Sequence[str], stop: Stop, most: int) -> int:
    """How many samples of a problem are wanted, as far as its first ones tell.

    Args:
        votes: Of the stored samples from the first on, up to one that is missing.
        stop: When they are enough.
        most: Samples where they never agree.

    Returns:
        The size at which they agree, or the next one to reach if `votes` does not tell yet.
    """
    size = min(stop.after, most)
    while size < most and len(votes) >= size and agreement(votes[:size]) < stop.agreement:
        size = min(size + stop.step, most)
    return size
