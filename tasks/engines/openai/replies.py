"""What an OpenAI-compatible endpoint answers, as completions and failures."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tasks.engines.protocol import Completion, Failure
from tasks.engines.reasoning import split_reasoning
from warehouse.failures import FailureCode

_CONTEXT = re.compile(
    r"context.?(length|window|size)|maximum context|max_model_len|too (long|many tokens)|exceed\w* .{0,40}(context|tokens)",
    re.IGNORECASE,
)
_ONE_CHOICE = re.compile(
    r"(?<![\w.])[`'\"]?n[`'\"]?(?![\w]).{0,80}(1|one|not? |unsupported|support)|only one completion choice",
    re.IGNORECASE,
)


_BROKEN_OFF = frozenset({"abort", "error"})
"""Finish reasons of vLLM and SGLang for a text that they did not finish: it is no answer."""


class Sent(NamedTuple):
    """How and when the request that was answered went out."""

    seed: int
    started_at: datetime
    latency_seconds: float
    num_tries: int


def outcomes_of(reply: Mapping[str, Any], sent: Sent) -> list[Completion | Failure]:
    """One outcome a choice, in order. Raises KeyError, TypeError or ValueError for a reply of another form."""
    choices = sorted(reply["choices"], key=lambda choice: choice.get("index", 0))
    usage = reply.get("usage") or {}
    prompt_tokens = usage.get("prompt_tokens")
    if broken := next((r for c in choices if (r := c.get("finish_reason")) in _BROKEN_OFF), None):
        raise ValueError(f"the server broke the completion off: finish_reason {broken}")
    texts = [_texts(choice["message"]) for choice in choices]
    shares = _shared_out(usage.get("completion_tokens"), [len(r or "") + len(a) for r, a in texts])
    outcomes: list[Completion | Failure] = []
    for place, (choice, (reasoning, answer)) in enumerate(zip(choices, texts, strict=True)):
        reason = choice.get("finish_reason") or "stop"
        if reason == "content_filter":
            message = "the endpoint withheld the completion (finish_reason content_filter)"
            outcomes.append(Failure(FailureCode.CONTENT_FILTER, message, sent.started_at, sent.num_tries))
            continue
        outcomes.append(
            Completion(
                reasoning=reasoning,
                answer=answer,
                finish_reason=reason,
                seed=sent.seed,
                choice_index=place,
                num_prompt_tokens=prompt_tokens,
                num_billed_prompt_tokens=prompt_tokens if place == 0 or prompt_tokens is None else 0,
                num_completion_tokens=shares[place],
                started_at=sent.started_at,
                latency_seconds=sent.latency_seconds,
                num_tries=sent.num_tries,
                mean_logprob=_mean_logprob(choice.get("logprobs")),
            )
        )
    return outcomes


def error_message(status: int, body: bytes, reply: object) -> str:
    """The endpoint's own words about an error, at most 500 characters."""
    match reply:
        case {"error": {"message": str(message)}} | {"error": str(message)} | {"message": str(message)}:
            text = message
        case {"detail": detail}:
            text = str(detail)
        case _:
            text = body[:500].decode(errors="replace")
    return f"HTTP {status}: {' '.join(text.split())[:500]}"


def error_status(reply: object) -> int:
    """The status inside a reply that came as 200 but is an error (gateways, older llama.cpp); else 200."""
    match reply:
        case {"choices": _}:
            return 200
        case {"error": {"code": int(code)}} if code >= 400:  # noqa: PLR2004
            return code
        case {"error": error} if error:
            return 502
    return 200


def is_final(reply: object) -> bool:
    """Whether an error is a refusal whatever its status: llama.cpp sends some of its refusals as 500."""
    match reply:
        case {"error": {"type": "exceed_context_size_error"}}:
            return True
        case {"error": {"message": str(message)}}:
            return "only one completion choice" in message.lower()
    return False


def models_served(reply: object) -> list[str]:
    """Names under which an endpoint takes requests; empty where any will do or it does not say."""
    match reply:
        case {"data": list(models)} if not any(m.get("owned_by") == "llamacpp" for m in models):
            return [str(m.get("id")) for m in models]
    return []  # llama.cpp serves its one model under any name


def refusal_code(message: str) -> FailureCode:
    """Why a request was refused for good."""
    return FailureCode.CONTEXT_OVERFLOW if _CONTEXT.search(message) else FailureCode.BAD_REQUEST


def refuses_many_choices(message: str) -> bool:
    """Whether a refusal is about `n`."""
    return bool(_ONE_CHOICE.search(message))


def _texts(message: Mapping[str, Any]) -> tuple[str | None, str]:
    """Reasoning and answer: from fields of their own (vLLM, SGLang, DeepSeek), else from think tags."""
    content = message.get("content") or ""
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if reasoning:
        return str(reasoning).strip(), content.strip()
    return split_reasoning(content)


def _mean_logprob(logprobs: Mapping[str, Any] | None) -> float | None:
    """Mean over the tokens of a choice (`logprobs.content`); None where the server gave none."""
    tokens = (logprobs or {}).get("content") or ()
    values = [float(token["logprob"]) for token in tokens]
    return sum(values) / len(values) if values else None


def _shared_out(total: int | None, lengths: Sequence[int]) -> list[int | None]:
    """A request's token count among its choices by text length; the shares add up to the total."""
    if total is None:
        return [None] * len(lengths)
    if len(lengths) == 1:
        return [total]
    whole, given, shares = sum(lengths) or 1, 0, []
    reached = 0
    for length in lengths:
        reached += length
        upto = round(total * reached / whole)
        shares.append(upto - given)
        given = upto
    shares[-1] += total - given
    return shares
