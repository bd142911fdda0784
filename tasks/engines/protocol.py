"""The one protocol behind which every engine stands, and the one value that says what a kind of engine is.

An engine knows nothing of problems, stores, Prefect or DuckDB: it is handed messages, sampling
settings and one seed a sample, and it delivers each sample the moment it has it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

from configs.models import Model
from configs.sampling import Sampling
from configs.schema import ConfigModel, UserError
from warehouse.failures import FailureCode
from warehouse.servers import ServerStats

S = TypeVar("S", bound=ConfigModel)

EVERY_GPU = "gpu *"
"""What an engine claims that takes all of the machine's accelerators."""


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


class Request(NamedTuple):
    """Samples wanted of one prompt: `len(seeds)` of them, each with its own seed."""

    messages: tuple[Message, ...]
    sampling: Sampling
    seeds: tuple[int, ...]
    question: str
    """The bare problem text, by which `replay` finds its recording; no other engine reads it."""
    sample_indexes: tuple[int, ...]
    """The samples' indexes, by which `replay` picks a recorded output; no other engine reads them."""
    trace_ids: tuple[str, ...] = ()
    """The samples' identities, by which a batch interface's lines are found again; no other engine reads them."""


class Completion(NamedTuple):
    """One sample as the model gave it; reasoning and answer are already apart."""

    reasoning: str | None
    """What came before the answer (`reasoning_content`, or inside `<think>…</think>`); None: nothing."""
    answer: str
    finish_reason: str | None
    """`stop`, `length` (ran into max_tokens), or what else the server said; None: a recording does not say."""
    seed: int | None
    """The seed that was sent, which for the later samples of a grouped request is the group's; None: recorded, or
    the server takes none."""
    choice_index: int
    """Place among the choices of its request; 0 where each sample was its own request."""
    num_prompt_tokens: int | None
    """Length of the prompt; None where the server did not say."""
    num_billed_prompt_tokens: int | None
    """The same, but 0 for the samples that shared another one's prompt in a grouped request."""
    num_completion_tokens: int | None
    """Reasoning and answer. A grouped request's total is shared out by text length, sums kept."""
    started_at: datetime
    """When the (last try of the) request was sent, UTC."""
    latency_seconds: float | None
    """From sending to the end of the reply; queueing before and earlier tries not counted."""
    num_tries: int
    mean_logprob: float | None = None
    """Mean natural log-probability of the completion's tokens; None where the engine gave none."""
    score: float | None = None
    """A score from outside, such as a reward model's, higher is better; None without."""
    num_cached_prompt_tokens: int | None = None
    """Of the billed prompt tokens, those that a provider had in its cache; None where it does not say."""
    num_reasoning_tokens: int | None = None
    """Of the completion tokens, those that a provider counts as reasoning; shared out like them."""
    billed_dollars: float | None = None
    """What the provider says it costs; a grouped request's is shared out by text length. None where it does not say."""
    service_tier: str | None = None
    """`batch` where it came through a batch interface, at that one's price; None for an ordinary request."""
    group_confidence: float | None = None
    """Bottom-10 % group confidence (`tasks/engines/confidence.py`), higher is surer; None where the likeliest tokens were
    not asked for or not given."""


class Failure(NamedTuple):
    """A sample that failed. Never an answer."""

    code: FailureCode
    message: str
    started_at: datetime
    num_tries: int

    @property
    def is_transient(self) -> bool:
        """Whether trying later may help; a refused prompt is refused again."""
        return not self.code.is_permanent


Deliver = Callable[[int, Completion | Failure], None]
"""Called once a sample with its place in `Request.seeds`; cheap, on the engine's event loop."""


class EngineError(UserError):
    """The engine as a whole cannot work: wrong key, unknown model, missing file. Stops the stage at once."""


class EngineAbsent(EngineError):
    """The engine's program is not installed here. Nothing is known to be wrong with its settings."""


