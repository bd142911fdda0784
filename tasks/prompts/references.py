"""Which of the traces that it reads a synthesizer is shown, in what order, and how much of each.

There are two pure steps. `choose` decides the ordered trace ids, which are part of the identity of the
synthesizer's trace. `shown` decides the texts from the same policy. The policy is in the recipe, so equal ids
under an equal recipe always give an equal prompt.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tokenizers import Tokenizer

from configs.roles import References
from tasks.prompts.agreement import vote_of

CHARACTERS_PER_TOKEN = 4
"""The estimate used if the policy does not name a tokenizer."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sample of a stage that is read, as stored."""

    trace_id: str
    """Empty where it is not known yet."""
    sample_index: int
    status: str | None
    """`ok`, `truncated`, `error`; or None if not generated yet."""
    is_permanent: bool = False
    """Whether the failure is permanent, so that a retry would not help."""
    reasoning: str | None = None
    answer: str = ""
    stage: str = ""
    """What the run calls the stage it is of."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a prompt shows of one reference."""

    index: int
    """Position in the prompt, from 1."""
    text: str
    count: int
    """How many traces have exactly this text; above 1 only if duplicates are merged."""
    first: int = 0
    """Place among the chosen candidates, from 0, of the first that has it."""


def choose(
    candidates: Sequence[Candidate], policy: References, problem_digest: str, group: int = 0
) -> tuple[Candidate, ...] | None:
    """The ordered references of a group, or None while a missing sample could still change them.

    They are usable samples by index: the first `count`, in groups that are disjoint the next for each, in random ones
    any `count` of all. There may be fewer, or none, if the rest is truncated or failed permanently: a problem is never left
    out because it was hard to explore. With shares, each stage gives its own.
    """
    chosen: list[Candidate] = []
    for stage, count in (policy.shares or {"": policy.count}).items():
        own = [c for c in candidates if stage in ("", c.stage)]
        taken = _group(own, count, policy, group, f"{policy.seed}/{problem_digest}/{stage}")
        if taken is None:
            return None
        chosen += taken
    if policy.order == "shuffled":
        seed = f"references/{problem_digest}" + (f"/{group}" if group else "")
        random.Random(seed).shuffle(chosen)  # noqa: S311 - not a secret
    elif policy.order == "by_vote":
        votes = Counter(map(_vote, chosen))
        chosen.sort(key=lambda c: (-votes[_vote(c)], _vote(c) == "", _vote(c), c.sample_index))
    return tuple(chosen)


def _group(
    candidates: Sequence[Candidate], count: int, policy: References, group: int, seed: str
) -> list[Candidate] | None:
    """A group's references by index, or None while a sample that may come could change them."""
    if policy.groups == "random":
        usable = _usable(candidates, policy, len(candidates))
        if usable is None:
            return None
        drawn = random.Random(f"groups/{seed}/{group}").sample(range(len(usable)), min(count, len(usable)))  # noqa: S311
        return [usable[place] for place in sorted(drawn)]
    usable = _usable(candidates, policy, (group + 1) * count)
    return None if usable is None else usable[group * count :]


def _usable(candidates: Sequence[Candidate], policy: References, count: int) -> list[Candidate] | None:
    """The first usable samples, at most so many; None where one that may still come is before the last of them."""
    usable: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda c: c.sample_index):
        if len(usable) == count:
            break
        match candidate.status:
            case "ok":
                usable.append(candidate)
            case "truncated":
                if policy.truncated == "keep":
                    usable.append(candidate)
            case _:
                if not candidate.is_permanent:
                    return None
    return usable


def shown(chosen: Sequence[Candidate], policy: References) -> tuple[Reference, ...]:
    """The references' texts under the policy's content, duplicates and budgets."""
    counter = _counter(policy.tokenizer)
    texts = [_content(candidate, policy) for candidate in chosen]
    if policy.max_tokens:
        texts = [counter.tail(text, policy.max_tokens) for text in texts]
    is_merged = policy.duplicates == "merge"
    counted = list(Counter(texts).items()) if is_merged else [(t, 1) for t in texts]
    firsts = [texts.index(text) for text, _ in counted] if is_merged else range(len(texts))
    if policy.total_max_tokens:
        counted = _within(counted, policy.total_max_tokens, policy.overflow, counter)
    return tuple(
        Reference(index, text, count, first)
        for index, ((text, count), first) in enumerate(zip(counted, firsts, strict=False), start=1)
    )


def _vote(candidate: Candidate) -> str:
    return vote_of(candidate.answer)


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
    """The references that fit into the total budget: complete ones from the front, or an equal share of each."""
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
    """How to count tokens, and how to keep the end of a text."""

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
