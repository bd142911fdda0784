"""Server-sent events, which some gateways send though nobody asked for them: put together into one reply."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, cast

from tasks.engines.openai.lenient import loads
from warehouse.storable import whole_number

T = TypeVar("T", list[Any], dict[str, Any])


def looks_like_events(data: bytes, content_type: str) -> bool:
    """Whether a body is a stream of events and not JSON."""
    return content_type.startswith("text/event-stream") or data.lstrip()[:6].startswith(
        (b"data:", b"event:", b": ")
    )


def reply_of_events(data: bytes) -> dict[str, Any] | None:
    """The reply that the events amount to; None where they are cut off, an error's reply where they end in one."""
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    is_done = False
    for text in _payloads(data):
        if text == b"[DONE]":
            is_done = True
            continue
        event = loads(text)
        if not isinstance(event, dict):
            return None
        event = cast("dict[str, Any]", event)
        if event.get("error") or event.get("object") == "error":
            return event
        whole |= {name: value for name, value in event.items() if name != "choices" and value is not None}
        for piece in _of(event.get("choices"), list):
            _take(choices, _of(piece, dict))
    is_ended = bool(choices) and all(choice["finish_reason"] for choice in choices.values())
    if not (is_done or is_ended):
        return None
    return whole | {"choices": [choices[index] for index in sorted(choices)]}


def _payloads(data: bytes) -> Iterator[bytes]:
    """What each event carries: its `data:` lines, joined."""
    lines: list[bytes] = []
    for line in [*data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"), b""]:
        if line.startswith(b"data:"):
            lines.append(line[5:].strip())
        elif not line and lines:
            yield b"\n".join(lines)
            lines = []


def _take(choices: dict[int, dict[str, Any]], piece: Mapping[str, Any]) -> None:
    """Add a piece of a choice to what there is of it."""
    index = whole_number(piece.get("index"), 0, 2**31 - 1) or 0
    choice = choices.setdefault(index, {"index": index, "message": {}, "finish_reason": None})
    message = choice["message"]
    for name, value in (_of(piece.get("delta"), dict) or _of(piece.get("message"), dict)).items():
        held = message.get(name)
        if type(value) in {str, list} and type(held) is type(value) and name != "role":
            message[name] = held + value
        elif value is not None:
            message[name] = value
    for name in ("finish_reason", "error"):
        choice[name] = piece.get(name) or choice.get(name)
    if tokens := _of(_of(piece.get("logprobs"), dict).get("content"), list):
        choice.setdefault("logprobs", {"content": []})["content"] += tokens


def _of(value: object, kind: type[T]) -> T:
    """The value where it is of that kind, else an empty one: what has another form says nothing."""
    return value if isinstance(value, kind) else kind()
