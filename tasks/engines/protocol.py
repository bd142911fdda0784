"""The one protocol behind which every engine stands.

An engine knows nothing of problems, stores, Prefect or DuckDB: it is handed messages, sampling
settings and one seed a sample, and it delivers each sample the moment it has it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from configs.models import Sampling
from configs.schema import UserError


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


class Completion(NamedTuple):
    """One sample as the model gave it; reasoning and answer are already apart."""

    reasoning: str | None
    """What came before the answer (`reasoning_content`, or inside `<think>…</think>`); None: nothing."""
    answer: str
    finish_reason: str | None
    """`stop`, `length` (ran into max_tokens), or what else the server said; None: a recording does not say."""
    seed: int | None
    """The seed that was sent, which for the later samples of a grouped request is the group's; None: recorded."""
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


class Failure(NamedTuple):
    """A sample that could not be had. Never an answer."""

    code: str
    """`context_overflow`, `content_filter`, `rate_limited`, `server_error`, `timeout`, `connection`,
    `bad_reply`, `bad_request`, `not_recorded`, `unreachable`."""
    message: str
    is_transient: bool
    """Whether trying later may help; a refused prompt is refused again."""
    started_at: datetime
    num_tries: int


Deliver = Callable[[int, Completion | Failure], None]
"""Called once a sample with its place in `Request.seeds`; cheap, on the engine's event loop."""


class EngineError(UserError):
    """The engine as a whole cannot work: wrong key, unknown model, missing file. Stops the stage at once."""


class Engine(Protocol):
    """What turns requests into completions. Built cheaply; `start` loads and connects."""

    concurrency: int
    """Sequences the engine wants in flight; its gate keeps as many under way, and no more."""

    group: int
    """Samples of one prompt that are best asked for together; may change once the engine knows better."""

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

    async def close(self) -> None:
        """Let go of connections, memory and threads; safe to call twice."""
        ...
