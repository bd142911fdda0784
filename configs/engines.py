"""The typed form of an engine: what decides how fast and from where completions come, never what they can be."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import ConfigDict, Discriminator, Field, JsonValue, Tag, field_validator, model_validator

from configs.dialects import DIALECTS, DialectName, Setting
from configs.placement import Placed
from configs.schema import ConfigModel


class OnnxSettings(Placed):
    """The embedded engine: a small model on this machine's CPU."""

    kind: Literal["onnx"]
    path: str | None = None
    """Folder with model.onnx, config.json and tokenizer.json; absent: the shipped model named `model.id`."""
    batch_size: int = Field(default=64, ge=1, le=1024)
    """Samples that are computed together."""
    threads: int = Field(default=1, ge=1)
    """Threads of one model; 1 is the fastest per core."""
    logprobs: bool = False
    """Keep each trace's mean log-probability."""
    top_logprobs: int | None = Field(default=None, ge=1, le=20)
    """Keep each trace's group confidence (DeepConf, arXiv 2508.15260), by this many of the likeliest tokens at each place; the
    paper takes 20. Absent: not kept."""
    think_marks: dict[str, str] | None = None
    """Opening and closing mark of the reasoning in the text; absent: those of all known families; {}: there is none."""


class Serve(ConfigModel):
    """A server that the run starts on this machine's loopback, drives, and stops: `vllm serve`."""

    port: int = Field(ge=1, le=65535)
    """Where on loopback it listens."""
    gpus: tuple[int | str, ...] | None = None
    """What it sees as CUDA_VISIBLE_DEVICES; [] for a CPU. Absent: all GPUs, so that nothing else runs beside it."""
    model: str | None = None
    """Folder or hub id of the weights; absent: the role's `model.id`, which is the served name in any case."""
    command: tuple[str, ...] = Field(default=("vllm", "serve"), min_length=1)
    """How it is started. vLLM may live in an environment of its own: [/opt/vllm/bin/vllm, serve]."""
    args: dict[str, JsonValue] = Field(default_factory=dict)
    """The server's own options, with or without dashes: {max_model_len: 32768, enforce_eager: true}."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables for the server alone; it inherits all others."""
    start_seconds: float = Field(default=1800.0, gt=0)
    """How long it may take until it answers; the first start also downloads the weights."""
    restarts: int = Field(default=1, ge=0)
    """How often it is started again when it dies in the middle of a run."""
    linger_seconds: float = Field(default=0.0, ge=0)
    """How long it stays for a next run that wants the same server, before it stops by itself."""

    @field_validator("args")
    @classmethod
    def leaves_place_to_us(cls, args: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """What this form says elsewhere is not said twice, and a key is never written down."""
        for name in args:
            plain = name.strip("-").replace("-", "_")
            if plain == "api_key":
                raise ValueError(
                    "holds api_key; name the variable with the key in engine.api_key_env instead."
                )
            if plain in _SAID_ELSEWHERE:
                raise ValueError(f"holds {name}; leave it out: {_SAID_ELSEWHERE[plain]} says it.")
        return args

    @field_validator("environment")
    @classmethod
    def holds_no_secret(cls, environment: dict[str, str]) -> dict[str, str]:
        """The configuration is stored with every run; a token is inherited from the run's environment."""
        for name in environment:
            if {"KEY", "TOKEN", "SECRET", "PASSWORD"} & set(name.upper().split("_")):
                raise ValueError(
                    f"holds {name}, which looks like a secret; export it before the run: the server inherits it."
                )
            if name == "CUDA_VISIBLE_DEVICES":
                raise ValueError("holds CUDA_VISIBLE_DEVICES; give the GPUs in engine.serve.gpus.")
        return environment

    @property
    def options(self) -> dict[str, JsonValue]:
        """`args` with their names as in Python: max_model_len for --max-model-len."""
        return {name.strip("-").replace("-", "_"): value for name, value in self.args.items()}


_SAID_ELSEWHERE = {
    "host": "it is 127.0.0.1, and nothing else",
    "port": "engine.serve.port",
    "model": "engine.serve.model",
    "served_model_name": "model.id",
    "revision": "model.revision",
}


class OpenAISettings(Placed):
    """Any OpenAI-compatible endpoint: one that runs (`base_url`), or one that the run starts (`serve`)."""

    kind: Literal["openai"]
    base_url: str | tuple[str, ...] = ()
    """Up to and with the version: http://localhost:8000/v1; several are replicas that serve the same model."""
    serve: Serve | None = None
    """In place of base_url: a server on this machine, started and stopped by the run."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; the key itself is stored nowhere."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Further headers of each request; a value `$NAME` is that environment variable's."""
    dialect: DialectName | None = None
    """Whose form of the protocol is spoken: what settings are called, which are left out (and so not in the recipe)."""
    leave_out: tuple[Setting, ...] = ()
    """Further settings that are not sent; the recipe is without them."""
    list_models: bool = True
    """Whether the endpoint's list of models is asked for `model.id` before anything is sent."""
    concurrency: Literal["auto"] | Annotated[int, Field(ge=1, le=65536)] = "auto"
    """Sequences in flight at one replica (a request for n samples counts n), kept full across shards. `auto`: as many as
    bring more tokens per second, fewer where the server turns requests away or has a queue."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Most requests per minute to one replica; absent: what its headers and refusals say."""
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """Most tokens per minute from one replica, prompts and completions together."""
    stream: Literal["auto"] | bool = "auto"
    """Whether replies come piece by piece; `auto`: where sampling.max_tokens is 4096 or more, and after a timeout."""
    timeout_seconds: float = Field(default=600.0, gt=0)
    """Longest wait for one reply that is not streamed. A streamed one may take any time while it goes on."""
    first_token_seconds: float | None = Field(default=None, gt=0)
    """Longest wait for a streamed reply's first text, queueing included; absent: 1800, or timeout_seconds if that is more."""
    idle_seconds: float = Field(default=300.0, gt=0)
    """Longest silence of a streamed reply that has begun; comments that keep a connection open do not count as text."""
    retries: int = Field(default=6, ge=0)
    """How often one request is tried again on 5xx, resets and broken replies (429s are not counted); a reply that
    was paid for and is no answer twice at most, one that came too late once."""
    patience_seconds: float = Field(default=120.0, ge=0)
    """How long an endpoint that refuses every connection, or answers every request with 429, is waited for."""
    samples_per_request: Literal["auto"] | int = "auto"
    """`auto` asks for all samples of a problem at once where the server honours `n`, else one by one."""
    logprobs: bool = False
    """Whether the server is asked for the tokens' log-probabilities, whose mean is stored; longer replies."""
    top_logprobs: int | None = Field(default=None, ge=1, le=20)
    """Ask for this many of the likeliest tokens at each place too, and keep each trace's group confidence (DeepConf, arXiv
    2508.15260, which takes 20); much longer replies. Absent: not asked for."""
    batch: bool = False
    """Whether a stage's requests go out together through the provider's batch interface: half the price, within a day."""
    batch_wait_seconds: float | None = Field(default=None, ge=0)
    """How long a run waits for its batches; then it ends, and a later one collects them. Absent: until they have ended."""
    batch_again_seconds: float | None = Field(default=None, gt=0)
    """After how long a run of `a2r up` that ended so is started again by itself, the same flow run; without a process
    until then. Absent: it stays incomplete until Retry, or until the next night collects the batches."""
    think_marks: dict[str, str] | None = None
    """Opening and closing mark of the reasoning in the text; absent: those of all known families; {}: there is none."""
    batch_poll_seconds: float = Field(default=30.0, gt=0)
    """Between two looks at a batch."""

    @field_validator("base_url", mode="before")
    @classmethod
    def absent_is_none(cls, given: object) -> object:
        """An absent address may be written as null."""
        return () if given is None else given

    @field_validator("base_url")
    @classmethod
    def addresses_without_secrets(cls, given: str | tuple[str, ...]) -> str | tuple[str, ...]:
        """http(s) addresses without a password in them: the configuration is stored with every run."""
        urls = (given,) if isinstance(given, str) else given
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise ValueError(f"is {url!r}; give http://host:port/v1 or https://….")
            if parts.username or parts.password or any(map(_is_key, parse_qs(parts.query))):
                raise ValueError(
                    "holds credentials; leave them out and name the environment variable with the key in api_key_env."
                )
        if len({url.rstrip("/") for url in urls}) < len(urls):
            raise ValueError("names one address twice; each replica is named once.")
        return given

    @field_validator("headers")
    @classmethod
    def holds_no_secret(cls, headers: dict[str, str]) -> dict[str, str]:
        """The configuration is stored with every run; what looks like a secret is named by its variable."""
        for name, value in headers.items():
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not value.isprintable():
                raise ValueError(f"holds {name!r}, which cannot be a header.")
            if _is_key(name) and not value.startswith("$"):
                raise ValueError(
                    f"holds {name}, which looks like a secret; export it and write the variable's name: "
                    f"{{{name}: $MY_VARIABLE}}."
                )
        return headers

    @model_validator(mode="after")
    def has_one_address(self) -> "OpenAISettings":
        """Either it runs, or we run it."""
        if not self.base_url and self.serve is None:
            raise ValueError(
                "has neither base_url nor serve; name the endpoint in base_url (http://localhost:8000/v1), or let the "
                "run start one with serve: {port: 8001}."
            )
        if self.base_url and self.serve is not None:
            raise ValueError("has base_url and serve; leave one of them out: serve says its own address.")
        if self.on == "ray" and self.serve is None:
            raise ValueError(
                "has on: ray without serve; an endpoint runs where it runs: list its replicas in base_url, or let each "
                "actor start a server with serve: {port: 8001}."
            )
        if (self.batch and len(self.urls) != 1) or (self.batch and self.serve is not None):
            raise ValueError(
                "has batch: true; name the one endpoint that takes batches in base_url, without serve."
            )
        if self.batch_again_seconds is not None and (not self.batch or self.batch_wait_seconds is None):
            raise ValueError(
                "has batch_again_seconds, which says when a run is started again that has not waited for its batches; it "
                "needs batch: true and batch_wait_seconds (0: hand in and collect only)."
            )
        return self

    @property
    def urls(self) -> tuple[str, ...]:
        """The replicas' addresses, without a slash at their ends."""
        if self.serve:
            return (f"http://127.0.0.1:{self.serve.port}/v1",)
        given = (self.base_url,) if isinstance(self.base_url, str) else self.base_url
        return tuple(url.rstrip("/") for url in given)

    @property
    def longest_wait_for_text(self) -> float:
        """Seconds until a streamed reply's first text at most."""
        return self.first_token_seconds or max(1800.0, self.timeout_seconds)

    @cached_property
    def left_out(self) -> frozenset[str]:
        """Settings that are not sent, by the dialect or by `leave_out`."""
        return frozenset(self.leave_out) | (
            DIALECTS[self.dialect].left_out if self.dialect else frozenset[str]()
        )


def _is_key(name: str) -> bool:
    """Whether a header or a parameter of an address is one that carries a secret."""
    word = name.lower().replace("_", "-")
    return bool(
        re.search(r"auth|(?<!max-)token|secret|password|cookie|\bsig(nature)?\b|(^|-|api|access)key$", word)
    )


class VllmSettings(Placed):
    """vLLM inside this process's run, without a server; needs the extra `vllm`."""

    kind: Literal["vllm"]
    path: str | None = None
    """Folder with a Hugging Face checkpoint; absent: `model.id`, a shipped model or one of the hub."""
    args: dict[str, JsonValue] = Field(default_factory=dict)
    """vLLM's own settings (`EngineArgs`), such as tensor_parallel_size, data_parallel_size, dtype, max_model_len,
    max_num_seqs, gpu_memory_utilization, quantization, enable_prefix_caching."""
    concurrency: int | None = Field(default=None, ge=1, le=65536)
    """Sequences handed to vLLM at once; absent: an eighth more than max_num_seqs, so that none of its places is empty."""
    logprobs: bool = False
    """Keep each trace's mean log-probability."""
    top_logprobs: int | None = Field(default=None, ge=1, le=20)
    """Keep each trace's group confidence (DeepConf, arXiv 2508.15260), by this many of the likeliest tokens at each place; the
    paper takes 20. Absent: not kept."""
    think_marks: dict[str, str] | None = None
    """Opening and closing mark of the reasoning in the text; absent: those of all known families; {}: there is none."""

    @field_validator("args")
    @classmethod
    def leaves_place_to_us(cls, args: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """What the experiment says elsewhere is not said twice, and a secret is never written down."""
        for name, place in _SAID_BY_THE_ROLE.items():
            if name in args:
                raise ValueError(f"holds {name}; leave it out: {place}.")
        return args


_SAID_BY_THE_ROLE = {
    "model": "model.id or engine.path says it",
    "revision": "model.revision says it",
    "tokenizer_revision": "model.revision says it",
    "hf_token": "vLLM reads the environment variable HF_TOKEN by itself",
    "disable_log_stats": "the run keeps its own counts",
}


class ReplaySettings(Placed):
    """Recorded outputs in place of a model: .jsonl or .parquet rows matched to problems by question.

    What a column says of an output is one value, or a list with one for each of the row's outputs.
    """

    kind: Literal["replay"]
    path: str
    """The recording, relative to the file that names it."""
    question: str = "question"
    """Column with the problem text."""
    outputs: str = "outputs"
    """Column with one output or a list of them; null: there is none."""
    scores: str | None = None
    """Column with one number an output, such as a reward model's score."""
    reasoning: str | None = None
    """Column with the reasoning, where it is not inside the output."""
    finish_reason: str | None = None
    """Column with why the model stopped; `length`, or what else a provider calls its limit, makes the trace truncated."""
    num_prompt_tokens: str | None = None
    """Column with the prompt's length in tokens."""
    num_completion_tokens: str | None = None
    """Column with the output's length in tokens, reasoning included."""
    started_at: str | None = None
    """Column with the time of the request."""
    latency_seconds: str | None = None
    """Column with the seconds the reply took."""
    error: str | None = None
    """Column that says why there is no output."""
    think_marks: dict[str, str] | None = None
    """Opening and closing mark of the reasoning in the text; absent: those of all known families; {}: there is none."""

    @model_validator(mode="after")
    def is_read_here(self) -> "ReplaySettings":
        """A recording is a file of this machine, and reading it takes no time."""
        if self.on == "ray":
            raise ValueError("has on: ray; a recording is read by the run itself: leave on out.")
        return self


class CustomSettings(Placed):
    """An engine of one's own: `kind` names an `EngineKind` of a module, which says what all other settings are."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride] - pydantic's way

    kind: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """`module:NAME`."""
    import_from: str | None = None
    """Folder to import the module from; absent: the experiment file's folder."""

    @property
    def options(self) -> dict[str, JsonValue]:
        """The settings that belong to the kind itself."""
        return dict(self.__pydantic_extra__)


CUSTOM = "module:NAME"
"""What stands for an engine of one's own where the kinds are listed."""


def is_custom(kind: object) -> bool:
    """Whether an engine's kind is one of one's own."""
    return isinstance(kind, str) and ":" in kind


def _tag(engine: object) -> object:
    kind = engine.get("kind") if isinstance(engine, Mapping) else getattr(engine, "kind", None)
    return CUSTOM if is_custom(kind) else kind


KINDS: Mapping[str, str] = {
    "onnx": "tasks.engines.onnx.kind:ONNX",
    "openai": "tasks.engines.openai.kind:OPENAI",
    "vllm": "tasks.engines.vllm.kind:VLLM",
    "replay": "tasks.engines.replay.kind:REPLAY",
}
"""Where the `EngineKind` of each kind is; imported when an experiment names it, as one of one's own is."""


def left_out(engine: "EngineSettings") -> frozenset[str]:
    """Settings of sampling that an engine does not send: they change nothing there, so no recipe holds them."""
    return engine.left_out if isinstance(engine, OpenAISettings) else frozenset()


def goes_out_together(engine: "EngineSettings") -> bool:
    """Whether a stage's requests are best asked for all at once, and so in as few shards as can be."""
    return isinstance(engine, OpenAISettings) and engine.batch


def is_billed_elsewhere(engine: object) -> bool:
    """Whether somebody else's endpoint answers that does not say what it bills, so that only a price tells dollars."""
    return isinstance(engine, OpenAISettings) and engine.serve is None and engine.dialect != "openrouter"


EngineSettings = Annotated[
    Annotated[OnnxSettings, Tag("onnx")]
    | Annotated[OpenAISettings, Tag("openai")]
    | Annotated[VllmSettings, Tag("vllm")]
    | Annotated[ReplaySettings, Tag("replay")]
    | Annotated[CustomSettings, Tag(CUSTOM)],
    Discriminator(_tag),
]
