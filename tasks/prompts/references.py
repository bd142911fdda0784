"""Which of the explorer's traces a synthesizer is shown, in what order, and how much of each.

Two pure steps. `choose` decides the ordered trace ids, which are the identity of the synthesizer's
trace. `shown` decides the texts from the same policy, which is in the recipe; so equal ids under an
equal recipe always make an equal prompt.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tokenizers import Tokenizer

from configs.experiment import References
from tasks.graders.extraction import extract_answer
from tasks.graders.normalise import vote_key

CHARACTERS_PER_TOKEN = 4
"""Stands in for a tokenizer where the policy names none."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One explorer sample as the store has it."""

    trace_id: str
    sample_index: int
    status: str | None
    """`ok`, `truncated`, `error`; None: not made yet."""
    is_permanent: bool = False
    """A failure that waiting does not mend."""
    reasoning: str | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a prompt shows of one reference."""

    index: int
    """Place in the prompt, from 1."""
    text: str
    count: int
    """How many traces said exactly this; above 1 only where duplicates are merged."""


def choose(
    candidates: Sequence[Candidate], policy: References, problem_digest: str
) -> tuple[Candidate, ...] | None:
    """The ordered references, or None while a sample that could still come would change them.

    The first `count` usable samples by index. Fewer, or none at all, are taken where the rest is
    truncated or refused for good: a problem is never left out because it was hard to explore.
    """
    taken: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda c: c.sample_index):
        if len(taken) == policy.count:
            break
        match candidate.status:
            case "ok":
                taken.append(candidate)
            case "truncated":
                if policy.truncated == "keep":
                    taken.append(candidate)
            case _:
                if not candidate.is_permanent:
                    return None
    if policy.order == "shuffled":
        random.Random(f"references/{problem_digest}").shuffle(taken)  # noqa: S311 - no secret
    elif policy.order == "by_vote":
        votes = Counter(map(_vote, taken))
        taken.sort(key=lambda c: (-votes[_vote(c)], _vote(c) == "", _vote(c), c.sample_index))
    return tuple(taken)


def shown(chosen: Sequence[Candidate], policy: References) -> tuple[Reference, ...]:
    """The references' texts under the policy's content, duplicates and budgets."""
    counter = _counter(policy.tokenizer)
    texts = [_content(candidate, policy) for candidate in chosen]
    if policy.max_tokens:
        texts = [counter.tail(text, policy.max_tokens) for text in texts]
    counted = list(Counter(texts).items()) if policy.duplicates == "merge" else [(t, 1) for t in texts]
    if policy.total_max_tokens:
        counted = _within(counted, policy.total_max_tokens, policy.overflow, counter)
    return tuple(Reference(place, text, count) for place, (text, count) in enumerate(counted, start=1))


def _vote(candidate: Candidate) -> str:
    extracted = extract_answer(candidate.answer)
    return "" if extracted is None else vote_key(extracted)


def _content(candidate: Candidate, policy: References) -> str:
    match policy.content:
        case "answer":
            return candidate.answer.strip()
        case "full":
            return "\n\n".join(part.strip() for part in (candidate.reasoning, candidate.answer) if part)
        case "last_paragraph":
            return candidate.answer.strip().rsplit("\n\n", 1)[-1].strip()


def _within(
    counted: list[tuple[str, int]], budget: int, overflow: str, counter: "_Tokens"
) -> list[tuple[str, int]]:
    """The references that fit the total budget: whole ones from the front, or an equal share of each."""
    sizes = [counter.count(text) for text, _ in counted]
    if sum(sizes) <= budget:
        return counted
    if overflow == "shorten_all":
        share = max(1, budget // len(counted))
        return [(counter.tail(text, share), count) for text, count in counted]
    kept, used = [], 0
    for (text, count), size in zip(counted, sizes, strict=True):
        if used + size > budget:
            break
        kept.append((text, count))
        used += size
    return kept


@dataclass(frozen=True, slots=True)
class _Tokens:
    """How tokens are counted and a text's end is kept."""

    count: Callable[[str], int]
    tail: Callable[[str, int], str]


@lru_cache(maxsize=8)
def _counter(tokenizer: str | None) -> _Tokens:
    if tokenizer is None:
        return _Tokens(
            count=lambda text: -(-len(text) // CHARACTERS_PER_TOKEN),
            tail=lambda text, tokens: text[-tokens * CHARACTERS_PER_TOKEN :],
        )
    encoder = Tokenizer.from_file(tokenizer)

    def tail(text: str, tokens: int) -> str:
        offsets = encoder.encode(text, add_special_tokens=False).offsets
        return text if len(offsets) <= tokens else text[offsets[-tokens][0] :]

    return _Tokens(lambda text: len(encoder.encode(text, add_special_tokens=False).ids), tail)
