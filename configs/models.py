"""What answers: which weights, and what their tokens cost."""

from pydantic import Field

from configs.schema import ConfigModel


class Price(ConfigModel):
    """Price in dollars per million tokens."""

    input: float = Field(ge=0)
    """Of what is read: prompts."""
    output: float = Field(ge=0)
    """Of what is written: reasoning and answer."""
    cached_input: float | None = Field(default=None, ge=0)
    """Of the part of prompts that the provider says it had in its cache; absent: as `input`."""
    reasoning: float | None = Field(default=None, ge=0)
    """Of the part of what is written that the provider counts as reasoning; absent: as `output`."""
    batch: float = Field(default=0.5, ge=0, le=1)
    """What a batch interface takes of these prices, as a share of them."""


class Model(ConfigModel):
    """Which weights answer. `id` and `revision` are part of a trace's identity; `params` and `price` only of its cost."""

    id: str
    """Hub id, the name of a model at its endpoint, or the name of a model that ships with the package."""
    revision: str | None = None
    """Revision of the weights; without one, weights and recordings on this machine are identified by their bytes."""
    params: float | None = Field(default=None, gt=0)
    """Number of parameters, for the cost in FLOPs (2 × parameters × tokens)."""
    price: Price | None = None
    """What its tokens cost; without one, dollars are not known."""
