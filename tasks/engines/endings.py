"""Why a completion ended, in the words of every provider we know."""

import re
from functools import lru_cache
from typing import Literal

Ending = Literal["stop", "length", "tool", "filtered", "failed"]
"""`stop`: finished; `length`: cut off; `tool`: a tool was called; `filtered`: withheld; `failed`: no answer at all."""

_REASONS: dict[Ending, tuple[str, ...]] = {
    "stop": (
        "stop", "eos", "eos_token", "end_turn", "stop_sequence", "stop_token", "stop_str", "complete", "completed",
        "finished", "end", "done", "pause_turn", "normal",
    ),
    "length": (
        "length", "max_tokens", "max_output_tokens", "max_new_tokens", "max_completion_tokens", "model_length",
        "token_limit", "max_length", "context_length", "context_length_exceeded", "model_context_window_exceeded",
        "error_limit", "incomplete", "truncated",
    ),
    "tool": ("tool_calls", "tool_call", "function_call", "tool_use", "malformed_function_call"),
    "filtered": (
        "content_filter", "content_filtered", "safety", "recitation", "refusal", "blocklist", "prohibited_content", "spii",
        "guardrail_intervened", "sensitive", "language", "image_safety", "error_toxic",
    ),
    "failed": (
        "error", "insufficient_system_resource", "network_error", "abort", "aborted", "cancel", "cancelled", "canceled",
        "timeout", "user_cancel", "failed", "model_error", "internal_error", "repetition_detected",
        "server_error", "unexpected_tool_call", "other", "unknown", "unspecified", "null", "none",
    ),
}  # fmt: skip
_ALIKE: tuple[tuple[Ending, str], ...] = (
    (
        "failed",
        r"abort|cancel|interrupt|timed?_?out|fail|network|overload|unavailable|resource|preempt|disconnect|quota",
    ),
    ("filtered", r"filter|safety|moderat|flagged|policy|prohibit|block|refus|toxic|guardrail|sensitive"),
    ("length", r"length|limit|trunc|max_?|num_predict|maximum|context|exceed|too_long|budget|incomplete"),
    ("failed", r"error|exception|malformed|kill|crash"),
)
"""For words outside the table, the first that is found in one."""
_ENDINGS: dict[str, Ending] = {reason: ending for ending, reasons in _REASONS.items() for reason in reasons}


def finish_of(reason: str | None) -> Ending | None:
    """What a `finish_reason` or `stop_reason` means, in whatever case; None for absent and unknown ones."""
    if reason is None:
        return None
    word = reason.rpartition(".")[2].strip().lower().replace("-", "_").replace(" ", "_")
    return _ENDINGS.get(word.removeprefix("finish_reason_").removeprefix("stop_reason_"))


def ending_of(reason: object) -> Ending:
    """The same for a text that has to be judged: an unknown word by what it resembles; absent or no word, it finished."""
    return _judged(reason) if isinstance(reason, str) and reason else "stop"


@lru_cache(maxsize=256)  # there are few words for it
def _judged(reason: str) -> Ending:
    if known := finish_of(reason):
        return known
    word = reason.lower().replace("-", "_").replace(" ", "_")
    for ending, stems in _ALIKE:
        if re.search(stems, word):
            return ending
    return "stop"
