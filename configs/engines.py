"""The typed form of an engine: what decides how fast and from where completions come, never what they can be."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from configs.form import Form


class OnnxEngine(Form):
    """The embedded engine: a small model on this machine's CPU."""

    kind: Literal["onnx"]
    path: str | None = None
    """Folder with model.onnx, config.json and tokenizer.json; absent: the shipped model named `model.id`."""
    batch_size: int = Field(default=64, ge=1, le=1024)
    threads: int = Field(default=1, ge=1)


class OpenAIEngine(Form):
    """Any OpenAI-compatible endpoint."""

    kind: Literal["openai"]
    base_url: str
    """Up to and with the version: http://localhost:8000/v1"""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; the key itself is stored nowhere."""
    concurrency: int = Field(default=64, ge=1, le=65536)
    """Sequences in flight (a request for n samples counts n), kept full across shards."""
    timeout_seconds: float = Field(default=600.0, gt=0)
    """Longest wait for one reply."""
    retries: int = Field(default=6, ge=0)
    """How often one request is tried again on 429, 5xx, timeouts, resets and broken replies."""
    patience_seconds: float = Field(default=120.0, ge=0)
    """How long an endpoint that refuses every connection is waited for before the run gives up on it."""
    samples_per_request: Literal["auto"] | int = "auto"
    """`auto` asks for all samples of a problem at once where the server honours `n`, else one by one."""
    logprobs: bool = False
    """Whether the server is asked for the tokens' log-probabilities, whose mean is stored; longer replies."""

    @field_validator("base_url")
    @classmethod
    def address_without_secrets(cls, url: str) -> str:
        """An http(s) address without a password in it: the configuration is stored with every run."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"is {url!r}; give http://host:port/v1 or https://….")
        if parts.username or parts.password or parts.query:
            raise ValueError(
                "holds credentials or a query; leave them out and name the environment variable with the "
                "key in api_key_env."
            )
        return url


class ReplayEngine(Form):
    """Recorded outputs in place of a model: .jsonl or .parquet rows matched to problems by question."""

    kind: Literal["replay"]
    path: str
    question: str = "question"
    """Column with the problem text."""
    outputs: str = "outputs"
    """Column with one output or a list of them."""
    scores: str | None = None
    """Column with one number an output, such as a reward model's score."""


Engine = Annotated[OnnxEngine | OpenAIEngine | ReplayEngine, Field(discriminator="kind")]
