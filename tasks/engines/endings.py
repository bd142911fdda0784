"""How a completion ended, whatever the server calls it: the one table of finish reasons."""

import re
from enum import Enum


class Ending(Enum):
    """What a finish reason says of the text before it."""

    COMPLETE = "complete"
    """The model ended it."""
    TRUNCATED = "truncated"
    """A limit of tokens or of the context ended it."""
    WITHHELD = "withheld"
    """A filter took it away: this prompt is refused."""
    BROKEN = "broken"
    """The server did not finish it: no answer, and another try may be one."""


_WORDS = {
    Ending.COMPLETE: "stop eos eos_token end end_turn stop_sequence complete completed finished done success "
    "tool_calls tool_call tool_use function_call",
    Ending.TRUNCATED: "length max_tokens model_length max_length max_output_tokens max_new_tokens "
    "max_completion_tokens token_limit context_length model_context_window_exceeded incomplete truncated "
    "error_limit",
    Ending.WITHHELD: "content_filter content_filtered safety recitation blocklist prohibited_content spii refusal "
    "sensitive error_toxic guardrail_intervened image_safety language",
    Ending.BROKEN: "abort aborted error cancel cancelled canceled user_cancel insufficient_system_resource "
    "network_error timeout internal_error server_error malformed_function_call unexpected_tool_call other "
    "unknown unspecified finish_reason_unspecified null none",
}
"""vLLM, SGLang, llama.cpp, TGI, OpenAI, Mistral, DeepSeek, Cohere, Gemini, Anthropic, Zhipu, OpenRouter, as their
references name them."""

_KNOWN = {word: ending for ending, words in _WORDS.items() for word in words.split()}

_ALIKE = (
    (
        Ending.BROKEN,
        r"abort|cancel|interrupt|timed?_?out|fail|network|overload|unavailable|resource|preempt|disconnect",
    ),
    (Ending.WITHHELD, r"filter|safety|moderat|flagged|policy|prohibit|block|refus|toxic|guardrail|sensitive"),
    (Ending.TRUNCATED, r"length|limit|trunc|max_|maximum|context|exceed|too_long|budget|incomplete"),
    (Ending.BROKEN, r"error|exception|malformed|kill|crash"),
)
"""For words outside the table, the first that is found in one."""


def ending_of(finish_reason: object) -> Ending:
    """The ending that a finish reason names; one that is absent, no word, or means nothing here ended of itself."""
    if not isinstance(finish_reason, str) or not finish_reason:
        return Ending.COMPLETE
    if known := _KNOWN.get(finish_reason):
        return known
    word = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", finish_reason).lower()).strip("_")
    if known := _KNOWN.get(word) or _KNOWN.get(word.removeprefix("finish_reason_")):
        return known
    return next((ending for ending, stems in _ALIKE if re.search(stems, word)), Ending.COMPLETE)
