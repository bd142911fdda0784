"""What a message of a chat says, whether its content is a text or a list of typed parts."""

from typing import Any, cast

from configs.schema import JsonObject
from warehouse.storable import storable_text

_REASONING = ("reasoning_content", "reasoning", "thinking", "reasoning_details", "reasoning_text", "thought")
_TEXTS = ("text", "thinking", "reasoning", "content", "summary", "value")


def said(message: JsonObject) -> tuple[str, str]:
    """Reasoning and answer of a message, each empty where there is none; think tags in the answer are left there."""
    thought, content = _parts(message.get("content"))
    reasoning = next(
        (text for name in _REASONING if name in message and (text := _flat(message[name]))), thought
    )
    return reasoning, content or _flat(message.get("refusal"))


def spoken(value: object) -> list[object]:
    """A cell's texts and messages, one an output: a conversation is its last message, a list of parts is one message."""
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    objects = [cast("JsonObject", item) for item in items if isinstance(item, dict)]
    if len(objects) < len(items):
        return items
    if all(isinstance(item.get("type"), str) and "role" not in item for item in objects):
        return [{"content": items}]
    if len({item.get("role") for item in objects}) > 1:
        return [objects[-1] if objects[-1].get("role") in {"assistant", "model"} else None]
    return items


def recorded_text(value: object) -> str | None:
    """A recorded output as one text, a message's reasoning between think tags. Raises ValueError for what is neither."""
    if isinstance(value, str | None):
        return value
    if not isinstance(value, dict) or not {"content", "text", *_REASONING} & value.keys():
        raise ValueError("is neither a text nor a message")
    message = cast("JsonObject", value)
    reasoning, answer = said(message if "content" in message else {**message, "content": message.get("text")})
    return f"<think>{reasoning}</think>{answer}" if reasoning else answer


def _parts(content: object) -> tuple[str, str]:
    """Reasoning and answer of a message's content: a text, or parts of which some are thoughts."""
    if not isinstance(content, list):
        return "", _flat(content)
    thoughts: list[str] = []
    answers: list[str] = []
    for part in cast("list[Any]", content):
        kind = str(part.get("type", "")) if isinstance(part, dict) else ""
        (thoughts if kind.startswith(("thinking", "reasoning")) else answers).append(_flat(part))
    return "".join(thoughts), "".join(answers)


def _flat(value: object) -> str:
    """The text of a value: itself, its parts', or that of the part's field that holds some."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, list):
        return "".join(map(_flat, cast("list[Any]", value)))
    if isinstance(value, dict):
        part = cast("JsonObject", value)
        return next((text for name in _TEXTS if (text := _flat(part.get(name)))), "")
    return ""
