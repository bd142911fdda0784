"""How texts are sampled from a model."""

from pydantic import Field, JsonValue

from configs.schema import ConfigModel


class Sampling(ConfigModel):
    """How answers are sampled. All of it except `n` is part of a trace's identity; what is absent is left to the server."""

    n: int = Field(default=1, ge=1)
    """Samples per problem; raising it keeps the samples there are."""
    temperature: float = Field(default=1.0, ge=0)
    """0 takes the likeliest token each time; then more than one sample makes no sense."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Only the likeliest tokens that together have this probability."""
    top_k: int | None = Field(default=None, ge=1)
    """Only so many of the likeliest tokens."""
    min_p: float | None = Field(default=None, ge=0, le=1)
    """Only tokens at least this share as likely as the likeliest one."""
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    """Above 0 speaks against tokens that were used before."""
    repetition_penalty: float | None = Field(default=None, gt=0)
    """Above 1 speaks against repetition; not every endpoint knows it."""
    max_tokens: int = Field(default=2048, ge=1)
    """Longest completion in tokens, including the reasoning; a trace that reaches it is `truncated`."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer."""
    enable_thinking: bool | None = None
    """Passed to the chat template (of Qwen3 and similar models); an engine's dialect may say it in another way."""
    reasoning_effort: str | None = None
    """How long a reasoning model thinks: low, medium, high, or what else it knows; each dialect has its own place for it."""
    seed: int = Field(default=0, ge=0)
    """Base seed, from which each sample's own seed is derived, together with the problem and the sample index."""
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """Further request fields, sent as they are; they are part of a trace's identity."""
