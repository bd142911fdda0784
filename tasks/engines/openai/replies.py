"""What an OpenAI-compatible endpoint answers, as completions and failures."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, cast

from configs.schema import JsonObject
from tasks.engines.endings import ending_of
from tasks.engines.message import said
from tasks.engines.openai.events import looks_like_events, reply_of_events
from tasks.engines.openai.faults import (
    Meaning,
    TransientError,
    error_message,
    error_status,
    meaning_of,
    one_line,
)
from tasks.engines.openai.lenient import loads
from tasks.engines.openai.logprobs import UNKNOWN, sureness_of
from tasks.engines.openai.usage import dollars_shared_out, shared_out, usage_of
from tasks.engines.protocol import Completion, Failure
from tasks.engines.reasoning import KNOWN, Marks, split_reasoning
from warehouse.failures import FailureCode
from warehouse.storable import storable_text, whole_number

_MOST_TOKENS = 2**31 - 1


class Sent(NamedTuple):
    """How and when the request that was answered went out."""

    seed: int | None
    started_at: datetime
    latency_seconds: float
    num_tries: int
    marks: tuple[Marks, ...] = KNOWN
    """What the model writes around its reasoning."""


Outcome = Completion | Failure | TransientError
"""What became of one choice; a TransientError is no outcome yet: it has to be asked for again."""


def parsed(data: bytes, content_type: str) -> Any:  # noqa: ANN401 - JSON
    """A body as JSON, also where it came as server-sent events or one object a line; None where it is none, or cut off."""
    events = reply_of_events(data) if looks_like_events(data, content_type) else None
    whole = loads(data) if events is None else events
    return reply_of_events(data) if whole is None and b"\n{" in data and data.startswith(b"{") else whole


def outcomes_of(reply: object, sent: Sent, hidden: Callable[[str], str] = str) -> list[Outcome]:
    """One outcome per choice, in order. Raises TransientError for a reply without choices.

    Args:
        reply: The parsed reply.
        sent: What was asked.
        hidden: Takes secrets out of what the reply says about itself.
    """
    content = cast("JsonObject", reply) if isinstance(reply, dict) else {}
    given = content.get("choices")
    if not isinstance(given, list) or not given:
        raise TransientError(
            FailureCode.BAD_REPLY, hidden(f"the reply has no choices: {one_line(str(reply))[:200]}")
        )
    choices = cast("list[Any]", given)
    if len(choices) > 1:
        choices = sorted(choices, key=_index)
    usage = usage_of(content)
    texts = [_texts(choice, sent.marks) for choice in choices]
    if len(texts) == 1:
        shares, thoughts, dollars = [usage.completion], [usage.reasoning], [usage.dollars]
    else:
        lengths = [len(r or "") + len(a) for r, a in texts]
        shares, dollars = shared_out(usage.completion, lengths), dollars_shared_out(usage.dollars, lengths)
        thoughts = shared_out(usage.reasoning, lengths)
    outcomes: list[Outcome] = []
    for place, (choice, (reasoning, answer)) in enumerate(zip(choices, texts, strict=True)):
        reason = _reason(choice)
        if fault := _fault(choice, reason, reasoning or answer, shares[place], sent):
            said = hidden(fault.message)
            outcomes.append(
                fault._replace(message=said) if isinstance(fault, Failure) else replace(fault, message=said)
            )
            continue
        sureness = sureness_of(logprobs) if (logprobs := choice.get("logprobs")) else UNKNOWN
        outcomes.append(
            Completion(
                reasoning=reasoning,
                answer=answer,
                finish_reason=reason or "stop",
                seed=sent.seed,
                choice_index=place,
                num_prompt_tokens=usage.prompt,
                num_billed_prompt_tokens=usage.prompt if place == 0 or usage.prompt is None else 0,
                num_completion_tokens=shares[place],
                started_at=sent.started_at,
                latency_seconds=sent.latency_seconds,
                num_tries=sent.num_tries,
                mean_logprob=sureness.mean_logprob,
                group_confidence=sureness.group_confidence,
                num_cached_prompt_tokens=usage.cached if place == 0 or usage.cached is None else 0,
                num_reasoning_tokens=thoughts[place],
                billed_dollars=dollars[place],
            )
        )
    return outcomes


def models_served(reply: object) -> list[str]:
    """Names under which an endpoint takes requests; empty where any will do or it does not say."""
    match reply:
        case {"data": list(models)}:
            named = [m for m in cast("list[Any]", models) if isinstance(m, dict) and m.get("id")]
            if not any(m.get("owned_by") == "llamacpp" for m in named):
                return [str(m["id"]) for m in named]
    return []  # llama.cpp serves its one model under any name


def _fault(
    choice: object, reason: str | None, text: str, num_tokens: int | None, sent: Sent
) -> Failure | TransientError | None:
    """Why a choice is not an answer; None where it is one."""
    if not isinstance(choice, dict):
        return TransientError(FailureCode.BAD_REPLY, "a choice of the reply is not an object")
    choice = cast("JsonObject", choice)
    if choice.get("error"):
        return _choice_error(choice, sent)
    match ending_of(reason):
        case "failed":
            return TransientError(
                FailureCode.SERVER_ERROR, f"the server broke the completion off (finish_reason {reason})"
            )
        case "filtered":
            said = f"the endpoint withheld the completion (finish_reason {reason})"
            return Failure(FailureCode.CONTENT_FILTER, said, sent.started_at, sent.num_tries)
        case "stop" | "tool" if not text and num_tokens != 1:  # one token is the end of the text
            kind = (
                "an empty completion"
                if isinstance(choice.get("message"), dict)
                else "a choice without a message"
            )
            return TransientError(FailureCode.BAD_REPLY, f"the reply holds {kind} (finish_reason {reason})")
        case _:
            return None


def _choice_error(choice: JsonObject, sent: Sent) -> Failure | TransientError:
    error = {"error": choice["error"]}
    status = error_status(error)
    message = error_message(status, str(choice["error"]).encode(errors="replace"), error)
    meaning, code = meaning_of(status, message, error)
    if meaning is Meaning.REFUSED:
        return Failure(code, message, sent.started_at, sent.num_tries)
    return TransientError(
        FailureCode.RATE_LIMITED if code == FailureCode.RATE_LIMITED else FailureCode.SERVER_ERROR, message
    )


def _index(choice: Any) -> int:  # noqa: ANN401 - JSON
    """A choice's place; those that do not say theirs stay in the order in which they came."""
    return (isinstance(choice, dict) and whole_number(choice.get("index"), 0, _MOST_TOKENS)) or 0  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - JSON


def _reason(choice: Any) -> str | None:  # noqa: ANN401 - JSON
    """The finish reason where it is a word."""
    reason = choice.get("finish_reason") if isinstance(choice, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
    return _word(reason[:2000]) if isinstance(reason, str) else None


@lru_cache(maxsize=256)  # there are few words for it
def _word(reason: str) -> str:
    return one_line(storable_text(reason))


def _message(choice: JsonObject) -> JsonObject | None:
    """What a choice says: its message, in a piece as of a stream, or a text as before there were chats."""
    for name in ("message", "delta"):
        if isinstance(message := choice.get(name), dict):
            return cast("JsonObject", message)
    return {"content": choice["text"]} if isinstance(choice.get("text"), str) else None


def _texts(choice: Any, marks: tuple[Marks, ...]) -> tuple[str | None, str]:  # noqa: ANN401 - JSON
    """Reasoning and answer: from fields or parts of their own, else from think tags."""
    message = _message(cast("JsonObject", choice)) if isinstance(choice, dict) else None
    if message is None:
        return None, ""
    reasoning, content = said(message)
    if reasoning:
        return reasoning.strip(), content.strip()
    return split_reasoning(content, marks)
