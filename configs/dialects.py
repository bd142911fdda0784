"""What each provider's own form of the OpenAI protocol calls a setting, and which settings it does not take.

One frozen table. A setting that a dialect leaves out is not sent and not in the recipe: the traces are those of the
server's own value, whatever the experiment says. The sources of each row are named beside its recorded reply in
`tests/integration/test_dialects.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from configs.schema import JsonObject

Setting = Literal[
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "repetition_penalty",
    "stop",
    "enable_thinking",
    "reasoning_effort",
    "seed",
    "logprobs",
    "top_logprobs",
]
"""What can be left out of a request."""

DialectName = Literal[
    "openai",
    "openai-reasoning",
    "azure",
    "openrouter",
    "deepseek",
    "gemini",
    "anthropic",
    "vllm",
    "sglang",
    "llama.cpp",
    "ollama",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One provider's form. What is not said here is sent under its own name."""

    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names of settings that are called otherwise."""
    left_out: frozenset[Setting] = frozenset()
    """Settings that are refused, or ignored without a word."""
    thinking: Mapping[bool, JsonObject] | None = None
    """What says `enable_thinking`; None: the chat template's variable of that name."""
    effort: tuple[str, ...] = ("reasoning_effort",)
    """Where `reasoning_effort` stands: the keys that lead to it."""
    key_header: str = "Authorization"
    """Header of the API key; in Authorization it follows the word Bearer."""
    takes_many: bool | None = None
    """Whether several samples can be asked for at once (`n`); None: the first request shows it."""


_NOT_OPENAI: frozenset[Setting] = frozenset({"top_k", "min_p", "repetition_penalty", "enable_thinking"})
"""What the protocol does not have, and strict servers refuse."""


def _openai_without(*names: Setting) -> frozenset[Setting]:
    return _NOT_OPENAI.union(names)


AS_IT_IS = Dialect()
"""Without a name: every setting under its own name; what is refused is learnt."""

DIALECTS: Mapping[DialectName, Dialect] = {
    "openai": Dialect(renamed={"max_tokens": "max_completion_tokens"}, left_out=_NOT_OPENAI),
    "openai-reasoning": Dialect(
        renamed={"max_tokens": "max_completion_tokens"},
        left_out=_openai_without(
            "temperature", "top_p", "presence_penalty", "stop", "logprobs", "top_logprobs"
        ),
    ),
    "azure": Dialect(
        renamed={"max_tokens": "max_completion_tokens"}, left_out=_NOT_OPENAI, key_header="api-key"
    ),
    "openrouter": Dialect(
        thinking={
            True: {"reasoning": {"enabled": True}},
            False: {"reasoning": {"enabled": False}},
        },
        effort=("reasoning", "effort"),
        takes_many=False,
    ),
    "deepseek": Dialect(
        left_out=frozenset({"top_k", "min_p", "repetition_penalty", "seed"}),
        thinking={True: {"thinking": {"type": "enabled"}}, False: {"thinking": {"type": "disabled"}}},
        takes_many=False,
    ),
    "gemini": Dialect(
        left_out=frozenset({"top_k", "min_p", "repetition_penalty"}),
        thinking={
            True: {"extra_body": {"google": {"thinking_config": {"include_thoughts": True}}}},
            False: {"reasoning_effort": "none"},
        },
    ),
    "anthropic": Dialect(
        left_out=_openai_without("presence_penalty", "reasoning_effort", "seed", "logprobs", "top_logprobs"),
        takes_many=False,
    ),
    "vllm": Dialect(),
    "sglang": Dialect(),
    "llama.cpp": Dialect(
        renamed={"repetition_penalty": "repeat_penalty"}, effort=("chat_template_kwargs", "reasoning_effort")
    ),
    "ollama": Dialect(
        left_out=frozenset({"top_k", "min_p", "repetition_penalty"}),
        thinking={True: {}, False: {"reasoning_effort": "none"}},
        takes_many=False,
    ),
}
