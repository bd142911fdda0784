"""What a reply says of its tokens and of its price, in the forms of the providers.

Cached: `prompt_tokens_details.cached_tokens` (OpenAI, vLLM, OpenRouter, xAI), `prompt_cache_hit_tokens` (DeepSeek),
`cached_tokens` (Moonshot). Reasoning: `completion_tokens_details.reasoning_tokens`; xAI counts it beside the completion
and not in it, which the total shows. `input_tokens` and
`output_tokens` are the names of newer interfaces. Price: `cost` in dollars (OpenRouter), or `cost.total` (gateways).
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

from configs.schema import JsonObject
from warehouse.storable import finite_number, whole_number

_MOST_TOKENS = 2**31 - 1
_PLAIN = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})


class Usage(NamedTuple):
    """The counts of one request, of all its choices together; None: it does not say."""

    prompt: int | None
    cached: int | None
    """Of the prompt, what the provider had in its cache; never more than the prompt."""
    completion: int | None
    """Reasoning and answers."""
    reasoning: int | None
    """Of the completion; never more than it."""
    dollars: float | None


def usage_of(reply: JsonObject) -> Usage:
    """The reply's `usage`, whatever of it can be read."""
    usage = _object(reply.get("usage"))
    prompt = _first(_count(usage, "prompt_tokens"), _count(usage, "input_tokens"))
    completion = _first(_count(usage, "completion_tokens"), _count(usage, "output_tokens"))
    if usage.keys() == _PLAIN:  # many servers say no more
        return Usage(prompt, None, completion, None, None)
    total = _count(usage, "total_tokens")
    cached = _first(
        _count(_object(usage.get("prompt_tokens_details")), "cached_tokens"),
        _count(usage, "prompt_cache_hit_tokens"),
        _count(usage, "cached_tokens"),
    )
    reasoning = _count(_object(usage.get("completion_tokens_details")), "reasoning_tokens")
    if reasoning and None not in (prompt, completion) and total == sum((prompt, completion, reasoning)):  # pyright: ignore[reportArgumentType, reportCallIssue] - none is None
        completion = reasoning + (completion or 0)
    return Usage(
        prompt,
        None if cached is None or prompt is None else min(cached, prompt),
        completion,
        None if reasoning is None or completion is None else min(reasoning, completion),
        _dollars(usage.get("cost")),
    )


def tokens_of(reply: object) -> tuple[int, int]:
    """Tokens of the completions and of the prompt that a reply counts; 0 where it does not say."""
    usage = _object(cast("JsonObject", reply).get("usage")) if isinstance(reply, dict) else {}
    return _count(usage, "completion_tokens") or 0, _count(usage, "prompt_tokens") or 0


def shared_out(total: int | None, lengths: Sequence[int]) -> list[int | None]:
    """A request's token count among its choices by text length; the shares add up to the total."""
    if total is None:
        return [None] * len(lengths)
    whole, given, shares = sum(lengths) or 1, 0, []
    reached = 0
    for length in lengths:
        reached += length
        upto = round(total * reached / whole)
        shares.append(upto - given)
        given = upto
    shares[-1] += total - given
    return shares


def dollars_shared_out(dollars: float | None, lengths: Sequence[int]) -> list[float | None]:
    """A request's price among its choices by text length, or evenly where none has text."""
    if dollars is None:
        return [None] * len(lengths)
    whole = sum(lengths)
    return [dollars * length / whole if whole else dollars / len(lengths) for length in lengths]


def _dollars(cost: object) -> float | None:
    number = finite_number(_object(cost).get("total", cost))
    return None if number is None or number < 0 else number


def _count(usage: JsonObject, name: str) -> int | None:
    value = usage.get(name)
    if type(value) is int and 0 <= value <= _MOST_TOKENS:  # nearly always
        return value
    return whole_number(value, 0, _MOST_TOKENS)


def _object(value: object) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
