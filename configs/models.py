"""The typed form of what answers: which weights, and how texts are drawn from them."""

from pydantic import Field, JsonValue

from configs.schema import ConfigModel


class Price(ConfigModel):
    """Price in dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class Model(ConfigModel):
    """Which weights answer. `id` and `revision` are identity; `params` and `price` only cost."""

    id: str
    """Hub id, endpoint model name, or the name of a model shipped with the package."""
    revision: str | None = None
    """Weights revision; where it is absent, weights and recordings that lie here are known by their bytes."""
    params: float | None = Field(default=None, gt=0)
    """Number of parameters, for the cost in FLOPs (2 x parameters x tokens)."""
    price: Price | None = None


class Sampling(ConfigModel):
    """How answers are drawn. All of it but `n` is identity; an absent setting is left to the server."""

    n: int = Field(default=1, ge=1)
    """Samples a problem; raising it keeps the samples there are."""
    temperature: float = Field(default=1.0, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    repetition_penalty: float | None = Field(default=None, gt=0)
    max_tokens: int = Field(default=2048, ge=1)
    """Longest completion in tokens, reasoning included; reaching it makes the trace `truncated`."""
    stop: tuple[str, ...] = ()
    enable_thinking: bool | None = None
    """Passed to the chat template (Qwen3 and kin)."""
    seed: int = Field(default=0, ge=0)
    """Base seed; each sample's own seed is derived from it, the problem and the sample index."""
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """Further request fields, sent as they are and part of the identity."""