class StillUnderWay(EngineError):
    """What was asked for is being made elsewhere, and a later run collects it."""

    def __init__(self, message: str, again_seconds: float | None) -> None:
        super().__init__(message)
        self.again_seconds = again_seconds
        """When to look again; None: whenever somebody runs it."""


class Engine(Protocol):
    """What turns requests into completions. Built cheaply; `start` loads and connects."""

    @property
    def concurrency(self) -> int:
        """Sequences the engine wants in flight; its admission keeps as many under way. May change as it works."""
        ...

    @property
    def group(self) -> int:
        """Samples of one prompt that are best asked for together; may change once the engine knows better."""
        ...

    async def start(self) -> None:
        """Load or connect, and check what can be checked before the first request. Raises EngineError."""
        ...

    async def complete(self, request: Request, deliver: Deliver) -> None:
        """Deliver every sample of `request` exactly once, as a Completion or a Failure.

        Called concurrently, for up to `concurrency` samples together.
        Raises EngineError only where no later request could succeed either. A cancelled call
        delivers nothing more.
        """
        ...

    async def close(self) -> Sequence[ServerStats]:
        """Let go of connections, memory and threads; safe to call twice.

        Returns what its servers told of themselves since the last call; an engine without servers returns ().
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineKind(Generic[S]):
    """Everything that the pipeline asks of one kind of engine, before there is an engine.

    No field has a default, so that nothing is decided by leaving it out; the functions below the class answer "none".
    All are cheap and start nothing. Those that are given the model may raise EngineError for settings that cannot
    work.
    """

    settings: type[S]
    """The configuration class of `engine:`; a kind from outside leaves `kind` and `import_from` out of it."""
    build: Callable[[Model, S], Engine]
    """The engine, not yet started."""
    check: Callable[[Model, S], None]
    """Raise EngineError for what is known to be wrong before anything is loaded, EngineAbsent for what is not here."""
    starts_quickly: Callable[[S], bool]
    """Whether `a2r check` starts it to see that it answers; else it is only checked."""
    identify: Callable[[Model, S], str | None]
    """The revision by which the weights are known: what the experiment says of them (`model.revision`) or, where
    that is None and they lie here, their bytes. It is identity, and nothing else of an engine is."""
    weights: Callable[[Model, S], str]
    """The folder or hub id of the model's files, whose tokenizer counts prompts for `a2r check`."""
    context: Callable[[Model, S], int | None]
    """Tokens of the longest prompt and completion together; None where nothing here says it."""
    context_setting: Callable[[S], str | None]
    """The setting below `engine` that makes the context longer; None where there is none."""
    largest_shard: Callable[[S], int]
    """Traces at most of a shard: bounds its memory, and the work that is repeated where a shard is tried again."""
    claims: Callable[[S], frozenset[str]]
    """What of this machine it takes for itself: `gpu 0`, EVERY_GPU, `port 8001`."""
    process: Callable[[S], object]
    """Equal for two engines of one model that are one process, and so need not take turns on what they claim."""


def accepts_all(model: Model, settings: ConfigModel) -> None:
    """A `check`: nothing is known to be wrong beforehand."""


def always_quick(settings: ConfigModel) -> bool:  # noqa: ARG001
    """A `starts_quickly`: it may be started to see that it answers."""
    return True


def as_given(model: Model, settings: ConfigModel) -> str | None:  # noqa: ARG001
    """An `identify`: the weights are known by what the experiment says of them."""
    return model.revision


def unknown_context(model: Model, settings: ConfigModel) -> int | None:  # noqa: ARG001
    """A `context`: nothing here says how long a request may be."""
    return None


def no_context_setting(settings: ConfigModel) -> str | None:  # noqa: ARG001
    """A `context_setting`: it cannot be made longer."""
    return None


def claims_nothing(settings: ConfigModel) -> frozenset[str]:  # noqa: ARG001
    """A `claims`: any number of such engines may work beside each other."""
    return frozenset()


def by_settings(settings: ConfigModel) -> object:
    """A `process`: equal settings are one process."""
    return settings
