"""Whether a role's longest prompt and completion fit the model's context, as far as it can be told beforehand.

Nothing is downloaded or started: the room is what the settings or the model's config.json on this
machine say, tokens are counted by the model's tokenizer where it lies here, else four characters are
one token. What is not known is None.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tokenizers import Tokenizer

from tasks.engines.resolving import resolved
from tasks.engines.weights import weights_file
from tasks.prompts.references import CHARACTERS_PER_TOKEN
from tasks.stage import Stage
from warehouse.records import Problem

TEMPLATE_TOKENS = 32
"""Allowance for what a chat template adds around the messages."""


@dataclass(frozen=True, slots=True)
class Context:
    """Tokens of one role's longest request, each at most, and the room there is for them."""

    prompt: int
    """The longest prompt without references."""
    references: int
    completion: int
    room: int | None
    """Prompt and completion together; None where nothing here says it."""
    is_counted: bool
    """Counted by the model's tokenizer; else four characters are one token."""

    @property
    def needed(self) -> int:
        """The longest request and its completion."""
        return self.prompt + self.references + self.completion

    @property
    def fits(self) -> bool | None:
        """None where the room is not known."""
        return None if self.room is None else self.needed <= self.room

    def as_dict(self) -> dict[str, object]:
        """The same as data."""
        return asdict(self) | {"needed": self.needed, "fits": self.fits}


def context_of(stage: Stage, problems: Sequence[Problem]) -> Context:
    """The bound for a stage over these problems.

    A reference is at most references.max_tokens, else as long as the explorer's completions may be.
    """
    kind, settings = resolved(stage.engine)
    tokenizer = weights_file(kind.weights(stage.model, settings), stage.model, "tokenizer.json")
    count = _counter(tokenizer)
    longest = max(
        (sum(len(m.content) for m in stage.prompt.render(p.question)), p.question) for p in problems
    )
    messages = stage.prompt.render(longest[1])
    prompt = TEMPLATE_TOKENS + sum(count(m.content) for m in messages)
    return Context(
        prompt=prompt,
        references=_references(stage, count),
        completion=stage.sampling.max_tokens,
        room=kind.context(stage.model, settings),
        is_counted=tokenizer is not None,
    )


def complaint(stage: Stage, context: Context) -> str | None:
    """What to change where the longest request may not fit; None where it fits or the room is unknown."""
    if context.fits is not False or context.room is None:
        return None
    over = context.needed - context.room
    name = stage.field
    shown = f"references {context.references:,} + " if context.references else ""
    ways = [f"lower {name}.sampling.max_tokens to {max(1, context.completion - over):,}"]
    kind, settings = resolved(stage.engine)
    if setting := kind.context_setting(settings):
        ways.insert(0, f"raise {name}.engine.{setting} to {context.needed:,} if the model allows it")
    if stage.references and over < context.references:
        share = (context.references - over) // stage.references.count
        ways.insert(0, f"set {name}.references.max_tokens to {share:,}")
    return (
        f"{stage.name}: the longest request may need {context.needed:,} tokens (prompt {context.prompt:,} + "
        f"{shown}completion {context.completion:,}), but the context holds {context.room:,}; {', or '.join(ways)}."
    )


def _references(stage: Stage, count: Callable[[str], int]) -> int:
    """Tokens of all references with what the prompt writes around each, at most."""
    policy = stage.references
    if policy is None:
        return 0
    longest = max(read.sampling.max_tokens for read in stage.reads)
    each = min(policy.max_tokens or longest, longest)
    total = min(policy.count * each, policy.total_max_tokens or policy.count * each)
    around = count("\n## Reference 10 (given 10 times)\n\n\n")
    return total + policy.count * around


def _counter(file: Path | None) -> Callable[[str], int]:
    if file is None:
        return lambda text: -(-len(text) // CHARACTERS_PER_TOKEN)
    tokenizer = Tokenizer.from_file(str(file))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
