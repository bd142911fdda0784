"""Whether a role's longest prompt and completion fit the model's context, as far as it can be told beforehand.

Nothing is downloaded or started: the room is what the settings or the model's config.json on this
machine say, tokens are counted by the model's tokenizer where it lies here, else four characters are
one token. What is not known is None.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from tokenizers import Tokenizer

from configs.engines import OnnxEngine, OpenAIEngine, VllmEngine
from tasks.engines.onnx.engine import MODELS
from tasks.prompts.references import CHARACTERS_PER_TOKEN
from tasks.stage import Stage
from warehouse.records import Problem

TEMPLATE_TOKENS = 32
"""Allowance for what a chat template adds around the messages."""
_ROOM = ("max_position_embeddings", "n_positions", "max_sequence_length")


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

    def as_dict(self) -> dict[str, Any]:
        """The same as data."""
        return asdict(self) | {"needed": self.needed, "fits": self.fits}


def context_of(stage: Stage, problems: Sequence[Problem]) -> Context:
    """The bound for a stage over these problems.

    A reference is at most references.max_tokens, else as long as the explorer's completions may be.
    """
    count = _counter(stage)
    longest = max(
        (sum(len(m.content) for m in stage.prompt.render(p.question)), p.question) for p in problems
    )
    messages = stage.prompt.render(longest[1])
    prompt = TEMPLATE_TOKENS + sum(count(m.content) for m in messages)
    return Context(
        prompt=prompt,
        references=_references(stage, count),
        completion=stage.sampling.max_tokens,
        room=_room(stage),
        is_counted=_file(stage, "tokenizer.json") is not None,
    )


def complaint(stage: Stage, context: Context) -> str | None:
    """What to change where the longest request may not fit; None where it fits or the room is unknown."""
    if context.fits is not False or context.room is None:
        return None
    over = context.needed - context.room
    name = {"explore": "explorer", "synthesize": "synthesizer"}.get(stage.name, stage.name)
    shown = f"references {context.references:,} + " if context.references else ""
    ways = [f"lower {name}.sampling.max_tokens to {max(1, context.completion - over):,}"]
    match stage.engine:
        case VllmEngine():
            ways.insert(
                0, f"raise {name}.engine.args.max_model_len to {context.needed:,} if the model allows it"
            )
        case OpenAIEngine(serve=serve) if serve:
            ways.insert(
                0,
                f"raise {name}.engine.serve.args.max_model_len to {context.needed:,} if the model allows it",
            )
        case _:
            pass
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


def _room(stage: Stage) -> int | None:
    args: dict[str, Any] = {}
    match stage.engine:
        case VllmEngine(args=given):
            args = dict(given)
        case OpenAIEngine(serve=serve) if serve:
            args = serve.options
        case OpenAIEngine():
            return None  # the endpoint's own setting, which may be less than the model's
        case _:
            pass
    if isinstance(given := args.get("max_model_len"), int) and given > 0:
        return given
    config = _file(stage, "config.json")
    found = json.loads(config.read_text(encoding="utf-8")) if config else {}
    return next((int(found[name]) for name in _ROOM if found.get(name)), None)


def _counter(stage: Stage) -> Callable[[str], int]:
    file = _file(stage, "tokenizer.json")
    if file is None:
        return lambda text: -(-len(text) // CHARACTERS_PER_TOKEN)
    tokenizer = Tokenizer.from_file(str(file))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def _file(stage: Stage, name: str) -> Path | None:
    """A file of the model's where it lies on this machine: a folder, a shipped model, the hub's cache."""
    match stage.engine:
        case OnnxEngine(path=path) | VllmEngine(path=path):
            place = path
        case OpenAIEngine(serve=serve):
            place = serve.model if serve else None
        case _:
            place = None
    folder = Path(place or MODELS / stage.model.id).expanduser()
    if (folder / name).is_file():
        return folder / name
    revision = (stage.model.revision or "").partition("+")[0] or None
    try:
        cached = try_to_load_from_cache(place or stage.model.id, name, revision=revision)
    except ValueError:  # no hub id
        return None
    return Path(cached) if isinstance(cached, str | os.PathLike) else None
